"""Which part of a ceiling each of several migrators takes.

The rule: pure. Everybody says which part he goes by and which he could use, and counts the same way
from that; who takes more than before takes it from what nobody goes by. So the parts come to the
whole, although no two of them are taken at the same moment: what one shall have more, another has
given up and said so.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

ALL = 1.0


@attrs.frozen
class Part:
    """The part of a ceiling that somebody goes by, and the part that he could use."""

    held: float
    wanted: float


def next_part(mine: Part, others: Sequence[Part]) -> float:
    """Return the part to go by from now on, given what the others say."""
    everybody = [mine, *others]
    fair = fair_parts([part.wanted for part in everybody])
    if fair[0] <= mine.held:
        return fair[0]
    lacking = [max(0.0, due - part.held) for due, part in zip(fair, everybody, strict=True)]
    free = max(0.0, ALL - sum(part.held for part in everybody))
    return mine.held + min(1.0, free / sum(lacking)) * lacking[0]


def fair_parts(wanted: Sequence[float]) -> list[float]:
    """Divide the whole: nobody gets less than another who wants no more; what is left, all alike.

    >>> fair_parts([0.1, 1.0, 1.0])
    [0.1, 0.45, 0.45]
    >>> fair_parts([0.25, 0.5])
    [0.375, 0.625]
    """
    due = [0.0] * len(wanted)
    left, waiting = ALL, sorted(range(len(wanted)), key=wanted.__getitem__)
    for place, number in enumerate(waiting):
        due[number] = min(wanted[number], left / (len(waiting) - place))
        left -= due[number]
    return [part + left / len(wanted) for part in due]


def wanted_part(held: float, used: float, before: float, members: int) -> float:
    """Return the part that somebody could use, who went by one and has used so much of it.

    Who has used nearly all could use more. Who has not shows what he needs, slowly, since pages
    come in bursts; and keeps a little of an equal part, so that he can begin again.

    Args:
        held: The part that he went by; 0 for one who had none.
        used: How much of it he has used, from 0 to 1.
        before: What he could use by the last count.
        members: How many share the ceiling.
    """
    if not held or used > _NEARLY_ALL:
        return ALL
    least = _LEAST / members
    return min(ALL, max(held * used * _MARGIN, before * _FORGETTING, least))


_NEARLY_ALL = 0.8
_MARGIN = 1.3
_FORGETTING = 0.8
_LEAST = 0.05
