"""The worker: takes one order at a time; one that was cut by a stop is taken up again by the next worker."""

import asyncio
import json
import os
import signal

from app.release import release
from app.store import store

SECONDS = float(os.environ.get("ORDER_SECONDS", "0"))  # that one order takes


async def main() -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    while unfinished := await store.lmove("working", "queue", "RIGHT", "LEFT"):
        print("again", unfinished)
    print("worker of", release())
    while not stopping.is_set():
        found = await store.blmove("queue", "working", 1, "LEFT", "RIGHT")
        if found is not None:
            await store.incr("tries")
            await asyncio.sleep(SECONDS)
            await store.hsetnx("done", found, json.dumps(release()))  # done twice, it has the effect of once
            await store.lrem("working", 1, found)


asyncio.run(main())
