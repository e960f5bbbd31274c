"""This library with its declarative steps, as it comes: nothing but the migration is said."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from dualtable import Chain, Convert, Migration, Migrator, Move

STEPS = Chain(Move("customer.region", "region"), Convert("total", lambda cents: cents / 100))


def migrate(url: str, old: str, new: str) -> None:
    run(url, old, new, STEPS)


def run(url: str, old: str, new: str, transform: Any) -> None:
    """Run the migrator once, whole."""
    migration = Migration(new, old, new, transform, version="1", control_table=f"{new}-control")
    with tempfile.TemporaryDirectory() as folder:
        letters = Path(folder) / "dead-letters.jsonl"
        migrator = Migrator(migration, endpoint_url=url, dead_letters=letters)
        report = asyncio.run(migrator.run())
    assert report.ok, report
