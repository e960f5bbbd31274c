"""The commands of a migration, in their order.

The rule: pure; what nobody but the operator can do stands among the commands, where it belongs.
"""

from __future__ import annotations

from dualtable._planning.plan import Plan
from dualtable._transforms.migration import Migration

_ENTRY = (
    "Deploy the code that uses DualTableRepository, beside the old code; then stop the old code"
    " everywhere",
    "dualtable advance {reference} --old-code-is-gone --wait",
    "dualtable advance {reference} --to MIGRATING --wait",
)
_AT_ONCE = (
    "Move every writer first: stop the old processes, start those that use DualTableRepository,"
    " and see that none can write to {old}",
)
_COPY = (
    "dualtable migrate {reference}{ceiling}",
    "dualtable verify {reference}",
    "dualtable advance {reference} --wait",
    "dualtable advance {reference} --to FINISHED --wait",
)


def steps(migration: Migration, plan: Plan, reference: str) -> list[str]:
    """Return what to do, from here to the end."""
    mend = () if plan.ok else ("Mend the transform: see what is likely to fail, and plan again",)
    begin = ("dualtable create {reference}", "dualtable migrate {reference} --dry-run")
    entry = _ENTRY if migration.rolling else _AT_ONCE
    words = {"reference": reference, "old": migration.old, "ceiling": _ceiling(plan)}
    return [step.format(**words) for step in (*mend, *begin, *entry, *_COPY)]


def _ceiling(plan: Plan) -> str:
    """Return the option for a table that is given just what it needs."""
    if plan.choice.is_there:
        return ""
    return f" --max-write-units {sum(plan.choice.capacity.values()):.0f}"
