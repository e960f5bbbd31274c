"""Conditions, key conditions, filters and projections are judged here as DynamoDB judges them."""

from __future__ import annotations

from typing import Any

import pytest
from expression_cases import CONDITIONS, ITEM, REFUSED, Case, L, M, N, S

from dualtable._expressions.parser import (
    Placeholders,
    parse_condition,
    parse_projection,
    parse_update,
)
from dualtable._expressions.reserved_words import RESERVED_WORDS
from dualtable.errors import RequestRefusedError


def judge(expression: str, values: dict[str, Any], names: dict[str, str] | None = None) -> bool:
    placeholders = Placeholders(names or {}, values)
    condition = parse_condition(expression, placeholders)
    placeholders.check_all_used()
    return condition.holds(ITEM)


def project(expression: str, item: dict[str, Any]) -> dict[str, Any]:
    return parse_projection(expression, Placeholders({}, {})).apply(item)


@pytest.mark.parametrize("case", CONDITIONS, ids=str)
def test_a_condition_is_judged_as_dynamodb_does(case: Case) -> None:
    """The repository judges where the server cannot, so each answer must be the server's."""
    if case.expected is REFUSED:
        with pytest.raises(RequestRefusedError):
            judge(case.expression, case.values)
    else:
        assert judge(case.expression, case.values) is case.expected


def test_an_absent_item_is_one_without_attributes() -> None:
    """A condition on a tombstone is judged on nothing."""
    absent = parse_condition("attribute_not_exists(id) AND NOT n = n2", Placeholders({}, {}))
    assert absent.holds({})


@pytest.mark.parametrize(
    ("names", "values"),
    [
        ({"#n": "n", "#unused": "x"}, {":v": N("5")}),
        ({"#n": "n"}, {":v": N("5"), ":unused": N("5")}),
        ({}, {":v": N("5")}),
        ({"#n": "n"}, {}),
        ({"n": "n"}, {":v": N("5")}),
        ({"#n": "n"}, {"v": N("5")}),
        ({"#n": "n", "#": "x"}, {":v": N("5")}),
        ({"#n": "n"}, {":v": {"N": "five"}}),
        ({"#n": "n"}, {":v": {"N": "5", "S": "5"}}),
    ],
)
def test_names_and_values_must_fit_the_expression(
    names: dict[str, str], values: dict[str, Any]
) -> None:
    """An unused, unknown or malformed placeholder is a caller's mistake, and DynamoDB says so."""
    with pytest.raises(RequestRefusedError):
        judge("#n = :v", values, names)


def test_a_placeholder_may_stand_for_any_name() -> None:
    """A dot, a space or a reserved word is a part of the name, not of the path."""
    condition = parse_condition("#a = :v", Placeholders({"#a": "the.size[0] of"}, {":v": N("1")}))
    assert condition.holds({"the.size[0] of": N("1")})
    assert not condition.holds({"the": M(size=N("1"))})


def test_a_reserved_word_needs_a_placeholder() -> None:
    """DynamoDB's list has 573 words, of which any case counts."""
    assert len(RESERVED_WORDS) == 573
    with pytest.raises(RequestRefusedError, match="'Status' is a reserved word"):
        judge("Status = :v", {":v": N("1")})


def test_an_expression_has_a_largest_length() -> None:
    """4 KB, as DynamoDB has it."""
    longest = " OR ".join(["attribute_exists(aaaaaaaaa)"] * 132)
    assert judge(longest, {}) is False
    with pytest.raises(RequestRefusedError, match="4096 bytes") as caught:
        judge(f"{longest} OR attribute_exists(b)", {})
    assert "aaa" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("n = :v < :v", "there is '<' where the end should be"),
        ("n = :v)", "there is ')' where the end should be"),
        ("(n = :v", "it ends where ')' should be"),
        ("contains(n, :v", "it ends where ')' should be"),
        ("n :v", "there is ':v' where a comparator should be"),
        ("n", "it ends where a comparator should be"),
        ("n =", "it ends where a name should be"),
        ("n = :v AND", "it ends where a name should be"),
        ("l[ = :v", "there is '=' where a position should be"),
        ("l[0 = :v", "there is '=' where ']' should be"),
        ("n BETWEEN :v OR :v", "there is 'OR' where 'AND' should be"),
        ("size(size(s)) = :v", "size needs a path or :value"),
        ("attribute_exists(:v)", "attribute_exists needs a path"),
        (f"attribute_exists({'.'.join(['a'] * 33)})", "a path has 33 levels; DynamoDB takes 32"),
        ("NOT " * 301 + "n = :v", "302 operators and functions; DynamoDB takes 300"),
    ],
)
def test_an_error_says_what_is_there_and_what_should_be(text: str, told: str) -> None:
    """Nobody should have to guess what an empty quotation means."""
    with pytest.raises(RequestRefusedError) as caught:
        judge(text, {":v": N("5")})
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is empty"),
        ("SET", "it ends where a name should be"),
        ("SET x", "it ends where '=' should be"),
        ("SET x = ", "it ends where a name should be"),
        ("ADD x", "it ends where a :value should be"),
        ("REMOVE x FOO", "there is 'FOO' where a clause, each of which once, should be"),
        ("SET x = :v SET y = :v", "there is 'SET' where a clause"),
    ],
)
def test_an_error_of_an_update_says_so_too(text: str, told: str) -> None:
    """The same in updates."""
    with pytest.raises(RequestRefusedError) as caught:
        parse_update(text, Placeholders({}, {":v": N("5")}))
    assert told in str(caught.value)


def test_deep_nesting_is_refused_and_never_a_crash() -> None:
    """An expression comes from a caller: no text may end in a RecursionError."""
    with pytest.raises(RequestRefusedError, match="nested too deeply"):
        judge("(" * 2000 + "n = :v" + ")" * 2000, {":v": N("1")})
    with pytest.raises(RequestRefusedError, match=r"too deeply|too early"):
        judge("NOT " * 1000, {":v": N("1")})


def test_at_most_100_choices() -> None:
    """IN takes up to 100 operands."""
    values = {f":v{number}": N(str(number)) for number in range(101)}
    with pytest.raises(RequestRefusedError, match="100"):
        judge(f"n IN ({', '.join(values)})", values)
    del values[":v100"]
    assert judge(f"n IN ({', '.join(values)})", values)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("s", {"s": S("text")}),
        ("s, nope", {"s": S("text")}),
        ("nope", {}),
        ("m.a", {"m": M(a=N("1"))}),
        ("m.a, m.e", {"m": M(a=N("1"), e=M())}),
        ("m.nope", {}),
        ("m.l[1].q", {"m": M(l=L(M(q=S("y"))))}),
        ("l[0], l[2]", {"l": L(N("1"), N("3"))}),
        ("l[2], l[0]", {"l": L(N("1"), N("3"))}),
        ("l[9]", {}),
        ("s.x", {}),
        ("s[0]", {}),
        ("l.x", {}),
        ("m[0]", {}),
    ],
)
def test_a_projection_cuts_an_item_to_its_paths(expression: str, expected: dict[str, Any]) -> None:
    """Projections are applied after the overlay, so they must cut as the server would."""
    assert project(expression, ITEM) == expected


@pytest.mark.parametrize(
    "expression",
    ["", "s,", "s s", "m, m.a", "s, s", "m.a, m[0]", ":v", "1", "s,\fn", "l[2147483648]", "(s)"],
)
def test_a_wrong_projection_is_refused(expression: str) -> None:
    """Overlapping paths and malformed lists are refused as the server would."""
    with pytest.raises(RequestRefusedError):
        project(expression, ITEM)


@pytest.mark.parametrize("text", ["s.x = :v", "n > :v AND #s[0] = :v", "size(s.x) = :v"])
def test_nothing_is_inside_of_a_key(text: str) -> None:
    """Where the key is a part of the item, no condition on what is inside can ever hold."""
    names = {"#s": "s"} if "#s" in text else {}
    with pytest.raises(RequestRefusedError, match="'s' is a key attribute"):
        parse_condition(text, Placeholders(names, {":v": N("1")}, {"s", "t"}))
    parse_condition(text, Placeholders(names, {":v": N("1")}, {"n"}))


def test_expressions_of_one_request_share_placeholders() -> None:
    """A placeholder that one of them uses is used."""
    placeholders = Placeholders({"#n": "n"}, {":one": N("1")})
    parse_update("SET #n = #n + :one", placeholders)
    parse_condition("#n > :one", placeholders)
    placeholders.check_all_used()
