"""The whole proof, with its figures at the end: `nox -s prove`, some two hours on a busy machine.

Parts can be named, as in `nox -s prove -- guards state_machine`.

The rule: whatever is violated is printed as it is found, with its trace; the end says how much was
looked at, and the exit status is 0 only when nothing was violated and no guard was in vain.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import cache
from itertools import chain, combinations_with_replacement, product
from pathlib import Path

import attrs
from conftest import pytest_configure
from servers import SERVERS, ServerUnavailable

from proof import fleet, rolling_fleet
from proof.casts import (
    WORLDS,
    Cast,
    by_index,
    casts,
    finishing,
    grouped,
    hanging,
    iterating,
    paired,
    with_text_keys,
)
from proof.entry_casts import every_entry_cast
from proof.explorer import Exploration, explore
from proof.fleet import Fleet
from proof.guards import GUARDS
from proof.machine import Connect, DictMachine, at, compare, memory
from proof.moves import Budget
from proof.pages import BESIDE, ITERATORS, QUERIERS, SCANNERS
from proof.pairs import PAIRED
from proof.parts import chosen
from proof.roles import (
    CORE,
    CREATOR,
    DELETER,
    GLANCER,
    INDEX_QUERIER,
    MOVER,
    PUTTER,
    READER,
    ROLES,
    UPDATER,
)
from proof.rolling_fleet import RollingFleet
from proof.rolling_machine import RollingMachine
from proof.runs import RUN_CASTS
from proof.verifying import VERIFYING_CASTS

ONLY_OLD, COPIED, _, DELETED, NOWHERE, ONLY_NEW, _ = WORLDS
FLEET = Fleet(seconds=60)
ROLLING_FLEET = RollingFleet()
EXAMPLES = {"memory": 400, "dynamodb-local": 20, "dynoxide": 40}
STEPS = 40
TELL_SECONDS = 60
"""How often the longest part says how far it is."""
MOVERS = (UPDATER, MOVER, DELETER)
"""Who keeps an item in its index, or takes it out."""


@attrs.define
class Summary:
    """What was looked at, line by line, and what is wrong."""

    lines: list[str] = attrs.field(factory=list)
    violations: list[str] = attrs.field(factory=list)

    def note(self, line: str) -> None:
        print(line, flush=True)
        self.lines.append(line)

    def complain(self, violation: str) -> None:
        print(violation, flush=True)
        self.violations.append(violation)


def every_cast() -> Iterator[Cast]:
    """Yield what is explored of a migration from `MIGRATING` on."""
    yield from RUN_CASTS
    yield Cast(((UPDATER,),), ONLY_OLD, migrators=2, others=False)
    yield from chain(casts(1), casts(2))
    yield from map(with_text_keys, chain(casts(1), casts(2, CORE, (ONLY_OLD, COPIED, DELETED))))
    yield from casts(2, CORE, (ONLY_OLD, DELETED), Budget(crashes=1))
    yield from casts(2, CORE, (ONLY_OLD, COPIED, DELETED), Budget(losses=1))
    yield from casts(3, (UPDATER, PUTTER, DELETER, GLANCER), (ONLY_OLD, COPIED, DELETED))
    yield from casts(1, CORE, (ONLY_OLD,), Budget(crashes=2))
    yield from (finishing(role, world) for role in ROLES for world in (ONLY_OLD, DELETED))
    for world in (ONLY_OLD, DELETED):
        yield from (hanging(role, UPDATER, world=world) for role in ROLES)
        yield from (hanging(role, world=world, moves_on=True) for role in ROLES)
    for roles in combinations_with_replacement(PAIRED, 2):
        yield from (paired(*roles, world=world) for world in WORLDS)
    yield from (by_index(INDEX_QUERIER, who, world=world) for who in MOVERS for world in WORLDS)
    yield from (by_index(INDEX_QUERIER, MOVER, who, world=COPIED) for who in MOVERS)
    yield from paging()
    for scripts in (
        ((DELETER, CREATOR), (UPDATER,)),
        ((PUTTER, READER), (DELETER, READER)),
        ((UPDATER, GLANCER), (DELETER, GLANCER)),
    ):
        yield Cast(scripts, ONLY_OLD)


def paging() -> Iterator[Cast]:
    """Yield the casts with somebody who reads page by page."""
    for world, beside in product((ONLY_OLD, COPIED, DELETED, NOWHERE, ONLY_NEW), BESIDE):
        yield from (paired(pager, beside, world=world) for pager in SCANNERS)
        yield from (grouped(pager, beside, world=world) for pager in (*SCANNERS, *QUERIERS))
    for script, beside, world in product(ITERATORS, BESIDE, (ONLY_OLD, COPIED)):
        yield iterating(script, beside, world=world)


def interleavings(summary: Summary) -> None:
    """Explore every cast, on all processors."""
    count = len(_casts())
    total = Exploration()
    begun = told = time.monotonic()
    with ProcessPoolExecutor() as pool:
        waiting = [pool.submit(_explored, number) for number in range(count)]
        for done, ended in enumerate(as_completed(waiting), start=1):
            found, violation = ended.result()
            total += found
            if violation is not None:
                summary.complain(violation)
            if time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                seen = f"{done:,} of {count:,} casts, {total.interleavings:,} interleavings"
                print(f"  {told - begun:.0f} s: {seen}", flush=True)
    summary.note(
        f"interleavings explored: {total.interleavings:,}"
        f" ({count:,} casts, {total.states:,} states, {total.runs:,} runs)"
    )


@cache
def _casts() -> list[Cast]:
    """Return the casts, which each process makes for itself: they do not travel."""
    made = [*every_cast(), *every_entry_cast(), *VERIFYING_CASTS]
    gc.freeze()  # it stays: what each exploration leaves behind is found without looking at it
    return made


def _explored(number: int) -> tuple[Exploration, str | None]:
    found = explore(_casts()[number])
    violation = None if found.violation is None else str(found.violation)
    return attrs.evolve(found, violation=None, outcomes=frozenset()), violation


def guards(summary: Summary) -> None:
    """Remove each guard once."""
    caught = 0
    for guard in GUARDS:
        with guard.removed():
            found = explore(guard.cast).violation
        if found is not None and found.rule.startswith(guard.rule):
            caught += 1
        else:
            summary.complain(f"without {guard.name}, {guard.rule} was not reported: {found}")
    summary.note(f"guards whose removal is caught: {caught} of {len(GUARDS)}")


def state_machine(summary: Summary) -> None:
    """Compare the repository with a dict, in memory and on servers."""
    _compare(summary, "memory", memory)
    for name in ("dynamodb-local", "dynoxide"):
        with _server(summary, name) as url:
            if url is not None:
                _compare(summary, name, at(url))


def _compare(summary: Summary, name: str, connect_to: Connect) -> None:
    for machine, what in ((DictMachine, "state machine"), (RollingMachine, "rolling machine")):
        try:
            steps = compare(connect_to, EXAMPLES[name], STEPS, machine, print_blob=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what was looked for
            traceback.print_exc()
            summary.complain(f"{what} on {name}: {type(error).__name__}: {error}")
        else:
            summary.note(f"{what} steps on {name}: {steps:,}")


@contextmanager
def _server(summary: Summary, name: str) -> Iterator[str | None]:
    """Start a server; without it the proof is not whole."""
    try:
        with SERVERS[name]() as url:
            yield url
    except ServerUnavailable as reason:
        summary.complain(f"{name}: {reason}")
        yield None


def real_fleet(summary: Summary) -> None:
    """Let processes work on DynamoDB Local while migrators are killed."""
    with _server(summary, "dynamodb-local") as url, tempfile.TemporaryDirectory() as folder:
        if url is None:
            return
        report = asyncio.run(fleet.run(url, "fleet", Path(folder), FLEET))
    for violation in report.violations:
        summary.complain(f"fleet: {violation}")
    summary.note(
        f"fleet operations checked: {report.operations:,} ({report.scans} scans,"
        f" {report.kills} migrators killed)"
    )


def rolling_fleets(summary: Summary) -> None:
    """Let old and new code work on each server while the migration takes all its steps."""
    for name in ("dynamodb-local", "dynoxide"):
        with _server(summary, name) as url, tempfile.TemporaryDirectory() as folder:
            if url is None:
                continue
            report = asyncio.run(rolling_fleet.run(url, "rolling", Path(folder), ROLLING_FLEET))
        for violation in report.violations:
            summary.complain(f"rolling fleet on {name}: {violation}")
        summary.note(f"rolling fleet on {name}: {report}")


PARTS = (interleavings, guards, state_machine, real_fleet, rolling_fleets)


def main(names: list[str]) -> int:
    """Prove everything, or what is named, and return the exit status."""
    parts = chosen(PARTS, names, __doc__)
    pytest_configure()  # no test sees the credentials of whoever runs it
    summary = Summary()
    for part in parts:
        begun = time.monotonic()
        part(summary)
        print(f"  in {time.monotonic() - begun:.0f} s", flush=True)
    summary.note(f"violations: {len(summary.violations)}")
    print("", *summary.lines, sep="\n")
    return int(bool(summary.violations))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
