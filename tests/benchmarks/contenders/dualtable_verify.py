"""This library's verification of what its migrator has copied with declarative steps."""

import asyncio

from benchmarks.contenders.dualtable_steps import STEPS
from dualtable import Migration, Verifier


def migrate(url: str, old: str, new: str) -> None:
    """Verify; the pair must have been migrated."""
    migration = Migration(new, old, new, STEPS, version="1", control_table=f"{new}-control")
    verifier = Verifier(migration, endpoint_url=url)
    report = asyncio.run(verifier.run())
    assert report.ok, report
