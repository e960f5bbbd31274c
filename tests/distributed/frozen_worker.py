"""A migrator in a process of its own, to be stopped, continued and killed; prints each page."""

from __future__ import annotations

import asyncio
import sys

import orders

from dualtable import Migrator


async def main(name: str, endpoint_url: str, dead_letters: str) -> None:
    report = await Migrator(
        orders.migration(name),
        endpoint_url=endpoint_url,
        total_segments=2,
        concurrency=1,
        page_items=5,
        max_write_units=60,
        lease_seconds=1,
        dead_letters=dead_letters,
        observer=lambda progress: print(progress.scanned, flush=True),
    ).run()
    print(f"complete={report.complete}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
