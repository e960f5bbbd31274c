"""Update expressions are applied here as DynamoDB applies them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from expression_cases import (
    ITEM,
    REFUSED,
    RETURNED_OF_LISTS,
    RETURNED_OF_MAPS,
    UPDATES,
    Case,
    L,
    N,
    Returned,
    S,
    expected_item,
)

from dualtable._expressions.parser import Placeholders, parse_update
from dualtable._expressions.updates import UpdateTree
from dualtable._wire.values import equal_items
from dualtable.errors import RequestRefusedError


def parsed(expression: str, values: dict[str, Any] | None = None) -> UpdateTree:
    placeholders = Placeholders({}, values or {})
    update = parse_update(expression, placeholders)
    placeholders.check_all_used()
    return update


@pytest.mark.parametrize("case", UPDATES, ids=str)
def test_an_update_is_applied_as_dynamodb_does(case: Case) -> None:
    """The repository applies updates where the server cannot, so each result must be the same."""
    before = copy.deepcopy(ITEM)
    if case.expected is REFUSED:
        with pytest.raises(RequestRefusedError):
            parsed(case.expression, case.values).apply(ITEM)
    else:
        assert equal_items(parsed(case.expression, case.values).apply(ITEM), expected_item(case))
    assert before == ITEM  # nothing is changed in place


def test_an_item_that_is_not_there_begins_with_its_key() -> None:
    """UpdateItem creates the item; the right sides see its key."""
    made = parsed("SET x = id, y = if_not_exists(y, :z) ADD z :z", {":z": N("1")})
    assert made.apply({"id": S("k")}) == {"id": S("k"), "x": S("k"), "y": N("1"), "z": N("1")}


def test_results_are_checked_as_items_are() -> None:
    """What grows too deep by an update is refused, not stored."""
    deep: dict[str, Any] = N("1")
    for _ in range(31):
        deep = L(deep)
    with pytest.raises(RequestRefusedError, match="nested too deeply"):
        parsed("SET x = list_append(y, x)").apply({"x": deep, "y": L()} | {"x": L(deep)})


def test_numbers_are_exact_or_refused() -> None:
    """38 digits are kept; a result that needs more is refused, never rounded."""
    largest = "9" * 38
    assert parsed("ADD n :v", {":v": N("-1")}).apply({"n": N(largest)}) == {"n": N("9" * 37 + "8")}
    with pytest.raises(RequestRefusedError, match="38"):
        parsed("ADD n :v", {":v": N("0.5")}).apply({"n": N(largest)})
    assert parsed("ADD n :v", {":v": N("1")}).apply({"n": N(largest)}) == {"n": N("1" + "0" * 38)}


@pytest.mark.parametrize("case", [*RETURNED_OF_MAPS, *RETURNED_OF_LISTS], ids=str)
def test_updated_attributes_are_those_at_the_paths(case: Returned) -> None:
    """UPDATED_OLD and UPDATED_NEW return no more than the update wrote to, as AWS does."""
    update = parsed(case.expression, case.values)
    assert update.updated_old(ITEM) == case.old
    assert update.updated_new(update.apply(ITEM)) == case.new
