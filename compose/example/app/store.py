"""The one client of Valkey."""

import os

import redis.asyncio as redis

store = redis.from_url(os.environ.get("VALKEY_URL", "redis://localhost:6379/0"), decode_responses=True)
