"""What a verification may say, judged on what was so while it ran.

The rule: what was wrong all the while is found, what was never wrong is not held against anybody,
and each old item is looked at once, whoever has died or stood still.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from proof.history import History, Record, is_verifier, show
from proof.invariants import Violation
from proof.tables import record_named

_COUNTS = ("checked", "missing", "different", "changed_old", "extra", "rewritten", "deleted")


def check_verdicts(history: History, reports: Sequence[Any], *, content: bool) -> None:
    """Raise `Violation` where what verifiers have said in the end is not so."""
    each_old_item_is_looked_at_once(history, reports)
    all_say_the_same(history, reports)
    nothing_is_overlooked(history, reports, content=content)
    no_false_alarm(history, reports, content=content)


def each_old_item_is_looked_at_once(history: History, reports: Sequence[Any]) -> None:
    for report in reports:
        if not report.complete or report.checked + report.dropped != history.old_items:
            raise Violation(
                "Each old item is looked at once",
                f"of {history.old_items}, {report.checked} were checked: {report}",
                history,
            )


def all_say_the_same(history: History, reports: Sequence[Any]) -> None:
    """One verification has one result, whichever process tells it."""
    said = {tuple(getattr(report, name) for name in _COUNTS) for report in reports}
    if len(said) > 1:
        raise Violation("All say the same", f"{sorted(said)}", history)


def nothing_is_overlooked(history: History, reports: Sequence[Any], *, content: bool) -> None:
    always = all(_is_bad(record, history, content=content) for record in history.timeline())
    for report in reports:
        if always and report.ok:
            raise Violation(
                "Nothing is overlooked",
                f"new held {history.timeline()[0]} all the while, and all is said to be well",
                history,
            )


def no_false_alarm(history: History, reports: Sequence[Any], *, content: bool) -> None:
    ever = any(_is_bad(record, history, content=content) for record in history.timeline())
    for report in reports:
        if not ever and not report.ok:
            raise Violation("No false alarm", f"nothing was wrong, and it says {report}", history)


def a_proof_is_of_a_whole_copy(history: History, recorded: Any, *, copied: bool) -> None:
    """What began before the last segment was copied opens no gate."""
    if recorded is not None and recorded.copied and not copied:
        raise Violation(
            "A proof is of a whole copy",
            "the verification began while items were copied, and a gate may open by it",
            history,
        )


def no_checkpoint_goes_back(history: History) -> None:
    """Whoever has lost a segment stores nothing over what others have stored of it."""
    revisions: dict[str, int] = {}
    for number, step in enumerate(history.steps):
        name = record_named(step.arguments)
        item = step.arguments.get("item", {})
        stored = step.operation == "put" and not isinstance(step.answer, Exception)
        if not stored or "done" not in item:
            continue
        revision = int(item["revision"]["N"])
        if revision <= revisions.get(name, -1):
            raise Violation(
                "No checkpoint goes back",
                f"step {number} of {step.actor} stores what others have stored after it",
                history,
            )
        revisions[name] = revision


def _is_bad(record: Record, history: History, *, content: bool) -> bool:
    """Tell whether the copy is to blame for what new holds; what production wrote is its own."""
    if record.kind == "absent":
        return history.yielded is not None
    copied = record.kind == "live" and record.token is None
    return content and copied and show(record.log) != show(history.yielded)


def a_repair_is_of_one_run(history: History) -> None:
    """Once the copy has been begun anew, nothing comes in that an earlier transform has made."""
    begun = False
    for step in history.steps:
        failed = isinstance(step.answer, Exception)
        if step.operation == "put" and record_named(step.arguments) == "run" and not failed:
            begun = True
        if begun and step.operation == "insert" and is_verifier(step.actor) and not failed:
            raise Violation(
                "A repair is of one run",
                f"{step.actor} repairs by the transform of a run that is over",
                history,
            )
