"""What happened in the demo.

The rule: it needs nothing that the demo needs, so that its schema can be read without.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from dualtable._copy.report import MigrationReport
from dualtable._proof.findings import VerificationReport


@attrs.frozen(kw_only=True)
class DemoReport:
    """What happened in the demo.

    Attributes:
        cities: Items of the old table.
        runs: The migrator's runs: the one that was stopped, and the one that went on.
        operations: What production did meanwhile, by kind.
        verification: What the verifier found.
        proved: Each claim, and whether it was proved.
        seconds: How long all of it took, without the start of the server.
    """

    cities: int
    runs: tuple[MigrationReport, MigrationReport]
    operations: Mapping[str, int]
    verification: VerificationReport
    proved: Mapping[str, bool]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every claim was proved."""
        return all(self.proved.values())
