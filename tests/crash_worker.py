"""A migrator in a process of its own, to be killed: prints a line for each settled page."""

from __future__ import annotations

import asyncio
import sys

import orders

from dualtable import Migrator


async def main(name: str, endpoint_url: str, dead_letters: str) -> None:
    await Migrator(
        orders.migration(name),
        endpoint_url=endpoint_url,
        total_segments=12,
        concurrency=3,
        page_items=10,
        lease_seconds=0.5,
        dead_letters=dead_letters,
        observer=lambda progress: print(progress.scanned, flush=True),
    ).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
