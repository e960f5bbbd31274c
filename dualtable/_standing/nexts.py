"""What an operator does next, in each state that a migration can be in.

The rule: pure; the first thing that must be done comes first, as the command that does it. Where
nothing is to be done, that is said, too.
"""

from __future__ import annotations

from collections.abc import Callable

from dualtable._control.milestones import Verification
from dualtable._control.phases import Phase, Requirement
from dualtable._operations.gates import Gate
from dualtable._standing.status import MigrationStatus
from dualtable._transforms.migration import Migration

_IN_PHASE = {
    Phase.ROLLING_OUT: (
        "replace the old code everywhere; once none of it runs, {advance} --old-code-is-gone"
    ),
    Phase.READING_BOTH: (
        "{advance}, once the phase has settled. The way back is {advance} --to ROLLING_OUT, and"
        " then the old code"
    ),
    Phase.WRITING_NEW: "{advance}, once the phase has settled",
    Phase.MIGRATING: (
        "dualtable migrate {reference}, then dualtable verify {reference}, then {advance}"
    ),
    Phase.MIGRATED: "{advance}, once the phase has settled",
    Phase.FINISHED: (
        "dualtable cleanup {reference}, which also says how to take the library out; the old table"
        " is not needed any more"
    ),
}


def next_in(phase: Phase, reference: str) -> str:
    """Return what an operator does in a phase, the command included that leads on."""
    return _IN_PHASE[phase].format(advance=f"dualtable advance {reference}", reference=reference)


def taking_out(migration: Migration, reference: str) -> tuple[str, ...]:
    """Return how production goes on without the library, once no tombstone is left."""
    return (
        f"Use {migration.new} directly: boto3.resource('dynamodb').Table({migration.new!r}) in"
        " place of DualTableRepository(…). Its conditions and updates mean the same there.",
        f"Items that production has written have the attribute {migration.token_attribute}. Until"
        " the last repository is closed, give it a new random text in each write of your own, since"
        " repositories tell by it what others have written; then ignore it, or remove it: dualtable"
        f" cleanup {reference} --tokens",
        f"Delete {migration.old}, once nobody needs the way back; and {migration.control_table},"
        " where no other migration is in it.",
    )


def next_steps(status: MigrationStatus, migration: Migration, reference: str) -> tuple[str, ...]:
    """Return what is to be done, in order.

    Args:
        status: How the migration stands.
        migration: The migration.
        reference: How the commands name it.
    """
    run: Callable[[str], str] = lambda command: f"dualtable {command} {reference}"  # noqa: E731
    if status.gate is None:
        return (run("create"),)
    if status.swept:
        return taking_out(migration, reference)
    if status.phase is not Phase.MIGRATING:
        return (*_before_the_end(status, run), *_through_the_gate(status, status.gate, reference))
    if status.made_anew:
        names = " and ".join(status.made_anew)
        why = f"{names} has been made anew since the copy began, so it counts no more"
        return (*_resumed(status, run), f"{run('migrate')} --restart; {why}")
    if not status.scan_done:
        return _to_the_end(status, run)
    if status.dead_letters:
        return (*_resumed(status, run), *_of_letters(status, run))
    return _after_the_copy(status, status.gate, reference, run)


def _resumed(status: MigrationStatus, run: Callable[[str], str]) -> tuple[str, ...]:
    """Return what goes before whatever reads or writes by the ceilings: it would stand still."""
    return (f"{run('resume')}, as it is paused",) if status.paused else ()


def _before_the_end(status: MigrationStatus, run: Callable[[str], str]) -> tuple[str, ...]:
    """Return what goes before the next phase while something can be mended, or before a sweep."""
    if status.phase is Phase.FINISHED:
        return _resumed(status, run)
    found = status.verification
    if status.phase is not Phase.MIGRATED or found is None or found.ok:
        return ()
    return (
        *_resumed(status, run),
        f"look into what the last verification found first ({found.faults}): {run('verify')} lists"
        f" it. From {Phase.FINISHED} on a delete leaves no trace, so nobody can tell it from what"
        " is missing",
    )


def _through_the_gate(status: MigrationStatus, gate: Gate, reference: str) -> tuple[str, ...]:
    advance = f"dualtable advance {reference}"
    if gate.next_phase is None:
        return (next_in(status.phase, reference),)
    if gate.open:
        return (advance,)
    if gate.lacks(Requirement.OLD_CODE_GONE):
        return (next_in(status.phase, reference),)
    if all(condition.may_pass for condition in gate.closed_by):
        return (f"{advance} --wait, which goes on as soon as the gate opens",)
    return (f"see to what is in the way of {gate.next_phase} above, then {advance}",)


def _to_the_end(status: MigrationStatus, run: Callable[[str], str]) -> tuple[str, ...]:
    """Return what to do about a copy that is not at its end."""
    steps = [*_resumed(status, run)]
    if status.workers:
        letters = _of_letters(status, run)[:1]
        return (*steps, *letters) or _waiting(run)
    if not status.total_segments and not status.had_repositories:
        steps.append(
            "let production use DualTableRepository; no repository was ever open, and what is"
            " written to the old table behind the copy is lost"
        )
    return (*steps, run("migrate") + _when_free(status))


def _waiting(run: Callable[[str], str]) -> tuple[str, ...]:
    return (f"nothing but wait; to watch it: {run('status')} --watch",)


def _when_free(status: MigrationStatus) -> str:
    """Return what becomes of the segments of those that went away without a word."""
    dead = [each for each in status.migrators if not each.alive and each.segments]
    if not dead:
        return ""
    seconds = max(each.leases_seconds or 0.0 for each in dead)
    number = sum(each.segments for each in dead)
    return (
        f"; {number} segments of a migrator that was killed come free within {seconds:.0f} s, and"
        " it waits for them"
    )


def _of_letters(status: MigrationStatus, run: Callable[[str], str]) -> tuple[str, ...]:
    """Return how dead letters are worked off, where there are some."""
    if not status.dead_letters:
        return ()
    number = f"{status.dead_letters:,} old items" if status.dead_letters > 1 else "1 old item"
    why = f"read keys and reasons of {number} that could not be copied: {run('retry')} --list"
    return (f"{why}; and mend the transform", run("retry"))


def _after_the_copy(
    status: MigrationStatus, gate: Gate, reference: str, run: Callable[[str], str]
) -> tuple[str, ...]:
    if not gate.lacks(Requirement.VERIFIED):
        return _through_the_gate(status, gate, reference)
    first = _resumed(status, run)
    if any(each.alive for each in status.verifiers):
        return first or _waiting(run)
    found = status.verification
    if found is None or not status.verification_counts:
        again = "" if found is None else "; the last one did not look at the whole of this copy"
        return (*first, run("verify") + again)
    return () if found.ok else (*first, *_after_failure(found, run))


def _after_failure(found: Verification, run: Callable[[str], str]) -> list[str]:
    """Return what to do about what a verification has found."""
    if found.changed_old:
        return [
            "find out who has written to the old table since it was copied, and see to it that"
            f" nobody can: {found.changed_old:,} changed there, and what was written is not in the"
            " new one",
            f"{run('migrate')} --restart, which takes the old table as it is by then, copies what"
            " is missing and overwrites nothing",
            run("verify"),
        ]
    steps = []
    if found.different or found.extra:
        steps.append(
            "find out what wrote the items that are different or extra, as dualtable verify lists"
            " them: another version of the transform, or a writer that goes past the repository"
        )
    if found.missing:
        many = "1 item that is" if found.missing == 1 else f"{found.missing:,} items that are"
        steps.append(f"{run('verify')} --repair, which copies the {many} missing")
    else:
        steps.append(run("verify"))
    return steps
