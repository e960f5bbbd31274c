"""The invariants of the protocol, in its own words, judged on what happened in one run.

The rule: each is a function of a history, named and worded after the design; none knows how the
library is built. Linearizability is asked last: it holds where the others do, unless they forget
something.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dualtable import Phase
from dualtable._dynamodb.gateway import TransactCheck
from proof.history import History, Operation, Record, Step, is_verifier, logicals, show
from proof.linearizability import linearizable
from proof.tables import NEW, OLD, record_named

_WRITES_OLD = (Phase.ROLLING_OUT, Phase.READING_BOTH, Phase.WRITING_NEW)
_READS = ("get", "batch_get", "scan", "query")
_MOMENT_SECONDS = 1.0


class Violation(Exception):
    """An invariant does not hold; says which, why, and in which interleaving."""

    def __init__(self, rule: str, what: str, history: History) -> None:
        super().__init__(f"{rule}: {what}\n{history.trace()}")
        self.rule = rule


def check_steps(history: History) -> None:
    """Raise `Violation` where a step has broken an invariant, whatever may follow."""
    for check in (i5_old_is_never_written, i2_the_copy_never_overwrites, i3_deletes_stay_deleted):
        check(history)
    what_the_transform_drops_survives(history)
    i8_fallback_and_copy_agree(history)
    i7_restart_is_harmless(history)
    if history.runs:
        one_run_at_a_time(history)
    i4_no_lost_update(history)
    i1_reads_see_the_newest_write(history)


def check_end(history: History) -> None:
    """Raise `Violation` where the whole run has broken an invariant."""
    i6_nothing_is_lost_silently(history)
    nobody_waits_for_the_control_table(history)
    one_table_would_have_answered_the_same(history)


def i1_reads_see_the_newest_write(history: History) -> None:
    """A stale miss in `new` is confirmed by a strong read before `old` is believed."""
    timeline, items = history.timeline(), logicals(history)
    for op in history.operations:
        if not op.done or not op.role.reads:
            continue
        first, last = _span(op)
        during = items[first : last + 2]
        earlier = (*history.initial, *timeline[: last + 2])
        if any(_reads_old_weakly(step) for _, step in _steps_of(history, op)):
            before = [record.logical(history.yielded) for record in earlier]
        else:
            before = [
                record.logical(None)
                for record in earlier
                if record.kind != "absent" or not _yields(history, timeline[first : last + 2])
            ]
        allowed = [*during, *before] if op.role.eventual else during
        if op.answer not in allowed:
            raise Violation(
                "I1 reads see the newest write",
                f"{op.actor} was told {show(op.answer)}, but from its first call to its last the"
                f" item was {' then '.join(dict.fromkeys(map(show, during)))}"
                + (", and it never read what it was told" if op.role.eventual else ""),
                history,
            )


def i2_the_copy_never_overwrites(history: History) -> None:
    """The migrator only ever puts if absent, and a tombstone counts as present."""
    for number, step in _numbered(history):
        if step.copying and step.before.kind != "absent" and step.before != step.after:
            raise Violation(
                "I2 the copy never overwrites",
                f"step {number} of {step.actor} replaced {step.before} by {step.after}",
                history,
            )


def i3_deletes_stay_deleted(history: History) -> None:
    """Neither the migrator nor a fallback read brings back what was deleted."""
    for number, step in _numbered(history):
        before, after = (r.logical(history.yielded) for r in (step.before, step.after))
        if _is_delete(history, number, step) and after is not None:
            raise Violation(
                "I3 deletes stay deleted",
                f"after the delete in step {number} the item is still there: new holds"
                f" {step.after}, and old yields {show(history.yielded)}",
                history,
            )
        yielded = history.yielded if step.before.old is None else step.before.old.yields
        if step.copying and before is None and after is not None and yielded:
            raise Violation(
                "I3 deletes stay deleted",
                f"step {number} of {step.actor} brought back {show(after)}",
                history,
            )


def i4_no_lost_update(history: History) -> None:
    """Each update takes effect once, on the item as it was at that moment."""
    for op in history.operations:
        if not op.role.updates:
            continue
        writes = [(n, s) for n, s in _steps_of(history, op) if s.before != s.after]
        for number, step in writes:
            base = step.before.logical(history.yielded)
            if step.after.logical(history.yielded) != op.role.spec(base, op.word)[0]:
                raise Violation(
                    "I4 no lost update",
                    f"step {number} of {op.actor} wrote {step.after} over {show(base)}",
                    history,
                )
        if op.done and isinstance(op.answer, tuple) and len(writes) != 1 and not op.may_repeat:
            raise Violation(
                "I4 no lost update",
                f"{op.actor} was told {show(op.answer)} and wrote {len(writes)} times",
                history,
            )


def i5_old_is_never_written(history: History) -> None:
    """No code path of the library writes to `old` once the copy may begin, nor to `new` earlier."""
    for number, step in _numbered(history):
        if OLD in _written(step) and step.phase not in _WRITES_OLD:
            raise Violation(
                "I5 the old table is never written",
                f"step {number} of {step.actor} is {step.text}",
                history,
            )
        if NEW in _written(step) and step.phase in _WRITES_OLD[:2]:
            raise Violation(
                "I5 the new table is not written before its time",
                f"step {number} of {step.actor} is {step.text}",
                history,
            )


def what_the_transform_drops_survives(history: History) -> None:
    """An update of an item in `old` leaves alone what the transform does not show."""
    for op in history.operations:
        for number, step in _steps_of(history, op) if op.role.updates else ():
            before, after = step.before.old, step.after.old
            if before and after and before.yields is not None and after.dropped != before.dropped:
                raise Violation(
                    "What the transform drops survives",
                    f"step {number} of {op.actor} made {after} of {before}",
                    history,
                )


def i6_nothing_is_lost_silently(history: History) -> None:
    """Every old item is copied, already there, dropped, or a dead letter, and counted as such."""
    if not history.reports or history.spoilt:
        return
    counted = history.settled
    accounted = counted.written + counted.already_present + counted.dropped + counted.failed
    if not all(report.complete for report in history.reports):
        raise Violation("I6 nothing is lost silently", "a run ended incomplete", history)
    if not counted.scanned == accounted == history.old_items:
        raise Violation(
            "I6 nothing is lost silently",
            f"old has {history.old_items} items; {counted.scanned} were scanned and {accounted}"
            f" accounted for: {counted}",
            history,
        )
    deletes_are_real = history.timeline()[-1].final
    if len(history.not_in_new) != counted.dropped + counted.failed and not deletes_are_real:
        raise Violation(
            "I6 nothing is lost silently",
            f"the migration is complete, and {', '.join(history.not_in_new)} of old is not in new",
            history,
        )


def i7_restart_is_harmless(history: History) -> None:
    """No page whose writes were acknowledged is copied again, and no checkpoint goes back."""
    settled: list[Any] = []
    start: Any = None
    order: list[Any] = []
    beginner = ""
    for number, step in _numbered(history):
        if _begins_a_run(step):
            settled, order, beginner = [], [], step.actor
        if is_verifier(step.actor) or (history.runs and step.actor != beginner):
            continue  # what it does is about another run, or one that is over
        if step.operation == "scan" and step.table == "old" and step.by_migrator:
            start = step.arguments.get("start_key")
            if start not in order:
                order.append(start)
            if start in settled and not history.shared:
                raise Violation(
                    "I7 restart is harmless",
                    f"step {number} of {step.actor} reads a page again that was settled",
                    history,
                )
        checkpoint = _checkpoint(step)
        if checkpoint is None:
            continue
        done, last_key = checkpoint
        place = len(order) if done else order.index(last_key) if last_key in order else len(order)
        if place < len(settled):
            raise Violation(
                "I7 restart is harmless",
                f"step {number} of {step.actor} moves the checkpoint back",
                history,
            )
        settled = order[:place]


def one_run_at_a_time(history: History) -> None:
    """Who was frozen while others began anew copies nothing more, for a run that is over."""
    present, run_of = None, {}
    for number, step in _numbered(history):
        if isinstance(step.answer, Exception):
            continue
        record = record_named(step.arguments)
        if record == "run" and step.operation in ("put", "delete"):
            present = step.arguments.get("item", {}).get("id")
        if record.startswith("migrator#") and step.operation == "put":
            run_of[step.actor] = {"S": record.split("#")[1]}
        if step.operation == "insert" and step.by_migrator and run_of.get(step.actor) != present:
            raise Violation(
                "One run at a time",
                f"step {number} of {step.actor} copies for a run that others have ended",
                history,
            )


def i8_fallback_and_copy_agree(history: History) -> None:
    """The copy of an item is what a fallback read has returned for it."""
    for number, step in _numbered(history):
        before, after = (r.logical(history.yielded) for r in (step.before, step.after))
        if step.copying and before != after:
            raise Violation(
                "I8 fallback and copy agree",
                f"step {number} of {step.actor} turned the logical item from {show(before)} into"
                f" {show(after)}",
                history,
            )


def nobody_waits_for_the_control_table(history: History) -> None:
    """Whoever needs no news of the phase goes on without them."""
    for op in history.operations:
        if op.waited > _MOMENT_SECONDS:
            raise Violation(
                "Nobody waits", f"{op.actor} did nothing for {op.waited:g} seconds", history
            )


def one_table_would_have_answered_the_same(history: History) -> None:
    """All answers together are those of one DynamoDB item, in an order that respects time."""
    initial = history.begun()
    judged = [op for op in history.operations if not op.role.eventual]
    if not linearizable(initial, judged):
        raise Violation(
            "Linearizability",
            "no order of the operations explains what their callers were told, from"
            f" {show(initial)}",
            history,
        )


def _yields(history: History, records: Sequence[Record]) -> bool:
    """Tell whether old yields something all the while."""
    olds = [history.yielded if record.old is None else record.old.yields for record in records]
    return None not in olds


def _reads_old_weakly(step: Step) -> bool:
    return step.table == "old" and step.arguments.get("consistent_read") is False


def _written(step: Step) -> set[str]:
    """Return the tables that a step may have written to."""
    is_read = step.operation in _READS or step.operation.startswith(("describe", "transact_get"))
    if is_read or isinstance(step.answer, Exception):
        return set()
    actions = step.arguments.get("actions")
    if actions is None:
        return {str(step.arguments.get("table"))}
    return {action.table for action in actions if not isinstance(action, TransactCheck)}


def _numbered(history: History) -> Iterator[tuple[int, Step]]:
    return enumerate(history.steps)


def _span(op: Operation) -> tuple[int, int]:
    assert op.first is not None
    assert op.last is not None
    return int(op.first), int(op.last)


def _steps_of(history: History, op: Operation) -> Iterator[tuple[int, Step]]:
    if op.first is None or op.last is None:
        return
    for number in range(int(op.first), int(op.last) + 1):
        if number < len(history.steps) and history.steps[number].actor == op.actor:
            yield number, history.steps[number]


def _is_delete(history: History, number: int, step: Step) -> bool:
    writes = bool({NEW, OLD} & _written(step)) and step.visible
    if step.operation == "transact_write" and step.before == step.after:
        return False  # it was sent twice, and taken once
    return writes and any(
        op.role.deletes and any(n == number for n, _ in _steps_of(history, op))
        for op in history.operations
    )


def _begins_a_run(step: Step) -> bool:
    begins = step.operation == "put" and record_named(step.arguments) == "run"
    return begins and not isinstance(step.answer, Exception)


def _checkpoint(step: Step) -> tuple[bool, Any] | None:
    """Return what a step has stored of a segment: whether it is done, and its last key."""
    item = step.arguments.get("item", {})
    if step.table != "control" or "done" not in item or isinstance(step.answer, Exception):
        return None
    last_key = item["last_key"].get("M")
    return item["done"]["BOOL"], last_key
