"""The one client of Valkey."""

import os

import redis.asyncio as redis

# A pool that waits for a free connection: the default one answers a burst of more than 100 requests with errors.
pool = redis.BlockingConnectionPool.from_url(
    os.environ.get("VALKEY_URL", "redis://localhost:6379/0"), max_connections=50, timeout=20, decode_responses=True
)
store = redis.Redis(connection_pool=pool)
