"""What must be so before the next phase, and how it stands.

The rule: a gate is judged from facts that somebody else has read, and never guesses: what nobody
can see is unknown, and what is unknown keeps it closed. Each condition says what is so and what to
do about it, in words and in data.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from dualtable._clock import in_words
from dualtable._control.milestones import Expiry, Verification
from dualtable._control.phases import ROUTES, Phase, Requirement, Times, requirements
from dualtable._control.run_records import Run
from dualtable._control.segments import total
from dualtable._operations.expiry import Expiries
from dualtable._operations.facts import Facts
from dualtable._transforms.migration import is_stated, known_fingerprint

_DIGITS_SHOWN = 8  # of a fingerprint's 16: enough to tell transforms of one migration apart


class Standing(enum.StrEnum):
    """How a condition stands."""

    MET = "met"
    UNMET = "unmet"
    UNKNOWN = "unknown"


@attrs.frozen
class GateCondition:
    """One condition of a gate.

    Attributes:
        requirement: What must be so.
        state: Whether it is.
        words: What is so, and what to do where it should not be.
        data: The same for machines.

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
        >>> for condition in asyncio.run(main()).closed_by:
        ...     print(condition.requirement.name, condition.state)
        SETTLED unmet
        COPIED unmet
        VERIFIED unmet
    """

    requirement: Requirement
    state: Standing
    words: str
    data: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def met(self) -> bool:
        """Whether it does not keep the gate closed."""
        return self.state is Standing.MET

    @property
    def may_pass(self) -> bool:
        """Whether it may be met later without anybody saying anything else."""
        return self.requirement in _MAY_PASS


@attrs.frozen
class Gate:
    """What must be so before a migration goes on to another phase.

    Attributes:
        phase: The phase that it is in.
        next_phase: The phase behind the gate; None where no phase comes after this one.
        conditions: All that must be so, each with how it stands.

    Example:
        >>> from dualtable import Gate, Phase
        >>> Gate(Phase.FINISHED, None).open
        False
    """

    phase: Phase
    next_phase: Phase | None
    conditions: tuple[GateCondition, ...] = ()

    @property
    def open(self) -> bool:
        """Whether the next phase may be entered."""
        return self.next_phase is not None and not self.closed_by

    @property
    def closed_by(self) -> tuple[GateCondition, ...]:
        """The conditions that keep it closed."""
        return tuple(condition for condition in self.conditions if not condition.met)

    def lacks(self, requirement: Requirement) -> bool:
        """Tell whether it is a condition that keeps it closed."""
        return any(condition.requirement is requirement for condition in self.closed_by)


def judge(facts: Facts, to: Phase | None) -> Gate:
    """Return the gate to a phase.

    Raises:
        MigrationMismatchError: That phase may never follow.
    """
    phase = facts.state.phase
    if to is None:
        return Gate(phase, None)
    needed = requirements(phase, to)
    return Gate(phase, to, tuple(_JUDGES[need](need, facts) for need in needed))


def repositories(facts: Facts) -> list[dict[str, Any]]:
    """Return what is known of each repository that is open or was not closed cleanly."""
    declared = {each.repository for each in facts.dead}
    return [
        {
            "name": beat.repository,
            "host": beat.host,
            "process": beat.process,
            "phase": beat.phase.value,
            "age_seconds": round(max(0.0, facts.now - beat.at), 3),
            "fingerprint": beat.fingerprint,
            "acknowledged": beat.acknowledges(facts.state),
            "declared_dead": beat.repository in declared,
        }
        for beat in facts.heartbeats
    ]


def repository_text(repository: Mapping[str, Any]) -> str:
    """Return one repository in a line's words."""
    again = ", which was declared dead and has spoken since" if repository["declared_dead"] else ""
    return (
        f"{repository['name']} on {repository['host']}, process {repository['process']}, by"
        f" {_transform(repository['fingerprint'])}, in {repository['phase']}"
        f" {in_words(repository['age_seconds'])} ago{again}"
    )


def _transform(fingerprint: str) -> str:
    """Return a transform by the first digits of its fingerprint, or by the version it states."""
    if not fingerprint:
        return "a transform whose source it cannot read"
    return f"transform {fingerprint if is_stated(fingerprint) else fingerprint[:_DIGITS_SHOWN]}"


def _tables(need: Requirement, facts: Facts) -> GateCondition:
    names = (facts.migration.old, facts.migration.new)
    before, now = facts.tables_before, facts.tables_now
    data = {"before": before and list(before), "now": list(now)}
    needs_old = ROUTES[facts.state.phase].asks_old
    if now[0] is None and needs_old:
        return GateCondition(
            need, Standing.UNMET, f"{names[0]} is gone, and is still being read; restore it", data
        )
    if before is None:
        words = f"{names[0]} and {names[1]} were not noted before, and are with this step"
        return GateCondition(need, Standing.MET, words, data)
    for name, then, present in zip(names, before, now, strict=True):
        if present not in (then, None):
            words = (
                f"{name} has been made anew since: it was {then} and is {present}; restore the one"
                " that it was, or begin the migration again under another name"
            )
            return GateCondition(need, Standing.UNMET, words, data)
    words = f"{names[0]} and {names[1]} are the tables that it began with"
    return GateCondition(need, Standing.MET, words, data)


def _acknowledged(need: Requirement, facts: Facts) -> GateCondition:
    found = repositories(facts)
    missing = [each for each in found if not each["acknowledged"]]
    data = {"repositories": found}
    if not found:
        return GateCondition(need, Standing.MET, "no repository is open", data)
    if not missing:
        words = f"all {len(found)} open repositories go by {facts.state.phase}"
        return GateCondition(need, Standing.MET, words, data)
    listed = "; ".join(map(repository_text, missing))
    seconds = 2 * Times(facts.migration.settle_seconds).refresh_seconds
    words = (
        f"{len(missing)} of {len(found)} repositories have not said that they go by"
        f" {facts.state.phase}: {listed}. One that runs says so within {in_words(seconds)}, once"
        " its operations of the phase before have ended; where a process is dead, declare that"
    )
    return GateCondition(need, Standing.UNMET, words, data)


def _one_transform(need: Requirement, facts: Facts) -> GateCondition:
    found = repositories(facts)
    wanted = known_fingerprint(facts.migration) if facts.run is None else facts.run.fingerprint
    wanted = wanted or next((each["fingerprint"] for each in found), "")
    others = [each for each in found if each["fingerprint"] != wanted]
    data = {"fingerprint": wanted, "repositories": others}
    if not found:
        return GateCondition(need, Standing.MET, "no repository is open", data)
    if not others:
        words = f"all {len(found)} open repositories go by {wanted}"
        return GateCondition(need, Standing.MET, words, data)
    listed = "; ".join(map(repository_text, others))
    words = (
        f"{len(others)} of {len(found)} repositories read and write by another transform than"
        f" {wanted}: {listed}. Deploy the one to all, or state Migration(version=…) in each where"
        " the difference does not matter"
    )
    return GateCondition(need, Standing.UNMET, words, data)


def _settled(need: Requirement, facts: Facts) -> GateCondition:
    wanted, since = facts.migration.settle_seconds, facts.state.since
    if since is None:
        words = f"{facts.state.phase} has lasted since before anybody noted it"
        return GateCondition(need, Standing.MET, words, {"settle_seconds": wanted, "left": 0.0})
    left = max(0.0, since + wanted - facts.now)
    data = {"since": since, "settle_seconds": wanted, "left": round(left, 3)}
    if left:
        words = f"{facts.state.phase} must last {in_words(wanted)}; wait {in_words(left)} more"
        return GateCondition(need, Standing.UNMET, words, data)
    words = f"{facts.state.phase} has lasted {in_words(facts.now - since)}, of {in_words(wanted)}"
    return GateCondition(need, Standing.MET, words, data)


def _old_code_gone(need: Requirement, facts: Facts) -> GateCondition:
    old = facts.migration.old
    data = {
        "stated": facts.old_code_is_gone,
        "sampled": facts.sampled,
        "without_token": facts.untouched,
        "written_without_token": facts.written_without,
    }
    seen = (
        f"of {facts.sampled} items of {old} that were looked at, {facts.untouched} were last"
        " written by old code, whenever that was"
    )
    if facts.written_without:
        words = (
            f"{facts.written_without} of {facts.sampled} items of {old} that were looked at twice"
            " were written in between, and not by the repository: old code still runs; stop it"
        )
        return GateCondition(need, Standing.UNMET, words, data)
    if facts.old_code_is_gone:
        return GateCondition(need, Standing.MET, f"stated by the operator; {seen}", data)
    words = (
        f"nobody has said that old code is gone: {seen}. Stop all that uses {old} without the"
        " repository, deny it to write, and say so"
    )
    return GateCondition(need, Standing.UNKNOWN, words, data)


def _never_wrote_new(need: Requirement, facts: Facts) -> GateCondition:
    new, data = facts.migration.new, {"wrote_new": facts.state.wrote_new}
    if facts.state.wrote_new:
        words = (
            f"writes have gone to {new}, so there is no step back; migrate it into a fresh table:"
            " Migration.reversed(into=…)"
        )
        return GateCondition(need, Standing.UNMET, words, data)
    return GateCondition(need, Standing.MET, f"no write has gone to {new}", data)


def _copied(need: Requirement, facts: Facts) -> GateCondition:
    if facts.run is None:
        data = {"total_segments": 0, "segments_done": 0}
        return GateCondition(need, Standing.UNMET, "nothing has been copied yet; migrate", data)
    of, done = facts.run.total_segments, sum(s.checkpoint.done for s in facts.segments)
    data = {"total_segments": of, "segments_done": done}
    if done < of:
        words = f"{done} of {of} segments are done; migrate until all are"
        return GateCondition(need, Standing.UNMET, words, data)
    return GateCondition(need, Standing.MET, f"all {of} segments are done", data)


def _no_dead_letters(need: Requirement, facts: Facts) -> GateCondition:
    failed = total(facts.segments).failed
    if failed:
        words = (
            f"{failed} old items could not be copied; read the dead letters, mend the transform or"
            " the items, and retry them"
        )
        return GateCondition(need, Standing.UNMET, words, {"dead_letters": failed})
    return GateCondition(need, Standing.MET, "no dead letters", {"dead_letters": 0})


def _verified(need: Requirement, facts: Facts) -> GateCondition:
    found = facts.verification
    if found is None:
        return GateCondition(need, Standing.UNMET, "no verification has ended yet; verify", {})
    data = attrs.asdict(found)
    for holds, complaint in _of_verification(found, facts.run):
        if not holds:
            return GateCondition(need, Standing.UNMET, f"{complaint}; verify again", data)
    words = (
        f"a verification at level {found.level} has passed, {found.when}: {found.checked} items"
        " checked"
    )
    return GateCondition(need, Standing.MET, words, data)


def _of_verification(found: Verification, run: Run | None) -> list[tuple[bool, str]]:
    """Return what must be so of a verification, each with what to say where it is not."""
    same = run is not None and found.run == run.id
    return [
        (same, "the last verification was of another run"),
        (
            run is not None and found.fingerprint == run.fingerprint,
            "the last verification compared by another transform than that of the copy",
        ),
        (found.copied, "the last verification began before every segment was done"),
        (
            found.ok,
            f"the last verification, {found.when}, failed: {found.faults}; mend that",
        ),
    ]


def _expiry(need: Requirement, facts: Facts) -> GateCondition:
    old, new, known = facts.migration.old, facts.migration.new, facts.expiries or Expiries()
    wanted = wanted_expiry(facts)
    data = {**attrs.asdict(known), "wanted": wanted and wanted.attribute, "decided": bool(wanted)}
    if wanted is None:
        words = (
            f"items of {old} expire by {known.old!r}, and nothing shows what that is called in"
            f" {new}; say it, or that items shall not expire"
            if known.old
            else f"nobody could read whether items expire in {old}; say by which attribute they"
            f" shall in {new}, or that they shall not"
        )
        return GateCondition(need, Standing.UNKNOWN, words, data)
    if wanted.attribute is None:
        return GateCondition(need, Standing.MET, f"items of {new} shall not expire", data)
    if known.present not in (None, wanted.attribute):
        words = (
            f"items of {new} expire by {known.present!r} already, and should by"
            f" {wanted.attribute!r}; switch TTL off there"
        )
        return GateCondition(need, Standing.UNMET, words, data)
    when = "expire" if known.present else f"shall expire, once all go by {Phase.MIGRATED},"
    words = f"items of {new} {when} by {wanted.attribute!r}"
    return GateCondition(need, Standing.MET, words, data)


def wanted_expiry(facts: Facts) -> Expiry | None:
    """Return by which attribute items shall expire in the new table, None where nobody knows."""
    if facts.expiry is not None:
        return facts.expiry
    if facts.expiries is None or not facts.expiries.known:
        return None
    if facts.expiries.old is None:
        return Expiry(None)
    return None if facts.expiries.new is None else Expiry(facts.expiries.new)


_JUDGES: dict[Requirement, Callable[[Requirement, Facts], GateCondition]] = {
    Requirement.TABLES: _tables,
    Requirement.ACKNOWLEDGED: _acknowledged,
    Requirement.SETTLED: _settled,
    Requirement.ONE_TRANSFORM: _one_transform,
    Requirement.OLD_CODE_GONE: _old_code_gone,
    Requirement.NEVER_WROTE_NEW: _never_wrote_new,
    Requirement.COPIED: _copied,
    Requirement.NO_DEAD_LETTERS: _no_dead_letters,
    Requirement.VERIFIED: _verified,
    Requirement.EXPIRY: _expiry,
}

_MAY_PASS = frozenset(
    {
        Requirement.ACKNOWLEDGED,
        Requirement.SETTLED,
        Requirement.ONE_TRANSFORM,
        Requirement.COPIED,
        Requirement.NO_DEAD_LETTERS,
        Requirement.VERIFIED,
    }
)
"""What others bring about while an operator waits; the rest wants a word or a deed of his."""
