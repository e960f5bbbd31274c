"""The commands: what each one does, and which options it takes.

The rule: a command gets its options and returns an answer; it prints nothing, so that the answer is
the only thing on standard output. `COMMANDS`, at the end, is the list of them.
"""

from __future__ import annotations

import asyncio
import logging
from argparse import Namespace
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Any

from dualtable._cli.ceilings import CEILINGS
from dualtable._cli.code_checks import CHECK_CODE
from dualtable._cli.command import NOT_WELL, WELL, Answer, Command
from dualtable._cli.letters import RETRY
from dualtable._cli.looking import LIST, STATUS
from dualtable._cli.options import (
    add_advance,
    add_cleanup,
    add_copy,
    add_freeze,
    add_migration,
    add_output,
    add_processes,
    add_progress,
    add_proof,
    add_scan,
    progress_kind,
)
from dualtable._cli.options import connection_of as _connection
from dualtable._cli.planning import INIT, PLAN, TRY
from dualtable._cli.processes import STOP_ON, by_processes
from dualtable._cli.reporting import REPORT
from dualtable._control.connected import begun
from dualtable._control.phases import Phase
from dualtable._copy.dead_letters import default_dead_letters
from dualtable._copy.migrator import Migrator
from dualtable._copy.report import MigrationReport
from dualtable._operations.cleanup import clean_up
from dualtable._operations.creation import CreationReport, create_table
from dualtable._operations.freezing import FreezeReport, freeze
from dualtable._operations.gates import Gate
from dualtable._operations.lifecycle import Lifecycle
from dualtable._operations.precautions import check_precautions
from dualtable._operations.reference import load_migration
from dualtable._operations.sweep import CleanupReport
from dualtable._progress.readings import of_cleanup, of_migration, of_verification
from dualtable._progress.shown import shown
from dualtable._proof.findings import VerificationReport
from dualtable._proof.sampling import SampleReport
from dualtable._proof.verifier import Verifier
from dualtable._telling import copies, creations, gates, proofs
from dualtable._telling.answers import Entered, Mended
from dualtable._transforms.migration import Migration
from dualtable.distributed._spec import loaded
from dualtable.errors import DualTableError, GateClosedError

_log = logging.getLogger("dualtable.cli")


def _create(options: Namespace) -> Answer:
    migration = load_migration(options.reference)
    report = asyncio.run(create_table(migration, **_connection(options)))
    return Answer(
        WELL if report.ok else NOT_WELL,
        report,
        creations.creation_text(report, migration, options.reference),
    )


def _migrate(options: Namespace) -> Answer:
    migration = load_migration(options.reference)
    report = asyncio.run(_run_migrator(migration, options))
    request = copies.MigrateRequest(
        reference=options.reference,
        dead_letters=options.dead_letters
        or default_dead_letters(migration, dry_run=options.dry_run),
        dry_run=options.dry_run,
        restart=options.restart,
    )
    return Answer(
        WELL if report.ok else NOT_WELL,
        report,
        copies.migration_text(report, migration, request),
    )


class _TalkingMigrator(Migrator):
    """Says so when it is asked to stop."""

    def stop(self) -> None:
        _log.warning("finishing pages; again to stop at once")
        super().stop()


async def _run_migrator(migration: Migration, options: Namespace) -> MigrationReport:
    settings: dict[str, Any] = {
        "total_segments": options.total_segments,
        "concurrency": options.concurrency,
        "max_read_units": options.max_read_units,
        "max_write_units": options.max_write_units,
        "dead_letters": options.dead_letters,
        "events": options.events,
        "throttle": options.throttle,
        "dry_run": options.dry_run,
        "restart": options.restart,
        **_connection(options),
    }
    async with shown("migrating", kind=progress_kind(options)) as show:
        watch: dict[str, Any] = {
            "observer": lambda progress: show(of_migration(progress, options.reference))
        }
        migrator = _TalkingMigrator(migration, **loaded(settings), **watch)
        if not options.yes and not options.dry_run:
            await check_precautions(
                migration,
                despite=options.despite,
                restart=options.restart,
                **_connection(options),
            )
        if options.processes != 1:
            together: MigrationReport = await by_processes("migrate", options, **settings, **watch)
            return together
        return await migrator.run(stop_on=STOP_ON)


def _verify(options: Namespace) -> Answer:
    migration = load_migration(options.reference)
    if options.sample is not None:
        return _sample(migration, options)
    if options.repair_key is not None:
        return _repair_key(migration, options)
    report = asyncio.run(_run_verifier(migration, options))
    return Answer(
        WELL if report.ok else NOT_WELL,
        report,
        proofs.verification_text(report, migration, options.reference),
    )


def _repair_key(migration: Migration, options: Namespace) -> Answer:
    verifier = Verifier(migration, **_connection(options))
    paths = asyncio.run(verifier.repair_key(options.repair_key))
    return Answer(
        WELL,
        Mended(options.repair_key, tuple(paths)),
        [proofs.mending_text(options.repair_key, paths)],
    )


def _sample(migration: Migration, options: Namespace) -> Answer:
    verifier = Verifier(
        migration,
        level=options.level,
        concurrency=options.concurrency,
        max_read_units=options.max_read_units,
        **_connection(options),
    )
    report = asyncio.run(verifier.sample(options.sample))
    return Answer(
        WELL if report.ok else NOT_WELL,
        report,
        proofs.sample_text(report, migration, options.reference),
    )


class _TalkingVerifier(Verifier):
    """Says so when it is asked to stop."""

    def stop(self) -> None:
        _log.warning("finishing pages; again to stop at once")
        super().stop()


async def _run_verifier(migration: Migration, options: Namespace) -> VerificationReport:
    settings: dict[str, Any] = {
        "level": options.level,
        "total_segments": options.total_segments,
        "concurrency": options.concurrency,
        "max_read_units": options.max_read_units,
        "repair": options.repair,
        "events": options.events,
        "restart": options.restart,
        **_connection(options),
    }
    async with shown("verifying", kind=progress_kind(options)) as show:
        watch: dict[str, Any] = {
            "observer": lambda report: show(of_verification(report, options.reference))
        }
        if options.processes != 1:
            together: VerificationReport = await by_processes(
                "verify", options, **settings, **watch
            )
            return together
        return await _TalkingVerifier(migration, **settings, **watch).run(stop_on=STOP_ON)


def _advance(options: Namespace) -> Answer:
    migration = load_migration(options.reference)
    if options.plan and (options.wait or options.declare_dead):
        raise DualTableError("--plan changes nothing; leave --wait and --declare-dead out with it")
    lifecycle = Lifecycle(migration, **_connection(options))
    try:
        return asyncio.run(_plan_or_advance(lifecycle, migration, options))
    except GateClosedError as error:
        return _gate_answer(error.gate, migration)


async def _plan_or_advance(
    lifecycle: Lifecycle, migration: Migration, options: Namespace
) -> Answer:
    to = options.to and Phase(options.to)
    word = {
        "old_code_is_gone": options.old_code_is_gone,
        "ttl_attribute": options.ttl_attribute,
    }
    if options.plan:
        gate = await _gate(lifecycle, to, word)
        return _gate_answer(gate, migration) if to is not gate.phase else _entered(to, options)
    if options.declare_dead:
        gate = await _gate(lifecycle, None if options.wait else to, word)
        await _declare_dead(lifecycle, options.declare_dead, gate)
    observer = _tell if options.wait else None
    with begun() if options.declare_dead else nullcontext():
        phase = await lifecycle.advance(to=to, wait=options.wait, observer=observer, **word)
    return _entered(phase, options)


async def _gate(lifecycle: Lifecycle, to: Phase | None, word: Mapping[str, Any]) -> Gate:
    """Return the gate to the next phase, also where `to` is the present one; or to another one."""
    gate = await lifecycle.gate(**word)
    if to in (None, gate.phase, gate.next_phase):
        return gate
    return await lifecycle.gate(to=to, **word)


async def _declare_dead(lifecycle: Lifecycle, names: Iterable[str], gate: Gate) -> None:
    """State it of all of them: first of those that the gate does not know, so of all or of none."""
    found = [each for c in gate.conditions for each in c.data.get("repositories", ())]
    known = {each["name"] for each in found}
    for number, name in enumerate(sorted(names, key=known.__contains__)):
        with begun() if number else nullcontext():
            await lifecycle.declare_dead(name)


def _entered(phase: Phase, options: Namespace) -> Answer:
    name = load_migration(options.reference).name
    return Answer(WELL, Entered(phase), gates.entered_text(phase, name, options.reference))


def _tell(gate: Gate) -> None:
    """Say what is being waited for; without waiting, the answer says it."""
    for condition in gate.closed_by:
        what = {"to": gate.next_phase, "condition": condition.words}
        _log.info("waiting at the gate", extra=what)


def _freeze(options: Namespace) -> Answer:
    migration = load_migration(options.reference)
    report = asyncio.run(
        freeze(migration, role=options.role, undo=options.undo, **_connection(options))
    )
    return Answer(WELL, report, gates.freeze_text(report))


def _clean_up(options: Namespace) -> Answer:
    migration = load_migration(options.reference)
    report = asyncio.run(_run_cleanup(migration, options))
    return Answer(
        WELL if report.ok else NOT_WELL,
        report,
        gates.cleanup_text(report, migration, options.reference),
    )


async def _run_cleanup(migration: Migration, options: Namespace) -> CleanupReport:
    settings: dict[str, Any] = {
        "tokens": options.tokens,
        "max_read_units": options.max_read_units,
        "max_write_units": options.max_write_units,
        "events": options.events,
        **_connection(options),
    }
    async with shown("sweeping", kind=progress_kind(options)) as show:
        watch: dict[str, Any] = {
            "observer": lambda report: show(of_cleanup(report, options.reference))
        }
        if options.processes != 1:
            together: CleanupReport = await by_processes("cleanup", options, **settings, **watch)
            return together
        return await clean_up(migration, **settings, **watch)


def _gate_answer(gate: Gate, migration: Migration) -> Answer:
    return Answer(
        WELL if gate.open or gate.next_phase is None else NOT_WELL,
        gate,
        gates.gate_text(gate, migration.name),
    )


COMMANDS = (
    INIT,
    TRY,
    PLAN,
    Command(
        "create",
        "Create the new table and the control table.",
        _create,
        (add_migration, add_output),
        (CreationReport,),
    ),
    Command(
        "advance",
        "Enter the next phase through its gate; --plan shows it.",
        _advance,
        (add_migration, add_advance, add_output),
        (Entered, Gate),
    ),
    Command(
        "freeze",
        "Deny every write to the old table by its resource policy; --undo takes it away.",
        _freeze,
        (add_migration, add_freeze, add_output),
        (FreezeReport,),
    ),
    Command(
        "migrate",
        "Copy what is not in the new table yet; go on where an earlier run stopped.",
        _migrate,
        (add_migration, add_scan, add_processes, add_copy, add_progress, add_output),
        (MigrationReport,),
    ),
    RETRY,
    Command(
        "verify",
        "Prove that what the old table holds has arrived.",
        _verify,
        (add_migration, add_proof, add_scan, add_processes, add_progress, add_output),
        (VerificationReport, SampleReport, Mended),
    ),
    Command(
        "cleanup",
        "Delete the tombstones of a finished migration; go on where it was stopped.",
        _clean_up,
        (add_migration, add_cleanup, add_processes, add_progress, add_output),
        (CleanupReport,),
    ),
    STATUS,
    LIST,
    REPORT,
    CHECK_CODE,
    *CEILINGS,
)
