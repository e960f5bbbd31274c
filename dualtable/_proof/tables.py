"""The two tables of one verification, and how they are read.

The rule: whatever reads or writes them keeps to one pace for each, and is heard of once.
"""

from __future__ import annotations

import attrs

from dualtable._clock import Clock
from dualtable._control.capacity import Paces
from dualtable._control.inherited import check_marks
from dualtable._dynamodb.gateway import Gateway
from dualtable._events.requests import Requests
from dualtable._proof.comparison import Comparison
from dualtable._proof.findings import Level
from dualtable._proof.reader import Reader
from dualtable._proof.repair import Repairs
from dualtable._sharing.membership import Membership
from dualtable._sharing.retries import Retries
from dualtable._transforms.lineage import Lineage
from dualtable._transforms.migration import Migration
from dualtable._wire.layouts import check_usable, identity, layout
from dualtable._wire.types import Description


@attrs.frozen
class Tables:
    """Both tables as they were described, their paces, and what is heard of requests to them."""

    gateway: Gateway
    migration: Migration
    old: Description
    new: Description
    paces: Paces
    retries: Retries
    requests: Requests

    @classmethod
    async def described(
        cls,
        gateway: Gateway,
        migration: Migration,
        clock: Clock,
        retries: Retries | None = None,
        requests: Requests | None = None,
    ) -> Tables:
        """Look at both tables.

        Raises:
            TableNotFoundError: One of them does not exist.
            TableMismatchError: One is on its way out; or an earlier migration has left marks of
                other names in the old one.
        """
        retries, requests = retries or Retries(), requests or Requests({})
        old = await gateway.describe_table(migration.old)
        new = await gateway.describe_table(migration.new)
        for table in (old, new):
            check_usable(table)
        retries.paces = Paces.of(old, new, clock)
        await check_marks(gateway, migration, identity(old))
        return cls(gateway, migration, old, new, retries.paces, retries, requests)

    @property
    def identities(self) -> tuple[str, str]:
        """What tells both tables from others that may have their names later."""
        return identity(self.old), identity(self.new)

    @property
    def lineage(self) -> Lineage:
        """What old items yield, and where new ones come from."""
        return Lineage.of(self.migration, layout(self.old), layout(self.new))

    def comparison(self, level: Level, repairs: Repairs | None = None) -> Comparison:
        """Return what pages of them are compared with."""
        return Comparison(
            level=level,
            lineage=self.lineage,
            old=Reader.of(self.gateway, layout(self.old), self.paces.reads),
            new=Reader.of(self.gateway, layout(self.new), self.paces.looks),
            repairs=repairs,
        )

    def repairs(self, membership: Membership) -> Repairs:
        """Return what copies what is missing."""
        return Repairs(
            self.gateway,
            layout(self.new),
            self.paces.writes,
            membership.clock,
            membership.acting,
        )
