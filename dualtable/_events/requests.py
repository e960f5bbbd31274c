"""What is heard of requests, added up.

The rule: a request adds to a handful of numbers and leaves nothing else behind.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from dualtable._dynamodb.gateway import Page
from dualtable._events.interval import LATENCY_BOUNDS
from dualtable._transforms.migration import Migration

_FULL_PAGE_UNITS = 120.0
"""A page that costs so much has ended by its size, 1 MB, and not by the number that was asked for:
of 128 units, since its last item did not fit."""


def roles(migration: Migration) -> dict[str, str]:
    """Return what the tables of a migration are called in its events."""
    return {migration.control_table: "control", migration.old: "old", migration.new: "new"}


class Requests:
    """Hears of each request of one process; see `measured`.

    Args:
        roles: What each table is called in the file, by its name.
    """

    def __init__(self, roles: Mapping[str, str]) -> None:
        self.pages = self.empty_pages = self.found = self.walked = 0
        self._roles = roles
        self._latency: dict[tuple[str, str], list[int]] = {}
        self._seconds: dict[tuple[str, str], float] = {}

    def __call__(
        self,
        operation: str,
        table: str,
        asked: Mapping[str, Any],
        seconds: float,
        outcome: Any,
    ) -> None:
        path = table, operation
        buckets = self._latency.get(path)
        if buckets is None:
            buckets = self._latency[path] = [0] * (len(LATENCY_BOUNDS) + 1)
        self._seconds[path] = self._seconds.get(path, 0.0) + seconds
        buckets[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        if operation == "scan" and isinstance(outcome, Page):
            self._note(outcome, asked.get("limit"))

    def _note(self, page: Page, limit: int | None) -> None:
        found = len(page.items)
        self.pages += 1
        self.empty_pages += not found
        self.found += found
        ended_early = page.last_key is None or page.read_units >= _FULL_PAGE_UNITS
        self.walked += found if ended_early or limit is None else limit

    def latency(self) -> dict[str, tuple[int, ...]]:
        """Return how many requests took how long, by table and operation."""
        return {self._path(*path): tuple(buckets) for path, buckets in self._latency.items()}

    def seconds(self) -> dict[str, float]:
        """Return what they took together, by table and operation."""
        return {self._path(*path): seconds for path, seconds in self._seconds.items()}

    def _path(self, table: str, operation: str) -> str:
        return f"{self._roles.get(table, 'several')} {operation}"
