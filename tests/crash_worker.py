"""A migrator in a process of its own, which kills itself some time after so many settled pages."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable

import orders

from dualtable import Migrator


def death(after_pages: int, wait_seconds: float) -> Callable[[object], None]:
    """Return an observer that brings it; without a wait there and then, else from a thread."""
    pages = 0

    def observe(_: object) -> None:
        nonlocal pages
        pages += 1
        if pages != after_pages:
            return
        if not wait_seconds:
            die()
        threading.Timer(wait_seconds, die).start()

    return observe


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def main(
    name: str, endpoint_url: str, dead_letters: str, after_pages: str, wait_seconds: str
) -> None:
    await Migrator(
        orders.migration(name),
        endpoint_url=endpoint_url,
        total_segments=12,
        concurrency=3,
        page_items=10,
        lease_seconds=0.5,
        dead_letters=dead_letters,
        observer=death(int(after_pages), float(wait_seconds)),
    ).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
