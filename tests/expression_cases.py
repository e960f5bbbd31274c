# ruff: noqa: N802 - the short names are DynamoDB's own for its data types
"""Condition and update expressions, and what DynamoDB makes of them, for engine and servers.

The rule: the expected answers are those of DynamoDB Local. Where another server answers otherwise,
the case names it with the reason; there the test makes sure that it still does.
"""

from __future__ import annotations

from typing import Any

import attrs

REFUSED = "refused"

LENIENT = "takes what DynamoDB refuses"
STRICT = "refuses what DynamoDB takes"
PADS = "fills a list with NULL up to a far position"
SHIFTS = "removes positions one after another, each from what the one before has left"
ROUNDS = "calculates with 37 digits"
ABSENT = "takes two attributes that are not there for equal"
CONTAINS = "compares the spelling of members, and looks for no part of binary"


def S(text: str) -> dict[str, Any]:
    return {"S": text}


def N(number: str) -> dict[str, Any]:
    return {"N": number}


def L(*members: dict[str, Any]) -> dict[str, Any]:
    return {"L": list(members)}


def M(**members: dict[str, Any]) -> dict[str, Any]:
    return {"M": members}


@attrs.frozen
class Case:
    """An expression on `ITEM`; what is expected: whether it holds, what it changes, or `REFUSED`.

    Of an update, `expected` holds the new values of the attributes that change, None for removed.
    """

    expression: str
    values: dict[str, Any]
    expected: Any
    dynoxide: str = ""
    ministack: str = ""

    def is_wrong_on(self, server: str) -> bool:
        return bool({"dynoxide": self.dynoxide, "ministack": self.ministack}.get(server))

    def __str__(self) -> str:
        return f"{self.expression} {self.values}"


ITEM: dict[str, Any] = {
    "s": S("text"),
    "n": N("5"),
    "b": {"B": "AQID"},
    "t": {"BOOL": True},
    "nul": {"NULL": True},
    "l": L(N("1"), N("2"), N("3")),
    "m": M(a=N("1"), l=L(S("x"), M(q=S("y"))), e=M()),
    "ss": {"SS": ["a", "b"]},
    "ns": {"NS": ["1", "2"]},
    "bs": {"BS": ["AQ==", "Ag=="]},
    "el": L(),
    "es": S(""),
    "uni": S("a😀é"),
}


@attrs.frozen
class Returned:
    """An update of `ITEM`; what is at its paths before and after it."""

    expression: str
    old: dict[str, Any]
    new: dict[str, Any]

    @property
    def values(self) -> dict[str, Any]:
        given = {":v": N("9"), ":a": {"SS": ["a"]}, ":both": {"SS": ["a", "b"]}}
        return {name: value for name, value in given.items() if name in self.expression}

    def __str__(self) -> str:
        return self.expression


RETURNED_OF_MAPS = (
    Returned("SET n = :v", {"n": N("5")}, {"n": N("9")}),
    Returned("SET x = :v", {}, {"x": N("9")}),
    Returned("SET n = :v REMOVE s", {"n": N("5"), "s": S("text")}, {"n": N("9")}),
    Returned("REMOVE l", {"l": ITEM["l"]}, {}),
    Returned("REMOVE nope", {}, {}),
    Returned("SET m.a = :v", {"m": M(a=N("1"))}, {"m": M(a=N("9"))}),
    Returned("SET m.a = m.a", {"m": M(a=N("1"))}, {"m": M(a=N("1"))}),
    Returned("SET m.x = :v", {}, {"m": M(x=N("9"))}),
    Returned("SET m.e.x = :v", {}, {"m": M(e=M(x=N("9")))}),
    Returned("SET m.a = :v, m.x = :v", {"m": M(a=N("1"))}, {"m": M(a=N("9"), x=N("9"))}),
    Returned("SET m.a = :v REMOVE m.e", {"m": M(a=N("1"), e=M())}, {"m": M(a=N("9"))}),
    Returned("SET n = :v REMOVE m.a", {"n": N("5"), "m": M(a=N("1"))}, {"n": N("9")}),
    Returned("REMOVE m.a, m.x", {"m": M(a=N("1"))}, {}),
    Returned("REMOVE m.x", {}, {}),
    Returned("ADD m.a :v, m.x :v", {"m": M(a=N("1"))}, {"m": M(a=N("10"), x=N("9"))}),
    Returned("ADD m.x :a", {}, {"m": M(x={"SS": ["a"]})}),
    Returned("DELETE m.x :a", {}, {}),
    Returned("DELETE ss :a", {"ss": {"SS": ["a", "b"]}}, {"ss": {"SS": ["b"]}}),
    Returned("DELETE ss :both", {"ss": {"SS": ["a", "b"]}}, {}),
)
"""Nothing of a map but what is at the paths."""

RETURNED_OF_LISTS = (
    Returned("SET l[1] = :v", {"l": L(N("2"))}, {"l": L(N("9"))}),
    Returned("SET l[2] = :v, l[0] = l[1]", {"l": L(N("1"), N("3"))}, {"l": L(N("2"), N("9"))}),
    Returned("SET l[3] = :v", {}, {"l": L(N("9"))}),
    Returned("SET l[7] = :v", {}, {}),
    Returned("ADD l[1] :v", {"l": L(N("2"))}, {"l": L(N("11"))}),
    Returned("REMOVE l[1]", {"l": L(N("2"))}, {"l": L(N("3"))}),
    Returned("REMOVE l[1], l[3]", {"l": L(N("2"))}, {"l": L(N("3"))}),
    Returned("REMOVE l[2]", {"l": L(N("3"))}, {}),
    Returned("SET l[0] = :v REMOVE l[1]", {"l": L(N("1"), N("2"))}, {"l": L(N("9"), N("3"))}),
    Returned(
        "SET n = :v REMOVE l[0]", {"n": N("5"), "l": L(N("1"))}, {"n": N("9"), "l": L(N("2"))}
    ),
    Returned("SET m.l[1].q = :v", {"m": M(l=L(M(q=S("y"))))}, {"m": M(l=L(M(q=N("9"))))}),
    Returned("SET m.l[0] = :v, m.x = :v", {"m": M(l=L(S("x")))}, {"m": M(l=L(N("9")), x=N("9"))}),
    Returned("REMOVE m.l[0]", {"m": M(l=L(S("x")))}, {"m": M(l=L(M(q=S("y"))))}),
    Returned("REMOVE m.l[1].q", {"m": M(l=L(M(q=S("y"))))}, {}),
)
"""Nothing of a list but its members at these positions, whichever are there then."""


def expected_item(case: Case) -> dict[str, Any]:
    """Return what an update is to make of `ITEM`."""
    changed = {**ITEM, **case.expected}
    return {name: value for name, value in changed.items() if value is not None}


UPDATES = (
    Case(
        "SET l[1] = :v, l[9] = :w, l[7] = :v",
        {":v": S("v"), ":w": S("w")},
        {"l": L(N("1"), S("v"), N("3"), S("v"), S("w"))},
        dynoxide=PADS,
        ministack=PADS,
    ),
    Case(
        "SET l[7] = :v REMOVE l[0]",
        {":v": S("v")},
        {"l": L(N("2"), N("3"), S("v"))},
        dynoxide=PADS,
        ministack=PADS,
    ),
    Case(
        "SET l[3] = :v REMOVE l[0], l[1]",
        {":v": S("v")},
        {"l": L(N("3"), S("v"))},
        dynoxide=SHIFTS,
        ministack=SHIFTS,
    ),
    Case("REMOVE l[0], l[2]", {}, {"l": L(N("2"))}, dynoxide=SHIFTS, ministack=SHIFTS),
    Case("REMOVE l[9]", {}, {}),
    Case("REMOVE nope", {}, {}),
    Case("REMOVE nope.x", {}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("REMOVE m.nope", {}, {}),
    Case("REMOVE m.nope.x", {}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("REMOVE s.x", {}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("REMOVE s[0]", {}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("REMOVE m[0]", {}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("REMOVE l.x", {}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("SET m.a.x = :v", {":v": N("1")}, REFUSED),
    Case("SET m.new = :v", {":v": N("1")}, REFUSED),
    Case("SET nope.x = :v", {":v": N("1")}, REFUSED),
    Case("SET nope[0] = :v", {":v": N("1")}, REFUSED),
    Case("SET m.l[1].q = :v", {":v": N("1")}, {"m": M(a=N("1"), e=M(), l=L(S("x"), M(q=N("1"))))}),
    Case("SET m.l[5].q = :v", {":v": N("1")}, REFUSED, dynoxide=LENIENT),
    Case("SET n = n + :v", {":v": N("1")}, {"n": N("6")}),
    Case("SET n = s + :v", {":v": N("1")}, REFUSED, ministack=LENIENT),
    Case("SET n = n + :v", {":v": S("1")}, REFUSED, ministack=LENIENT),
    Case("SET n = nope + :v", {":v": N("1")}, REFUSED),
    Case("SET x = n + n", {}, {"x": N("10")}),
    Case("SET x = n - n", {}, {"x": N("0")}),
    Case("SET x = n + n + n", {}, REFUSED, ministack=LENIENT),
    Case("SET x = nope", {}, REFUSED),
    Case("SET x = if_not_exists(nope, n)", {}, {"x": N("5")}),
    Case("SET x = if_not_exists(nope, nope2)", {}, REFUSED),
    Case("SET x = if_not_exists(nope, :z) + :v", {":z": N("0"), ":v": N("1")}, {"x": N("1")}),
    Case("SET x = if_not_exists(s, :z)", {":z": N("0")}, {"x": S("text")}),
    Case("SET x = if_not_exists(nope, n + :v)", {":v": N("1")}, REFUSED, ministack=LENIENT),
    Case("SET x = if_not_exists(nope, if_not_exists(nope2, :v))", {":v": N("1")}, {"x": N("1")}),
    Case("SET x = if_not_exists(:v, n)", {":v": N("1")}, REFUSED, ministack=LENIENT),
    Case("SET x = list_append(l, :v)", {":v": L(N("1"))}, {"x": L(N("1"), N("2"), N("3"), N("1"))}),
    Case("SET x = list_append(:v, l)", {":v": L(N("1"))}, {"x": L(N("1"), N("1"), N("2"), N("3"))}),
    Case("SET x = list_append(l, l)", {}, {"x": L(N("1"), N("2"), N("3"), N("1"), N("2"), N("3"))}),
    Case("SET x = list_append(l, :v)", {":v": N("1")}, REFUSED, ministack=LENIENT),
    Case("SET x = list_append(s, :v)", {":v": L()}, REFUSED, ministack=LENIENT),
    Case(
        "SET x = list_append(if_not_exists(nope, :e), :v)",
        {":e": L(), ":v": L(N("1"))},
        {"x": L(N("1"))},
    ),
    Case(
        "SET x = list_append(list_append(l, l), l)",
        {},
        REFUSED,
        dynoxide=LENIENT,
        ministack=LENIENT,
    ),
    Case(
        "SET x = if_not_exists(nope, list_append(l, l))",
        {},
        REFUSED,
        dynoxide=LENIENT,
        ministack=LENIENT,
    ),
    Case("SET x = list_append(nope, :v)", {":v": L()}, REFUSED),
    Case("SET x = list_append(l)", {}, REFUSED),
    Case("SET x = foo(l)", {}, REFUSED),
    Case("SET x = size(l)", {}, REFUSED),
    Case("SET x = (:v)", {":v": N("1")}, {"x": N("1")}),
    Case("SET x = (n + :v)", {":v": N("1")}, {"x": N("6")}),
    Case("SET x = ((n))", {}, REFUSED, dynoxide=LENIENT),
    Case("SET x = (n) + (:v)", {":v": N("1")}, {"x": N("6")}),
    Case(
        "SET x = list_append((l), l)", {}, {"x": L(N("1"), N("2"), N("3"), N("1"), N("2"), N("3"))}
    ),
    Case("SET (x) = :v", {":v": N("1")}, REFUSED, ministack=LENIENT),
    Case("ADD n :v", {":v": N("1")}, {"n": N("6")}),
    Case("ADD n :v", {":v": S("x")}, REFUSED),
    Case("ADD s :v", {":v": N("1")}, REFUSED),
    Case("ADD nope :v", {":v": N("1")}, {"nope": N("1")}),
    Case("ADD nope :v", {":v": {"SS": ["q"]}}, {"nope": {"SS": ["q"]}}),
    Case("ADD ss :v", {":v": {"SS": ["c", "a"]}}, {"ss": {"SS": ["a", "b", "c"]}}),
    Case("ADD ss :v", {":v": {"NS": ["1"]}}, REFUSED),
    Case(
        "ADD ns :v",
        {":v": {"NS": ["1.0", "3"]}},
        {"ns": {"NS": ["1", "2", "3"]}},
        dynoxide=STRICT,
        ministack=STRICT,
    ),
    Case("ADD ns :v", {":v": N("1")}, REFUSED),
    Case("ADD m.a :v", {":v": N("1")}, {"m": M(a=N("2"), e=M(), l=L(S("x"), M(q=S("y"))))}),
    Case("ADD l[0] :v", {":v": N("1")}, {"l": L(N("2"), N("2"), N("3"))}),
    Case(
        "ADD m.zz :v",
        {":v": N("1")},
        {"m": M(a=N("1"), e=M(), l=L(S("x"), M(q=S("y"))), zz=N("1"))},
    ),
    Case(
        "ADD l[9] :v",
        {":v": N("1")},
        {"l": L(N("1"), N("2"), N("3"), N("1"))},
        dynoxide=PADS,
        ministack=PADS,
    ),
    Case("ADD nope.x :v", {":v": N("1")}, REFUSED, ministack=LENIENT),
    Case("ADD n n", {}, REFUSED, ministack=LENIENT),
    Case("ADD bs :v", {":v": {"BS": ["Aw=="]}}, {"bs": {"BS": ["AQ==", "Ag==", "Aw=="]}}),
    Case("ADD nope :v", {":v": L(N("1"))}, REFUSED),
    Case("ADD l :v", {":v": L(N("1"))}, REFUSED),
    Case("DELETE ss :v", {":v": {"SS": ["a"]}}, {"ss": {"SS": ["b"]}}),
    Case("DELETE ss :v", {":v": {"SS": ["a", "b", "z"]}}, {"ss": None}),
    Case("DELETE ss :v", {":v": {"NS": ["1"]}}, REFUSED),
    Case("DELETE s :v", {":v": {"SS": ["a"]}}, REFUSED),
    Case("DELETE nope :v", {":v": {"SS": ["a"]}}, {}),
    Case("DELETE nope.x :v", {":v": {"SS": ["a"]}}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("DELETE n :v", {":v": N("1")}, REFUSED),
    Case("DELETE m.zz :v", {":v": {"SS": ["a"]}}, {}),
    Case("SET m = :v, m.a = :v", {":v": N("1")}, REFUSED),
    Case("SET m.a = :v REMOVE m.a", {":v": N("1")}, REFUSED, ministack=LENIENT),
    Case("SET m.a = :v, m[0] = :v", {":v": N("1")}, REFUSED, ministack=LENIENT),
    Case(
        "SET m.a = :v, m.b = :v",
        {":v": N("1")},
        {"m": M(a=N("1"), b=N("1"), e=M(), l=L(S("x"), M(q=S("y"))))},
    ),
    Case("SET l[0] = :v, l[0] = :v", {":v": N("1")}, REFUSED, ministack=LENIENT),
    Case("SET n = :v SET x = :v", {":v": N("1")}, REFUSED, ministack=LENIENT),
    Case("REMOVE n SET x = :v", {":v": N("1")}, {"x": N("1"), "n": None}),
    Case("set n = :v remove s", {":v": N("1")}, {"n": N("1"), "s": None}),
    Case("SET n = :v,", {":v": N("1")}, REFUSED, ministack=LENIENT),
    Case("", {}, REFUSED),
    Case("SET", {}, REFUSED, ministack=LENIENT),
    Case("SET x = :v :v", {":v": N("1")}, REFUSED, ministack=LENIENT),
    Case("SET x=:v", {":v": N("1")}, {"x": N("1")}),
    Case("SET x = n+:v", {":v": N("1")}, {"x": N("6")}),
    Case("SET x = n -:v", {":v": N("1")}, {"x": N("4")}),
    Case("SET x = n + :v", {":v": N("1E125")}, REFUSED, ministack=LENIENT),
    Case(
        "SET x = n + :v",
        {":v": N("0.0000000000000000000000000000000000001")},
        {"x": N("5.0000000000000000000000000000000000001")},
        ministack=ROUNDS,
    ),
    Case(
        "SET x = n + :v",
        {":v": N("0.00000000000000000000000000000000000000001")},
        REFUSED,
        ministack=LENIENT,
    ),
    Case("SET x = :a + :b", {":a": N("9E125"), ":b": N("9E125")}, REFUSED),
    Case(
        "SET x = :a - :b",
        {":a": N("12345678901234567890123456789012345678"), ":b": N("0.1")},
        REFUSED,
        ministack=LENIENT,
    ),
    Case("SET x = :v", {":v": {"SS": []}}, REFUSED),
    Case("SET x = :v", {":v": {"NULL": False}}, REFUSED),
    Case("SET x = :v", {":v": S("")}, {"x": S("")}),
    Case("SET x = :v", {":v": {"NS": ["1", "1.0"]}}, REFUSED),
    Case("SET status = :v", {":v": N("1")}, REFUSED),
    Case("SET _x = :v", {":v": N("1")}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("SET x1 = :v", {":v": N("1")}, {"x1": N("1")}),
    Case("SET 1x = :v", {":v": N("1")}, REFUSED, ministack=LENIENT),
    Case("SET l[01] = :v", {":v": N("1")}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("SET l[ 1 ] = :v", {":v": N("1")}, {"l": L(N("1"), N("1"), N("3"))}, dynoxide=STRICT),
    Case("SET m . a = :v", {":v": N("1")}, {}),
    Case("SET x-y = :v", {":v": N("1")}, REFUSED, ministack=LENIENT),
    Case("SET el[0] = :v", {":v": N("1")}, {"el": L(N("1"))}),
    Case("REMOVE el[0]", {}, {}),
    Case("REMOVE m.l[1].q", {}, {"m": M(a=N("1"), e=M(), l=L(S("x"), M()))}),
    Case("REMOVE m.l[0]", {}, {"m": M(a=N("1"), e=M(), l=L(M(q=S("y"))))}),
    Case("SET n = s, s = n", {}, {"n": S("text"), "s": N("5")}),
    Case(
        "SET x = l[0], l[0] = l[1], l[1] = l[0]", {}, {"l": L(N("2"), N("1"), N("3")), "x": N("1")}
    ),
    Case("SET x = m REMOVE m", {}, {"x": M(a=N("1"), e=M(), l=L(S("x"), M(q=S("y")))), "m": None}),
    Case("SET l[0] = :v, l[1] = :v REMOVE l[2]", {":v": N("7")}, {"l": L(N("7"), N("7"))}),
    Case(
        "DELETE m.ss :v ADD m.ns :w",
        {":v": {"SS": ["a"]}, ":w": {"NS": ["1"]}},
        {"m": M(a=N("1"), e=M(), l=L(S("x"), M(q=S("y"))), ns={"NS": ["1"]})},
    ),
    Case("REMOVE l[0].x", {}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("SET x = n.y", {}, REFUSED),
    Case("SET x = l[1]", {}, {"x": N("2")}),
    Case("SET x = l[2147483648]", {}, REFUSED),
    Case("SET\fx = :v", {":v": N("1")}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("SET x = if_not_exists(l[9], :v)", {":v": N("1")}, {"x": N("1")}),
    Case("SET x = nope + :v", {":v": S("a")}, REFUSED),
    Case("SET x = (n + :v) + :v", {":v": N("1")}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("SET x = n + (n + :v)", {":v": N("1")}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case(
        "SET x = (n + :v) - (n - :v)", {":v": N("1")}, REFUSED, dynoxide=LENIENT, ministack=LENIENT
    ),
    Case("SET x = list_append(l,l) + :v", {":v": N("1")}, REFUSED, ministack=LENIENT),
    Case(
        "SET x = (list_append(l,l))", {}, {"x": L(N("1"), N("2"), N("3"), N("1"), N("2"), N("3"))}
    ),
    Case("SET x = if_not_exists(nope, (n))", {}, {"x": N("5")}),
    Case("SET x = if_not_exists((nope), n)", {}, {"x": N("5")}, dynoxide=STRICT),
    Case("SET x = list_append((n + :v), l)", {":v": N("1")}, REFUSED, ministack=LENIENT),
    Case(
        "SET x = list_append((if_not_exists(l, l)), l)",
        {},
        REFUSED,
        dynoxide=LENIENT,
        ministack=LENIENT,
    ),
    Case("SET x = ((n) + :v)", {":v": N("1")}, {"x": N("6")}),
    Case("SET x = if_not_exists(nope, :v) + if_not_exists(n, :v)", {":v": N("1")}, {"x": N("6")}),
    Case("SET x = (n) , y = (n)", {}, {"x": N("5"), "y": N("5")}),
    Case("SET x = - :v", {":v": N("1")}, REFUSED, ministack=LENIENT),
    Case(
        "SET x = if_not_exists(m, :s) + :v",
        {":v": N("1"), ":s": S("q")},
        REFUSED,
        ministack=LENIENT,
    ),
    Case("SET x = n + if_not_exists(nope, :s)", {":s": S("q")}, REFUSED, ministack=LENIENT),
    Case(
        "SET x = list_append(l, if_not_exists(nope, :s))",
        {":s": S("q")},
        REFUSED,
        ministack=LENIENT,
    ),
    Case("SET x = :a + :b", {":a": N("1"), ":b": N("2")}, {"x": N("3")}),
)
CONDITIONS = (
    Case("s = :v", {":v": S("text")}, True),
    Case(":v = s", {":v": S("text")}, True),
    Case("n = :v", {":v": N("5.0")}, True),
    Case("n = :v", {":v": S("5")}, False),
    Case("nope = :v", {":v": S("5")}, False),
    Case("nope <> :v", {":v": S("5")}, True),
    Case("n <> :v", {":v": S("5")}, True),
    Case("nope = nope2", {}, False, ministack=ABSENT),
    Case("nope <> nope2", {}, True, ministack=ABSENT),
    Case("NOT nope = :v", {":v": N("1")}, True),
    Case("s = s", {}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("ss = :v", {":v": {"SS": ["b", "a"]}}, True),
    Case("l = :v", {":v": L(N("1"), N("2.0"), N("3"))}, True),
    Case("m = :v", {":v": M(a=N("1"), l=L(S("x"), M(q=S("y"))), e=M())}, True),
    Case("n < :v", {":v": N("6")}, True),
    Case("n < :v", {":v": S("6")}, False),
    Case("n < :v", {":v": L()}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("l < l2", {}, False),
    Case("l < :v", {":v": N("6")}, False),
    Case("t < :v", {":v": {"BOOL": False}}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("b < :v", {":v": {"B": "/w=="}}, True),
    Case("s < :v", {":v": S("texu")}, True),
    Case("n BETWEEN :a AND :b", {":a": N("1"), ":b": N("9")}, True),
    Case("n BETWEEN :a AND :b", {":a": N("9"), ":b": N("1")}, REFUSED),
    Case("n BETWEEN :a AND :b", {":a": N("1"), ":b": S("9")}, REFUSED, ministack=LENIENT),
    Case("n BETWEEN n AND n", {}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case(":a BETWEEN n AND :b", {":a": N("6"), ":b": N("9")}, True),
    Case("n BETWEEN :a AND :a", {":a": N("5")}, True),
    Case("n between :a and :b", {":a": N("1"), ":b": N("9")}, True),
    Case(
        "l BETWEEN :a AND :b", {":a": L(), ":b": L()}, REFUSED, dynoxide=LENIENT, ministack=LENIENT
    ),
    Case("n IN (:a, :b)", {":a": N("1"), ":b": N("5.00")}, True),
    Case("n IN (:a, s)", {":a": N("1")}, False),
    Case("n IN (n)", {}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("n IN (:a, :a)", {":a": N("5")}, True),
    Case("nope IN (:a)", {":a": N("1")}, False),
    Case("n IN ()", {}, REFUSED, ministack=LENIENT),
    Case("n in (:a)", {":a": N("5")}, True),
    Case("attribute_exists(n)", {}, True),
    Case("attribute_exists(m.l[1].q)", {}, True),
    Case("attribute_not_exists(m.l[9])", {}, True),
    Case("attribute_exists(:v)", {":v": N("1")}, REFUSED),
    Case("attribute_exists(nul)", {}, True),
    Case("Attribute_Exists(n)", {}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("attribute_type(n, :t)", {":t": S("N")}, True),
    Case("attribute_type(n, :t)", {":t": S("X")}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("attribute_type(n, :t)", {":t": N("1")}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("attribute_type(nope, :t)", {":t": S("N")}, False),
    Case("attribute_type(n, s)", {}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("begins_with(s, :v)", {":v": S("te")}, True),
    Case("begins_with(s, :v)", {":v": N("1")}, REFUSED),
    Case("begins_with(n, :v)", {":v": S("5")}, False, ministack=STRICT),
    Case("begins_with(b, :v)", {":v": {"B": "AQ=="}}, True),
    Case("begins_with(:v, s)", {":v": S("text and")}, True, ministack=STRICT),
    Case("begins_with(s, s)", {}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("begins_with(s, es)", {}, True),
    Case("begins_with(nope, :v)", {":v": S("5")}, False),
    Case("begins_with(s, n)", {}, False, ministack=STRICT),
    Case("contains(s, :v)", {":v": S("ex")}, True),
    Case("contains(s, :v)", {":v": N("1")}, False),
    Case("contains(ss, :v)", {":v": S("a")}, True),
    Case("contains(ss, :v)", {":v": {"SS": ["a"]}}, False),
    Case("contains(ns, :v)", {":v": N("1.0")}, True, ministack=CONTAINS),
    Case("contains(l, :v)", {":v": N("2.0")}, True),
    Case("contains(bs, :v)", {":v": {"B": "AQ=="}}, True),
    Case("contains(b, :v)", {":v": {"B": "Ag=="}}, True, ministack=CONTAINS),
    Case("contains(m, :v)", {":v": S("a")}, False),
    Case("contains(:v, s)", {":v": S("some text here")}, True, ministack=STRICT),
    Case("contains(:v, n)", {":v": L(N("5"))}, True, ministack=STRICT),
    Case("contains(l, n)", {}, False),
    Case("contains(s, s)", {}, REFUSED),
    Case("contains(n, :v)", {":v": N("5")}, False),
    Case("contains(nope, :v)", {":v": N("5")}, False),
    Case("size(s) = :v", {":v": N("4")}, True),
    Case("size(uni) = :v", {":v": N("3")}, False),
    Case("size(uni) = :v", {":v": N("4")}, True),
    Case("size(uni) = :v", {":v": N("7")}, False),
    Case("size(b) = :v", {":v": N("3")}, True),
    Case("size(l) = :v", {":v": N("3")}, True),
    Case("size(m) = :v", {":v": N("3")}, True),
    Case("size(ss) = :v", {":v": N("2")}, True),
    Case("size(n) = :v", {":v": N("1")}, False),
    Case("size(nope) = :v", {":v": N("1")}, False),
    Case("size(t) = :v", {":v": N("1")}, False),
    Case("size(n) <> :v", {":v": N("1")}, True),
    Case("size(:v) = :w", {":v": S("a😀"), ":w": N("3")}, True, dynoxide=STRICT, ministack=STRICT),
    Case(
        "size(:v) >= n",
        {":v": {"SS": ["a"]}},
        False,
        dynoxide=STRICT,
        ministack=STRICT,
    ),
    Case("size(:v) < size(s)", {":v": L()}, True, dynoxide=STRICT, ministack=STRICT),
    Case("size(:v) = :w", {":v": N("5"), ":w": N("1")}, REFUSED),
    Case("size(:v) = :w", {":v": {"BOOL": True}, ":w": N("1")}, REFUSED),
    Case("size(size(s)) = :v", {":v": N("1")}, REFUSED),
    Case(
        "attribute_type(:v, :t)",
        {":v": S("x"), ":t": S("S")},
        True,
        dynoxide=STRICT,
        ministack=STRICT,
    ),
    Case(
        "attribute_type(:v, :t)",
        {":v": S("x"), ":t": S("N")},
        False,
        dynoxide=STRICT,
        ministack=STRICT,
    ),
    Case("attribute_type(size(s), :t)", {":t": S("N")}, True, dynoxide=STRICT, ministack=STRICT),
    Case("attribute_exists(:v)", {":v": S("x")}, REFUSED),
    Case("size(s) > size(b)", {}, True),
    Case("size(s) = :v", {":v": S("4")}, False),
    Case("contains(size(s), :v)", {":v": S("4")}, False, ministack=STRICT),
    Case("size(s) IN (:v)", {":v": N("4")}, True),
    Case("size(s) BETWEEN :v AND n", {":v": N("4")}, True),
    Case("NOT s = :v", {":v": S("t")}, True),
    Case("NOT NOT s = :v", {":v": S("text")}, True),
    Case("(s = :v)", {":v": S("text")}, True),
    Case("((s = :v))", {":v": S("text")}, REFUSED),
    Case("((s = :v) AND n = n2)", {":v": S("text")}, False),
    Case("(s = :v) AND (t = :w)", {":v": S("text"), ":w": {"BOOL": True}}, True),
    Case("((s = :v) AND (t = :w))", {":v": S("text"), ":w": {"BOOL": True}}, True),
    Case("((s)) = :v", {":v": S("text")}, REFUSED),
    Case("(s) = :v", {":v": S("text")}, True, dynoxide=STRICT),
    Case("s = (:v)", {":v": S("text")}, True, dynoxide=STRICT, ministack=STRICT),
    Case(
        "((s) = (:v)) AND (n) < :w",
        {":v": S("text"), ":w": N("6")},
        True,
        dynoxide=STRICT,
        ministack=STRICT,
    ),
    Case("(s) IN ((:v))", {":v": S("text")}, True, dynoxide=STRICT, ministack=STRICT),
    Case(
        "n BETWEEN (:v) AND (:w)",
        {":v": N("1"), ":w": N("5")},
        True,
        dynoxide=STRICT,
        ministack=STRICT,
    ),
    Case("(size((s))) = :v", {":v": N("4")}, True, dynoxide=STRICT, ministack=STRICT),
    Case("attribute_exists((s))", {}, True, dynoxide=STRICT, ministack=STRICT),
    Case("attribute_exists(((s)))", {}, REFUSED),
    Case("(s = :v) = :v", {":v": S("text")}, REFUSED, ministack=LENIENT),
    Case("(s)", {}, REFUSED, ministack=LENIENT),
    Case("(m).a = :v", {":v": N("1")}, REFUSED, ministack=LENIENT),
    Case("s =\r\n\t:v ", {":v": S("text")}, True),
    Case("s\f= :v", {":v": S("text")}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("s = :v\v", {":v": S("text")}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("s = :v\x1c", {":v": S("text")}, REFUSED, ministack=LENIENT),
    Case("s = :v\xa0", {":v": S("text")}, REFUSED, ministack=LENIENT),
    Case("attribute_exists(l[2147483647])", {}, False),
    Case("attribute_exists(l[2147483648])", {}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case(
        "(s = :v OR n = :w) AND t = :x", {":v": S("text"), ":w": N("1"), ":x": {"BOOL": True}}, True
    ),
    Case(
        "s = :v OR n = :w AND t = :x", {":v": S("text"), ":w": N("1"), ":x": {"BOOL": False}}, True
    ),
    Case("NOT (s = :v AND n = :w)", {":v": S("text"), ":w": N("1")}, True),
    Case("NOT s = :v AND n = :w", {":v": S("t"), ":w": N("5")}, True),
    Case("not s = :v and n = :w", {":v": S("t"), ":w": N("5")}, True),
    Case("s == :v", {":v": S("text")}, REFUSED, ministack=LENIENT),
    Case("s != :v", {":v": S("text")}, REFUSED, ministack=LENIENT),
    Case("s", {}, REFUSED, ministack=LENIENT),
    Case("s =", {}, REFUSED, ministack=LENIENT),
    Case("", {}, REFUSED, ministack=LENIENT),
    Case(" ", {}, REFUSED, ministack=LENIENT),
    Case("s = :v AND", {":v": S("text")}, REFUSED, ministack=LENIENT),
    Case("s = :v extra", {":v": S("text")}, REFUSED, ministack=LENIENT),
    Case("m.a.b.c = :v", {":v": N("1")}, False),
    Case("l[0] = :v", {":v": N("1")}, True),
    Case("m.l[1].q = :v", {":v": S("y")}, True),
    Case("s[0] = :v", {":v": N("1")}, False),
    Case("nul = :v", {":v": {"NULL": True}}, True),
    Case("t = :v", {":v": {"BOOL": False}}, False),
    Case("es = :v", {":v": S("")}, True),
    Case("attribute_exists(es)", {}, True),
    Case("foo(s)", {}, REFUSED, ministack=LENIENT),
    Case("attribute_exists(s, n)", {}, REFUSED),
    Case("attribute_exists()", {}, REFUSED, ministack=LENIENT),
    Case("begins_with(s)", {}, REFUSED),
    Case("name = :v", {":v": S("x")}, REFUSED),
    Case("begins_with (s, :v)", {":v": S("te")}, True),
    Case("attribute_exists(n) = :v", {":v": {"BOOL": True}}, REFUSED, ministack=LENIENT),
    Case("contains(s, :v) AND contains(s, :v)", {":v": S("te")}, True),
    Case("s = :v OR", {":v": S("te")}, REFUSED, ministack=LENIENT),
    Case("AND s = :v", {":v": S("te")}, REFUSED, ministack=LENIENT),
    Case("s BETWEEN :v AND :w AND n = :x", {":v": S("a"), ":w": S("z"), ":x": N("5")}, True),
    Case(":v IN (s, n)", {":v": N("5")}, True),
    Case(":v = :w", {":v": N("5"), ":w": N("5")}, True),
    Case("s = :v", {":v": {"SS": []}}, REFUSED, ministack=LENIENT),
    Case("attribute_exists(a-b)", {}, REFUSED),
    Case("attribute_exists(_a)", {}, REFUSED, dynoxide=LENIENT, ministack=LENIENT),
    Case("attribute_exists(a_b)", {}, False),
    Case("s<:v", {":v": S("z")}, True),
    Case("s < > :v", {":v": S("z")}, REFUSED, ministack=LENIENT),
    Case("uni > :v", {":v": S("a\uffff")}, True),
    Case("size(m.e) = :v", {":v": N("0")}, True),
    Case("size(el) = :v", {":v": N("0")}, True),
    Case("begins_with(m.l[0], :v)", {":v": S("x")}, True),
    Case("contains(l, :v)", {":v": L(N("1"))}, False),
    Case("contains(:v, :w)", {":v": S("abc"), ":w": S("b")}, True, ministack=STRICT),
    Case("begins_with(:v, :w)", {":v": S("abc"), ":w": S("a")}, True, ministack=STRICT),
    Case("contains(:v, :w)", {":v": N("1"), ":w": N("1")}, False, ministack=STRICT),
    Case("contains(:v, n)", {":v": N("1")}, False, ministack=STRICT),
    Case("begins_with(:v, s)", {":v": N("1")}, REFUSED, dynoxide=LENIENT),
    Case("size(s) < size(s)", {}, False),
    Case("contains(s, :v)", {":v": {"BOOL": True}}, False),
    Case("contains(s, :v)", {":v": {"NULL": True}}, False),
)
