"""The repository as a context: how it comes to its tables, and how it lets go of them.

The rule: the phase is read before the tables, and an operation sees the tables by the phase at its
beginning.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, Generic, NoReturn, ParamSpec, Self, TypeVar

import attrs

from dualtable._clock import Clock
from dualtable._control.connected import Connected
from dualtable._control.control_table import Control
from dualtable._control.inherited import check_marks
from dualtable._control.milestones import Milestones
from dualtable._control.phase_watch import PhaseWatch
from dualtable._control.phases import Route
from dualtable._control.run_records import Run
from dualtable._dynamodb.connect import Connection
from dualtable._dynamodb.gateway import (
    Gateway,
)
from dualtable._dynamodb.retry import PRODUCTION
from dualtable._events.metering import metered
from dualtable._events.operations import Meter
from dualtable._home import Home, stays
from dualtable._production.exchange import Exchange
from dualtable._production.logical import LogicalTable
from dualtable._production.overlay import Overlay
from dualtable._production.shadow import Shadow
from dualtable._transforms.lineage import Lineage
from dualtable._transforms.migration import (
    Migration,
    check_flags,
    check_range,
    known_fingerprint,
)
from dualtable._transforms.models import Form, Model
from dualtable._wire.layouts import Called, Layout, identity, layout
from dualtable.errors import DualTableError, MigrationMismatchError, TableNotFoundError

_log = logging.getLogger("dualtable.repository")

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Self = TypeVar("_Self", bound="Opened[Any]")


def operation(
    method: Callable[Concatenate[_Self, _P], Awaitable[_T]],
) -> Callable[Concatenate[_Self, _P], Coroutine[Any, Any, _T]]:
    """Count a method's calls as operations, which a phase waits for before it is acknowledged."""

    @wraps(method)
    async def counted(self: _Self, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        watch = self._watch
        with nullcontext() if self._meter is None else self._meter.operation(method.__name__):
            step = await watch.begin()
            try:
                return await method(self, *args, **kwargs)
            finally:
                watch.end(step)

    return counted  # type: ignore[return-value] # functools.wraps says less than it does


class Opened(Connected, Generic[Model]):
    """What has a migration's tables between entering a context and leaving it."""

    def __init__(
        self,
        migration: Migration,
        form: Form[Any],
        *,
        one_round_trip: bool,
        copy_on_read: bool,
        shadow_share: float,
        clock: Clock | None,
        connection: Connection,
    ) -> None:
        super().__init__(migration, clock, connection)
        self._form = form
        self._one_round_trip = one_round_trip
        self._copy_on_read = copy_on_read
        check_range("shadow_share", shadow_share, 0, 1, optional=False)
        check_flags(one_round_trip=one_round_trip, copy_on_read=copy_on_read)
        self._shadow_share = shadow_share
        self._shadow: Shadow | None = None
        self._meter: Meter | None = None
        self._stack = AsyncExitStack()
        self._opened: tuple[LogicalTable, Exchange[Model]] | None = None
        self._home: Home | None = None

    async def __aenter__(self) -> Self:
        if self._opened is not None:
            self._check_home()
            raise DualTableError("the repository is open already")
        home = Home.here("the repository")
        async with AsyncExitStack() as stack:
            gateway = await stack.enter_async_context(self._measured())
            # First, because a wrong endpoint shows soonest there.
            described = await gateway.describe_table(self._migration.new)
            new = layout(described)
            called = Called.of(described, self._migration.old, self._migration.new)
            control = Milestones(gateway, self._migration.control_table, self._migration.name)
            await self._check_gated(control)
            await control.check_tables(self._migration)
            mine = known_fingerprint(self._migration)
            watch = await PhaseWatch.open(control, self._clock, self._times, mine)
            stack.push_async_callback(watch.close)
            tables = await self._look_up(gateway, watch, new)
            if tables.route.asks_old:
                _tell_of_another_transform(await control.run(), mine)
            if tables.shadow is not None:
                stack.push_async_callback(tables.shadow.close)
            self._shadow = tables.shadow
            self._meter = tables.meter
            self._opened = (
                tables,
                Exchange(tables.new, tables.marks, self._form, called),
            )
            self._stack, self._home = stack.pop_all(), home
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._home is not None and self._home.is_forked:
            return  # what another process has opened is not this one's to close
        self._check_home()
        self._opened = self._home = None
        await self._stack.__aexit__(kind, error, trace)

    def _measured(self) -> AbstractAsyncContextManager[Gateway]:
        """Open the port; where there are metrics, they hear of requests and retries."""
        heard = metered(self._metrics, "repository", self._migration, self._clock)
        return self._connect(PRODUCTION, *heard)

    async def _look_up(self, gateway: Gateway, watch: PhaseWatch, new: Layout) -> LogicalTable:
        migration = self._migration
        sighting = await watch.look()
        if sighting.route.asks_old or await self._has_shadow(gateway, sighting.route):
            found = await gateway.describe_table(migration.old)
            await check_marks(gateway, migration, identity(found), filled=True)
            old = layout(found)
        else:  # there is no way back to a phase that asks the old table, which may be gone
            old = attrs.evolve(new, table=migration.old, identity="")
        lineage = Lineage.of(migration, old, new)
        if sighting.route.old_moves:
            lineage.check_one_to_one()
        return LogicalTable(
            gateway=gateway,
            lineage=lineage,
            overlay=Overlay(new.key.partition.name, migration.marks),
            watch=watch,
            sighting=sighting,
            one_round_trip=self._one_round_trip,
            copy_on_read=self._copy_on_read,
            meter=Meter.of(self._metrics, watch, self._clock),
            shadow=Shadow(gateway, lineage, self._shadow_share) if self._shadow_share else None,
        )

    async def _has_shadow(self, gateway: Gateway, route: Route) -> bool:
        """Tell whether hits can be compared with an old table that is not asked any more."""
        if not self._shadow_share or not route.buries:
            return False
        try:
            await gateway.describe_table(self._migration.old)
        except TableNotFoundError:
            return False
        return True

    async def _check_gated(self, control: Control) -> None:
        """Let no fleet roll that nobody could gate."""
        if self._migration.rolling and await control.known_state() is None:
            raise MigrationMismatchError(
                f"{self._migration.name} rolls, and {self._migration.control_table} has no phase of"
                " it, so nobody could tell when to go on; run 'dualtable create' first"
            )

    @property
    def _identity(self) -> tuple[str, str]:
        """What a page token belongs to."""
        return self._migration.name, self._migration.new

    @property
    def _watch(self) -> PhaseWatch:
        return self._open()[0].watch

    @property
    def _exchange(self) -> Exchange[Model]:
        return self._open()[1]

    async def _tables(self) -> LogicalTable:
        """Return the tables as an operation that begins now must see them."""
        self._check_home()
        return await self._open()[0].current()

    def _check_home(self) -> None:
        if self._home is not None:
            self._home.check("the repository")

    def __reduce__(self) -> NoReturn:
        stays("a repository")

    def _open(self) -> tuple[LogicalTable, Exchange[Model]]:
        if self._opened is None:
            raise DualTableError(
                "the repository is not open; use it inside `async with DualTableRepository(…)`"
            )
        return self._opened


def _tell_of_another_transform(run: Run | None, mine: str) -> None:
    """Say that what is written here differs from what was copied; a fleet that rolls may do so."""
    if run is not None and run.fingerprint != mine:
        _log.warning(
            "this repository has another transform than the copy: what it writes and reads from"
            " the old table may differ from what was copied; deploy the one that the copy goes by,"
            " or let the copy go on with this one (dualtable retry --fingerprint)",
            extra={"copied_by": run.fingerprint, "fingerprint": mine or "unknown"},
        )
