"""This library with its declarative steps."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from dualtable import Chain, Convert, Migration, Migrator, Move

SEGMENTS = 8
"""As many pages are on their way at once, each sent no faster than one partition takes it."""

STEPS = Chain(Move("customer.region", "region"), Convert("total", lambda cents: cents / 100))


def migrate(url: str, old: str, new: str) -> None:
    run(url, old, new, STEPS, total_segments=SEGMENTS)


def run(url: str, old: str, new: str, transform: Any, **settings: Any) -> None:
    """Run the migrator once, whole."""
    migration = Migration(new, old, new, transform, version="1", control_table=f"{new}-control")
    with tempfile.TemporaryDirectory() as folder:
        migrator = Migrator(
            migration,
            endpoint_url=url,
            dead_letters=Path(folder) / "dead-letters.jsonl",
            **settings,
        )
        report = asyncio.run(migrator.run())
    assert report.ok, report
