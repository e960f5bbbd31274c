"""Where a server is known to answer otherwise than AWS, by case, and why; or each server otherwise.

A case that is named here is not asked on that server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from drop_in_cases import CASES
from drop_in_cases.expressions import MISFITS, REFUSED_UPDATES
from drop_in_cases.words import Case
from dualtable import Phase

_LAX = "it does not look at it"
_CANCELS = "it cancels the transaction, where AWS refuses a request of which no item decides"
_REFUSES = "it refuses the request, where AWS cancels the transaction for one of its actions"
_BY_TEXT = "it compares keys as they are spelled"
_WHOLE = "it returns all of a list or map of which a part is named; AWS returns that part"
_ENDS = "it counts positions beyond the end of a list, or those that have moved"
_OTHER_ORDER = "an index comes in another order before the cut-over; see the guide"
_MORE = "boto3 takes no objects inside of a transaction, and the drop-in does"
_NOTHING = "it finds nothing instead"
_BROKEN = ("malformed", "an undefined value", "a reserved word", "an unused name", "no names")
_WRITE = "client.transact_write_items: "
_READ = "client.transact_get_items: "
_RETURNED = ("ALL_NEW", "ALL_OLD", "UPDATED_NEW", "UPDATED_OLD")


def _updates(names: Iterable[str], why: str, returned: Iterable[str] = _RETURNED) -> dict[str, str]:
    wanted = [f"update_item: {name}, {each}" for name in names for each in returned]
    return dict.fromkeys(wanted, why)


def _conditions(names: Iterable[str], why: str) -> dict[str, str]:
    calls = ("put_item: condition", "delete_item: condition", "update_item: condition")
    wanted = [f"{call}, {name}" for name in names for call in (*calls, "scan: filter")]
    return dict.fromkeys(wanted, why)


_OF_BOTH = {
    "client.batch_get_item: a key twice, spelled otherwise": _BY_TEXT,
    "scan: index by-state limit": _OTHER_ORDER,
    "scan: index by-name filter": _LAX,
    "scan: index by-name filter count": _LAX,
    f"{_WRITE}with another table, other Attr": _MORE,
    **_updates(["set position", "set position two"], _WHOLE, ["UPDATED_NEW", "UPDATED_OLD"]),
    **_updates(["remove position"], _WHOLE, ["UPDATED_OLD"]),
}

_REMOVES = ("remove missing nested", "remove nested of scalar")

_OF_DYNAMODB_LOCAL = {
    f"{_READ}wrong key": "it gives no reasons",
    **_updates(
        ["set new nested", "add nested", "if_not_exists on map", "append in map"],
        _WHOLE,
        ["UPDATED_NEW"],
    ),
    **_updates(["remove nested"], _WHOLE, ["UPDATED_OLD"]),
    **_updates(["index key num"], _LAX),
    f"{_WRITE}update, index key num": _LAX,
    **{f"{_WRITE}check if in {what}": _LAX for what in ("key", "index key")},
    **{f"{_WRITE}update, {name}": _REFUSES for name in (*MISFITS, *_REMOVES, "index key empty")},
    f"{_WRITE}an update that does not fit": _REFUSES,
}

_UNSEEN = (
    "in 101",
    "begins same",
    "type bad",
    "type num",
    "type path",
    "fn upper",
    "path = path",
    "lt list",
    "lt map",
    "lt bool",
    "lt null",
    "151 comparisons",
)
"""Conditions that dynoxide does not refuse."""

_IN_PARENTHESES = ("paren left", "paren both", "paren in", "paren between", "paren argument")

_UNSEEN_ANYWHERE = re.compile(
    r"(in (sort |index |local index )?key|form feed|vertical tab|far position)(, [A-Z_]+)?$"
)
"""Paths, white space and positions that dynoxide does not refuse."""

_OF_DYNOXIDE = {
    **{name: _LAX for name, _, _ in CASES if _UNSEEN_ANYWHERE.search(name)},
    **_conditions(_IN_PARENTHESES, "it takes no operand in parentheses"),
    "put_item: if a wrong wish": _LAX,
    "delete_item: if a wrong wish": _LAX,
    "get_item: empty name": _LAX,
    "query: a wrong type": _NOTHING,
    **dict.fromkeys(
        [f"query: by {n}{b}" for n in ("begins", "sort str", "sort none") for b in ("", " back")],
        _NOTHING,
    ),
    "query: by text, begins num": _NOTHING,
    "query: behind a key of another partition": "it accepts it",
    "query: start before range": "it accepts it",
    "query: filter attr": _LAX,
    "scan: filter attr": _LAX,
    "scan: filter, between rev": _LAX,
    "scan: filter, between types": _LAX,
    **_conditions(_UNSEEN, _LAX),
    **_conditions(["size no path"], "it looks at the type of a value beforehand"),
    "put_item: index key 2049": _LAX,
    "put_item: lsi key 1025": _LAX,
    **_updates(["set position end", "set position two", "add to position new"], _ENDS),
    **_updates(["remove position two"], _ENDS),
    **_updates(["remove position beyond"], _ENDS, ["UPDATED_NEW", "UPDATED_OLD"]),
    **_updates([*_REMOVES, "only spaces"], _LAX),
    **_updates(["if_not_exists upper"], _LAX),
    **{
        f"query: index by-name {n}": "it does not fetch what the index lacks"
        for n in ("specific", "proj")
    },
    **{
        f"scan: index by-name {n}": "it does not fetch what the index lacks"
        for n in ("specific", "proj", "all")
    },
    **{f"query: index by-name {n}": _LAX for n in ("filter", "filter count")},
    "client.batch_write_item: both in one": _LAX,
    **{f"{_WRITE}{kind} if {what}": _CANCELS for kind in ("put", "check") for what in _BROKEN},
    **{
        f"{_WRITE}update, {name}": _CANCELS
        for name in REFUSED_UPDATES
        if name not in (*MISFITS, "float")
    },
    **{
        f"{_WRITE}update, {name}": _ENDS
        for name in ("set position end", "remove position two", "add to position new")
    },
    f"{_WRITE}update, set position two": _ENDS,
    f"{_WRITE}wrong key": _CANCELS,
    f"{_WRITE}put no key": _CANCELS,
    f"{_WRITE}put empty set": _CANCELS,
    f"{_WRITE}upd empty": _LAX,
    f"{_WRITE}upd key": _LAX,
    f"{_WRITE}two kinds": _LAX,
    **{
        f"{_WRITE}with another table, other {what}": _CANCELS
        for what in ("malformed", "wrong key", "empty set", "unused name")
    },
    f"{_READ}with another table, other wrong key": _CANCELS,
    **{
        f"{_READ}{what}": "it adds the key"
        for what in ("projections", "proj missing", "proj nested")
    },
    f"{_READ}with another table, other proj": "it adds the key",
    f"{_READ}proj empty": _LAX,
}

WRONG: dict[str, dict[str, str]] = {
    "dynamodb-local": {**_OF_BOTH, **_OF_DYNAMODB_LOCAL},
    "dynoxide": {**_OF_BOTH, **_OF_DYNOXIDE},
}

_ENTRY = (Phase.ROLLING_OUT, Phase.READING_BOTH, Phase.WRITING_NEW)
_ROOM = 50  # actions of a transaction, where each may take two


_ABSENT = ("tombstoned", "nowhere")
_NAMES_LAST = ("put_item: Attr and ", "put_item: if an unused ", "delete_item: if an unused ")
_SUMS = (f"{_WRITE}update, ", f"{_WRITE}a sum", f"{_WRITE}a difference")
_GIVES = re.compile(r"\b(SET|ADD)\b", re.IGNORECASE)


def is_asked(case: Case, server: str, phase: Phase, placement: str) -> bool:
    """Tell whether a plain table on a server and the drop-in are to answer it alike."""
    name, _, _ = case
    if name in WRONG[server] or (placement in _ABSENT and _is_wrong_of_nothing(case, server)):
        return False
    return phase not in _ENTRY or not _is_otherwise_on_the_way_in(case)


def _is_otherwise_on_the_way_in(case: Case) -> bool:
    """Tell whether it is one of two things that the guide names.

    While old code may write, a scan comes to the items of new at its end, so its pages are others;
    and a transaction has room for half as many actions.
    """
    _, operation, parameters = case
    pages = operation.endswith("scan") and parameters.keys() & {"Limit", "ExclusiveStartKey"}
    return bool(pages) or _ROOM < len(parameters.get("TransactItems", ())) <= 2 * _ROOM


def _is_wrong_of_nothing(case: Case, server: str) -> bool:
    """Tell whether a server is wrong where there is no item.

    All make one for an update that only takes away, and AWS does not. DynamoDB Local refuses a
    request whose update does not fit nothing, where AWS cancels the transaction. dynoxide returns
    the key of what was not there, and judges a condition before it looks at the names.
    """
    name, operation, parameters = case
    update = _update_of(parameters)
    if update is not None and not _GIVES.search(update):
        return True
    if server != "dynoxide":
        return name.startswith(_SUMS)
    old = operation == "update_item" and parameters.get("ReturnValues") == "ALL_OLD"
    return old or name.startswith(_NAMES_LAST)


def _update_of(parameters: dict[str, Any]) -> str | None:
    for action in parameters.get("TransactItems", ()):
        asked = action.get("Update") if isinstance(action, dict) else None
        if isinstance(asked, dict):
            return str(asked.get("UpdateExpression", ""))
    found = parameters.get("UpdateExpression")
    return None if found is None else str(found)
