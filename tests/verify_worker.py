"""A verifier in a process of its own, to be killed: prints a line now and then."""

from __future__ import annotations

import asyncio
import sys

import orders

from dualtable import Verifier


async def main(name: str, endpoint_url: str) -> None:
    report = await Verifier(
        orders.migration(name),
        endpoint_url=endpoint_url,
        concurrency=2,
        lease_seconds=0.5,
        observer=lambda report: print(report.share_done, flush=True),
    ).run()
    print("done", report.checked, report.missing, report.different, report.complete, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
