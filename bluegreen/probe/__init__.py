"""Asks replicas whether they are healthy; the only room that imports httpx."""
