"""From phase to phase, one gate after the other.

The rule: a phase is entered only through its gate, as it stood just before, and only by who has
seen the phase before it. What a phase brings with it is done once it may be, by whoever advances
next: a crash in between leaves nothing that the same command does not complete.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Unpack

import attrs

from dualtable._clock import Clock
from dualtable._control.connected import Connected, begun
from dualtable._control.milestones import Expiry
from dualtable._control.phases import ROUTES, Phase, Requirement, next_phase, requirements
from dualtable._dynamodb.connect import Connection
from dualtable._dynamodb.gateway import TimeToLive
from dualtable._dynamodb.retry import ONE_OFF
from dualtable._operations.facts import BETWEEN_LOOKS_SECONDS, Facts, Observatory, Word
from dualtable._operations.gates import Gate, judge, wanted_expiry
from dualtable._transforms.migration import Migration, check_flags, check_observer
from dualtable.errors import (
    DualTableError,
    GateClosedError,
    InvalidSettingError,
    MigrationMismatchError,
    RequestRefusedError,
)

Observer = Callable[[Gate], None]

_LEAST_PAUSE_SECONDS = 0.05


class Lifecycle(Connected):
    """Takes a migration from phase to phase, each through its gate.

    Args:
        migration: The migration; both tables and the control table must exist.
        clock: Where time comes from; for tests.
        **connection: How to reach DynamoDB, as boto3 takes it; see `Connection`.

    Example:
        >>> import asyncio
        >>> from dualtable import Lifecycle, Migration, Move, create_table
        >>> from dualtable.testing import MemoryGateway
        >>> async def main():
        ...     gateway = MemoryGateway()
        ...     await gateway.create_table({
        ...         "TableName": "orders",
        ...         "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        ...         "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        ...         "BillingMode": "PAY_PER_REQUEST",
        ...     })
        ...     migration = Migration("orders-v2", "orders", "orders-v2", Move("nme", "name"))
        ...     await create_table(migration, gateway=gateway)
        ...     return await Lifecycle(migration, gateway=gateway).gate()
        >>> gate = asyncio.run(main())
        >>> gate.next_phase.name, gate.open
        ('MIGRATED', False)
        >>> [c.words for c in gate.closed_by if c.requirement.name == "COPIED"]
        ['nothing has been copied yet; migrate']
    """

    def __init__(
        self,
        migration: Migration,
        *,
        clock: Clock | None = None,
        **connection: Unpack[Connection],
    ) -> None:
        super().__init__(migration, clock, connection)

    async def gate(
        self,
        *,
        to: Phase | None = None,
        old_code_is_gone: bool = False,
        ttl_attribute: str | None = None,
    ) -> Gate:
        """Look at the gate of the next phase; nothing is changed.

        Args:
            to: Another phase that may follow: from `READING_BOTH`, `ROLLING_OUT` is the way back.
            old_code_is_gone: As for `advance`.
            ttl_attribute: As for `advance`.

        Raises:
            MigrationMismatchError: `to` may not follow, or no phase is recorded.
            TableNotFoundError: The new table does not exist.
            GatewayError: DynamoDB refused a request or stayed out of reach.
            InvalidSettingError: An argument is of another type than it should be.
        """
        word = _word(to, old_code_is_gone, ttl_attribute)
        async with self._connect(ONE_OFF) as gateway:
            observatory = Observatory(gateway, self._migration)
            await observatory.new_table()
            facts = await observatory.look(word, self._clock.now(), to)
        return judge(facts, to or next_phase(facts.state.phase))

    async def advance(
        self,
        *,
        to: Phase | None = None,
        wait: bool = False,
        old_code_is_gone: bool = False,
        ttl_attribute: str | None = None,
        observer: Observer | None = None,
    ) -> Phase:
        """Enter the next phase, or several in a row, each through its gate.

        Entering `MIGRATED` lets items of the new table expire as those of the old one do, once
        every repository goes by that phase and it has settled; with `wait` that is awaited, else
        the next call sees to it.

        Args:
            to: The phase to arrive at. Default: the next one. More than one step ahead, it needs
                `wait`; from `READING_BOTH`, `ROLLING_OUT` is the way back. Where the migration is
                in it already, only what is left to do for it is done.
            wait: Wait at a gate for what may still come true by itself, or by others.
            old_code_is_gone: State that no process runs any more that does not use the repository;
                nobody can see that.
            ttl_attribute: By which attribute items of the new table shall expire, where it cannot
                be found: its name there, or an empty text for not at all.
            observer: Called with the `Gate` at each look.

        Returns:
            The phase that the migration is in then.

        Raises:
            GateClosedError: A condition is not met, and without `wait` or by itself will not be.
            MigrationMismatchError: `to` cannot be reached from here, somebody else has moved the
                phase elsewhere meanwhile, or no phase is recorded.
            TableNotFoundError: The new table does not exist.
            GatewayError: DynamoDB refused a request or stayed out of reach.
            InvalidSettingError: An argument is of another type than it should be.

        Example:
            >>> import asyncio
            >>> from dualtable import DualTableError, Lifecycle, Migration, Move, create_table
            >>> from dualtable.testing import MemoryGateway
            >>> async def main():
            ...     gateway = MemoryGateway()
            ...     await gateway.create_table({
            ...         "TableName": "orders",
            ...         "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            ...         "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            ...         "BillingMode": "PAY_PER_REQUEST",
            ...     })
            ...     migration = Migration(
            ...         "orders-v2", "orders", "orders-v2", Move("nme", "name"),
            ...         rolling=True, settle_seconds=1,
            ...     )
            ...     await create_table(migration, gateway=gateway)
            ...     lifecycle = Lifecycle(migration, gateway=gateway)
            ...     return await lifecycle.advance(wait=True, old_code_is_gone=True)
            >>> asyncio.run(main()).name
            'READING_BOTH'
        """
        word = _word(to, old_code_is_gone, ttl_attribute)
        check_flags(wait=wait)
        check_observer(observer)
        async with self._connect(ONE_OFF) as gateway:
            way = _Way(
                Observatory(gateway, self._migration),
                self._clock,
                word,
                observer or (lambda _: None),
                max(_LEAST_PAUSE_SECONDS, self._times.refresh_seconds) if wait else None,
            )
            return await way.walk(to)

    async def declare_dead(self, repository: str) -> None:
        """Say that a repository will do nothing any more, so that no gate waits for its word.

        The library never takes a process for dead: one that was frozen goes on where it stood. Be
        sure that it is gone; where it speaks again after all, gates wait for it again and say so.
        To say it twice is no error.

        Args:
            repository: Its name, as gates and ``dualtable status`` show it.

        Raises:
            DualTableError: There is no repository of that name.
            GatewayError: DynamoDB refused a request or stayed out of reach.
        """
        async with self._connect(ONE_OFF) as gateway:
            observatory = Observatory(gateway, self._migration)
            await observatory.new_table()
            milestones = observatory.milestones
            found = {beat.repository: beat for beat in await milestones.heartbeats()}
            said = {dead.repository for dead in await milestones.dead()}
            if repository in said - found.keys():
                return
            if repository not in found:
                names = ", ".join(sorted(found)) or "none"
                raise DualTableError(
                    f"{self._migration.name} has no repository {repository!r}; it has {names}"
                )
            await milestones.declare_dead(found[repository], self._clock.now())


@attrs.frozen
class _Way:
    """The way of one `advance`; without a pause it waits for nothing."""

    observatory: Observatory
    clock: Clock
    word: Word
    observer: Observer
    pause_seconds: float | None

    async def walk(self, to: Phase | None) -> Phase:
        """Go from gate to gate until the phase is reached."""
        await self.observatory.new_table()
        phase = (await self.observatory.state()).phase
        to = to or next_phase(phase) or phase
        self._check_reach(phase, _steps(phase, to))
        while steps := _steps(phase, to):
            phase = await self._entered(steps)
        await self._complete()
        return to

    def _check_reach(self, phase: Phase, steps: Sequence[Phase]) -> None:
        for before, step in pairwise((phase, *steps)):
            requirements(before, step)
        if len(steps) > 1 and self.pause_seconds is None:
            raise DualTableError(
                f"{steps[-1]} is {len(steps)} steps from {phase}, and each gate opens some time"
                " after the one before: take one step at a time, or wait"
            )

    async def _entered(self, steps: Sequence[Phase]) -> Phase:
        """Enter the first of some phases; or return the one that somebody else has entered."""
        try:
            await self._pass(steps[0])
        except MigrationMismatchError:
            present = (await self.observatory.state()).phase
            if present not in steps:
                raise
            return present
        return steps[0]

    async def _pass(self, step: Phase) -> None:
        facts, gate = await self._look(step)
        looked_twice = not facts.sampled
        while not (gate.open and looked_twice):
            if gate.open:  # old code is said to be gone: whoever writes all the time is seen so
                await self.clock.sleep(BETWEEN_LOOKS_SECONDS)
            else:
                await self._wait_at(gate)
            looked_twice = True
            facts, gate = await self._look(step)
        with begun():
            await self._note(facts)
            if not ROUTES[facts.state.phase].asks_old:
                await self._switch_ttl_on(facts)
            await self.observatory.milestones.move(facts.state, step, self.clock.now())

    async def _look(self, step: Phase | None) -> tuple[Facts, Gate]:
        facts = await self.observatory.look(self.word, self.clock.now(), step)
        gate = judge(facts, step or next_phase(facts.state.phase))
        self.observer(gate)
        return facts, gate

    async def _wait_at(self, gate: Gate) -> None:
        if self.pause_seconds is None or not all(c.may_pass for c in gate.closed_by):
            reasons = "; ".join(condition.words for condition in gate.closed_by)
            raise GateClosedError(
                f"{gate.next_phase} cannot be entered from {gate.phase}: {reasons}", gate=gate
            )
        await self.clock.sleep(self.pause_seconds)

    async def _note(self, facts: Facts) -> None:
        """Keep what the next steps go by."""
        milestones, (old, new) = self.observatory.milestones, facts.tables_now
        await milestones.ensure_table()
        if facts.tables_before is None and old is not None:
            await milestones.note_tables(old, new)
        expiry = wanted_expiry(facts) if facts.expiries is not None else self.word.expiry
        if expiry is not None:
            await milestones.note_expiry(expiry)

    async def _complete(self) -> None:
        """Do what the phase has brought with it, as soon as that may be."""
        facts, gate = await self._look(None)
        while _owed_ttl(facts) and not _is_believed(gate):
            if self.pause_seconds is None:
                return
            await self.clock.sleep(self.pause_seconds)
            facts, gate = await self._look(None)
        with begun():
            await self._switch_ttl_on(facts)

    async def _switch_ttl_on(self, facts: Facts) -> None:
        gateway, new = self.observatory.gateway, facts.migration.new
        if (attribute := _owed_ttl(facts)) is None:
            return
        try:
            await gateway.switch_ttl_on(new, attribute)
        except RequestRefusedError:
            if (await gateway.describe_extras(new)).ttl != TimeToLive(
                attribute
            ):  # else somebody else was as far
                raise


def _steps(phase: Phase, to: Phase) -> list[Phase]:
    """Return the phases that are entered on the way to one; none where it is reached."""
    order = list(Phase)
    at, end = order.index(phase), order.index(to)
    return order[at + 1 : end + 1] if at <= end else [to]


def _owed_ttl(facts: Facts) -> str | None:
    """Return by which attribute items shall expire in the new table and do not yet."""
    if ROUTES[facts.state.phase].asks_old or facts.expiries is None:
        return None
    wanted = wanted_expiry(facts)
    owed = wanted is not None and facts.expiries.present is None
    return wanted.attribute if wanted and owed else None


def _is_believed(gate: Gate) -> bool:
    """Tell whether nobody can believe the old table any more."""
    needed = (Requirement.ACKNOWLEDGED, Requirement.SETTLED)
    return all(c.met for c in gate.conditions if c.requirement in needed)


def _word(to: Phase | None, old_code_is_gone: bool, ttl_attribute: str | None) -> Word:
    """Return what an operator says.

    Raises:
        InvalidSettingError: It is of another type than it should be.
    """
    if not isinstance(to, Phase | None):
        raise InvalidSettingError(f"to={to!r} must be a Phase, one of {', '.join(Phase)}")
    check_flags(old_code_is_gone=old_code_is_gone)
    if not isinstance(ttl_attribute, str | None):
        raise InvalidSettingError(f"ttl_attribute={ttl_attribute!r} must be a text")
    stated = None if ttl_attribute is None else Expiry(ttl_attribute or None)
    return Word(old_code_is_gone, stated)
