"""Conditions and updates, each as text with its values, and all calls that take one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from drop_in_cases.words import (
    ITEM,
    TABLE,
    Case,
    K,
    case,
    nested,
    on_failure,
)

# Names that the expressions below may use.
ALL_NAMES = {"#d": "day", "#s": "state", "#n": "name", "#dot": "a.b", "#1a": "amount"}


SOUND_CONDITIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "equal": ("amount = :v", {":v": 3}),
    "unequal": ("amount <> :v", {":v": 3}),
    "less": ("amount < :v", {":v": 4}),
    "at most": ("amount <= :v", {":v": 3}),
    "more": ("amount > :v", {":v": 3}),
    "at least": ("amount >= :v", {":v": 3}),
    "between": ("amount BETWEEN :v AND :w", {":v": 1, ":w": 3}),
    "in": ("amount IN (:v, :w)", {":v": 1, ":w": 3}),
    "in one": ("amount IN (:v)", {":v": 3}),
    "in 100": (
        "amount IN (" + ", ".join(f":v{n}" for n in range(100)) + ")",
        {f":v{n}": n for n in range(100)},
    ),
    "in mixed": ("amount IN (:v, :w)", {":v": "1", ":w": 3}),
    "contains str": ("contains(address.city, :v)", {":v": "l"}),
    "contains set": ("contains(tags, :v)", {":v": "a"}),
    "contains list": ("contains(parts, :v)", {":v": "p"}),
    "contains num in set": ("contains(tags, :v)", {":v": 5}),
    "contains on num": ("contains(amount, :v)", {":v": 3}),
    "contains bytes": ("contains(payload, :v)", {":v": b"\x01"}),
    "contains set operand": ("contains(tags, :v)", {":v": {"a"}}),
    "contains two paths": ("contains(parts, amount)", {}),
    "begins": ("begins_with(address.city, :v)", {":v": "U"}),
    "begins bytes": ("begins_with(payload, :v)", {":v": b"\x01"}),
    "begins empty": ("begins_with(address.city, :v)", {":v": ""}),
    "type S": ("attribute_type(address.city, :v)", {":v": "S"}),
    "type M": ("attribute_type(address, :v)", {":v": "M"}),
    "type SS": ("attribute_type(tags, :v)", {":v": "SS"}),
    "size": ("size(tags) = :v", {":v": 2}),
    "size list": ("size(parts) > :v", {":v": 1}),
    "size str": ("size(address.city) = :v", {":v": 3}),
    "size map": ("size(address) = :v", {":v": 2}),
    "size num": ("size(amount) > :v", {":v": 0}),
    "size bytes": ("size(payload) = :v", {":v": 1}),
    "size no path": ("size(:v) = :v", {":v": "a"}),
    "size missing": ("size(nothing) = :v", {":v": 0}),
    "size cmp size": ("size(tags) = size(parts)", {}),
    "not": ("NOT amount = :v", {":v": 9}),
    "not paren": ("NOT (amount = :v OR amount = :w)", {":v": 9, ":w": 8}),
    "not not": ("NOT NOT amount = :v", {":v": 3}),
    "and or": ("amount = :v AND parts[0] = :v OR amount = :w", {":v": 3, ":w": 9}),
    "or and": ("amount = :w OR amount = :v AND amount = :v", {":v": 3, ":w": 9}),
    "paren": ("(amount = :v)", {":v": 3}),
    "lower and": ("amount = :v and amount = :v", {":v": 3}),
    "lower between": ("amount between :v and :v", {":v": 3}),
    "exists nested": ("attribute_exists(address.city)", {}),
    "not exists position": ("attribute_not_exists(parts[5])", {}),
    "exists position": ("attribute_exists(parts[1])", {}),
    "path=path2": ("amount = parts", {}),
    "value=value": (":v = :v", {":v": 3}),
    "value=value2": (":v = :w", {":v": 3, ":w": 3}),
    "types lt": ("amount < :v", {":v": "3"}),
    "missing ne": ("nothing <> :v", {":v": 3}),
    "missing lt": ("nothing < :v", {":v": 3}),
    "missing eq missing": ("nothing = nothing2", {}),
    "eq map": ("address = :v", {":v": {"city": "Ulm", "zip": "1"}}),
    "eq list": ("parts = :v", {":v": ["p", "q"]}),
    "eq set": ("tags = :v", {":v": {"b", "a"}}),
    "eq null": ("amount = :v", {":v": None}),
    "eq empty": ("amount = :v", {":v": ""}),
    "num spelled": ("amount = :v", {":v": Decimal("3.00")}),
    "150 comparisons": (" OR ".join(["amount = :v"] * 150), {":v": 3}),
    "our token": ("attribute_not_exists(nothing)", {}),
    "binary lt": ("payload < :v", {":v": b"\x02"}),
    "str lt": ("address.city < :v", {":v": "V"}),
    "hash start": ("#1a = :v", {":v": 3}),
    "key": ("customer = :v", {":v": "c-7"}),
    "white space": ("  amount\n=\t:v \r ", {":v": 3}),
    "paren left": ("(amount) = :v", {":v": 3}),
    "paren both": ("((amount) = (:v)) AND (size(tags)) > (:w)", {":v": 3, ":w": 1}),
    "paren in": ("(amount) IN ((:v), :w)", {":v": 3, ":w": 1}),
    "paren between": ("(amount) BETWEEN (:w) AND (:v)", {":v": 3, ":w": 1}),
    "paren argument": ("attribute_exists((amount)) AND size((tags)) = :v", {":v": 2}),
    "last position": ("attribute_exists(parts[2147483647])", {}),
}
"""These hold for an item or do not."""

REFUSED_CONDITIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "between rev": ("amount BETWEEN :v AND :w", {":v": 3, ":w": 1}),
    "between types": ("amount BETWEEN :v AND :w", {":v": 3, ":w": "1"}),
    "in 101": (
        "amount IN (" + ", ".join(f":v{n}" for n in range(101)) + ")",
        {f":v{n}": n for n in range(101)},
    ),
    "contains same": ("contains(parts, parts)", {}),
    "begins num": ("begins_with(amount, :v)", {":v": 3}),
    "begins num op": ("begins_with(address.city, :v)", {":v": 5}),
    "begins same": ("begins_with(amount, amount)", {}),
    "type bad": ("attribute_type(tags, :v)", {":v": "X"}),
    "type num": ("attribute_type(tags, :v)", {":v": 5}),
    "type path": ("attribute_type(tags, amount)", {}),
    "size alone": ("size(tags)", {}),
    "double paren": ("((amount = :v))", {":v": 3}),
    "fn upper": ("ATTRIBUTE_EXISTS(amount)", {}),
    "fn unknown": ("foo(amount)", {}),
    "exists no arg": ("attribute_exists()", {}),
    "exists two": ("attribute_exists(amount, parts)", {}),
    "exists value": ("attribute_exists(:v)", {":v": 3}),
    "path = path": ("amount = amount", {}),
    "lt list": ("parts < :v", {":v": ["p", "q"]}),
    "lt map": ("address < :v", {":v": {}}),
    "lt bool": ("amount < :v", {":v": True}),
    "lt null": ("amount < :v", {":v": None}),
    "trailing and": ("amount = :v AND", {":v": 3}),
    "garbage": ("amount = :v garbage", {":v": 3}),
    "semicolon": ("amount = :v;", {":v": 3}),
    "unclosed": ("(amount = :v", {":v": 3}),
    "over 4096 bytes": ("amount = :v" + " " * 4090, {":v": 3}),
    "151 comparisons": (" OR ".join(["amount = :v"] * 151), {":v": 3}),
    "literal number": ("amount = 3", {}),
    "literal string": ("address.city = 'Ulm'", {}),
    "reserved nested": ("address.name = :v", {":v": 1}),
    "name in quotes": ('"amount" = :v', {":v": 3}),
    "double paren left": ("((amount)) = :v", {":v": 3}),
    "paren alone": ("(amount)", {}),
    "paren compared": ("(amount = :v) = :v", {":v": 3}),
    "paren path": ("(address).city = :v", {":v": 3}),
    "form feed": ("amount\f= :v", {":v": 3}),
    "vertical tab": ("amount = :v\v", {":v": 3}),
    "hard space": ("amount = :v\xa0", {":v": 3}),
    "far position": ("attribute_exists(parts[2147483648])", {}),
    "in key": ("attribute_not_exists(customer.x)", {}),
    "in sort key": ("#d[0] = :v OR amount = :v", {":v": 3}),
    "in index key": ("size(#s.x) = :v", {":v": 3}),
    "in local index key": (":v = #n[1]", {":v": 3}),
}
"""These are refused, whatever the item is."""

SOUND_UPDATES: dict[str, tuple[str, dict[str, Any]]] = {
    "set path": ("SET nick = amount", {}),
    "set nested path": ("SET nick = address.city", {}),
    "set position": ("SET parts[0] = :v", {":v": "z"}),
    "set position end": ("SET parts[9] = :v", {":v": "z"}),
    "set position two": ("SET parts[5] = :v, parts[3] = :w", {":v": "z", ":w": "y"}),
    "set new nested": ("SET address.street = :v", {":v": "x"}),
    "set map": ("SET address = :v", {":v": {"a": [1]}}),
    "swap": ("SET amount = parts, parts = amount", {}),
    "remove position": ("REMOVE parts[0]", {}),
    "remove position two": ("REMOVE parts[0], parts[1]", {}),
    "remove nested": ("REMOVE address.city", {}),
    "remove missing": ("REMOVE nothing", {}),
    "remove position beyond": ("REMOVE parts[7]", {}),
    "add num": ("ADD amount :v", {":v": Decimal("1.5")}),
    "add neg": ("ADD amount :v", {":v": -5}),
    "add nested": ("ADD address.n :v", {":v": 1}),
    "add new set": ("ADD fresh :v", {":v": {"q"}}),
    "add two": ("ADD amount :v, visits :v", {":v": 1}),
    "add bytes set": ("ADD bs :v", {":v": {b"a"}}),
    "delete all": ("DELETE tags :v", {":v": {"b", "a"}}),
    "delete missing": ("DELETE nothing :v", {":v": {"a"}}),
    "delete other": ("DELETE tags :v", {":v": {"zz"}}),
    "list_append behind": ("SET parts = list_append(parts, :v)", {":v": ["r"]}),
    "list_append before": ("SET parts = list_append(:v, parts)", {":v": ["o"]}),
    "list_append self": ("SET parts = list_append(parts, parts)", {}),
    "if_not_exists alone": ("SET amount = if_not_exists(amount, :v)", {":v": 9}),
    "if_not_exists other": ("SET nick = if_not_exists(nothing, amount)", {}),
    "if_not_exists nested": (
        "SET nick = if_not_exists(nothing, if_not_exists(nothing2, :v))",
        {":v": 9},
    ),
    "if_not_exists arith": ("SET amount = if_not_exists(amount, :z) - :v", {":v": 1, ":z": 0}),
    "if_not_exists on map": ("SET address.n = if_not_exists(address.n, :v)", {":v": 1}),
    "sum values": ("SET nick = :v + :v", {":v": 1}),
    "sum paths": ("SET nick = amount + amount", {}),
    "null": ("SET nick = :v", {":v": None}),
    "bool": ("SET nick = :v", {":v": True}),
    "empty str": ("SET nick = :v", {":v": ""}),
    "empty list": ("SET nick = :v", {":v": []}),
    "bytes": ("SET payload = :v", {":v": b""}),
    "all four": ("SET nick = :v REMOVE parts ADD amount :v DELETE tags :s", {":v": 1, ":s": {"a"}}),
    "lower": ("set nick = :v remove parts", {":v": 1}),
    "mixed case": ("Set nick = :v Add amount :v", {":v": 1}),
    "paren": ("SET nick = (:v)", {":v": 1}),
    "paren sum": ("SET nick = (amount + :v)", {":v": 1}),
    "different nested": ("SET address.city = :v REMOVE address.zip", {":v": "B"}),
    "index key": ("SET #s = :v", {":v": "open"}),
    "index key num": ("SET #s = :v", {":v": 5}),
    "remove index key": ("REMOVE #s", {}),
    "lsi key": ("SET #n = :v", {":v": "lsi"}),
    "set in set": ("SET nick = :v", {":v": {"a"}}),
    "add to position new": ("ADD parts[7] :v", {":v": 1}),
    "delete nested": ("DELETE address.t :v", {":v": {"x"}}),
    "append in map": (
        "SET address.l = list_append(if_not_exists(address.l, :e), :v)",
        {":e": [], ":v": [1]},
    ),
    "set path position src": ("SET nick = parts[1]", {}),
    "minus path": ("SET nick = :v - amount", {":v": 10}),
    "same value twice": ("SET nick = :v, nack = :v", {":v": 1}),
}
"""These change an item, at least where it is there."""

REFUSED_UPDATES: dict[str, tuple[str, dict[str, Any]]] = {
    "set missing path": ("SET nick = nothing", {}),
    "set missing parent": ("SET nothing.x = :v", {":v": 1}),
    "set position of map": ("SET address[0] = :v", {":v": 1}),
    "set key of list": ("SET parts.x = :v", {":v": 1}),
    "set twice": ("SET amount = :v, amount = :v", {":v": 1}),
    "two sets": ("SET amount = :v SET nick = :v", {":v": 1}),
    "remove missing nested": ("REMOVE nothing.x", {}),
    "remove nested of scalar": ("REMOVE amount.x", {}),
    "add to str": ("ADD parts :v", {":v": 1}),
    "add str": ("ADD nick :v", {":v": "x"}),
    "add list": ("ADD parts :v", {":v": ["x"]}),
    "add set nums to ss": ("ADD tags :v", {":v": {1}}),
    "add path": ("ADD amount amount", {}),
    "add equals": ("ADD amount = :v", {":v": 1}),
    "delete num": ("DELETE tags :v", {":v": 1}),
    "delete from list": ("DELETE parts :v", {":v": {"p"}}),
    "delete wrong set": ("DELETE tags :v", {":v": {1}}),
    "delete list": ("DELETE tags :v", {":v": ["a"]}),
    "list_append scalar": ("SET parts = list_append(parts, :v)", {":v": "r"}),
    "list_append missing": ("SET nick = list_append(nothing, :v)", {":v": ["r"]}),
    "list_append 1 arg": ("SET parts = list_append(parts)", {}),
    "if_not_exists value": ("SET amount = if_not_exists(:v, :v)", {":v": 1}),
    "sum str": ("SET amount = amount + :v", {":v": "1"}),
    "sum of three": ("SET amount = amount + :v + :v", {":v": 1}),
    "sum missing": ("SET nick = nothing + :v", {":v": 1}),
    "sum list": ("SET nick = parts + :v", {":v": 1}),
    "overflow": ("SET nick = :v + :v", {":v": Decimal("9E+125")}),
    "39 digits sum": (
        "SET nick = :v + :w",
        {":v": Decimal(99999999999999999999999999999999999999), ":w": Decimal("0.1")},
    ),
    "mul": ("SET amount = amount * :v", {":v": 2}),
    "comma between": ("SET nick = :v, REMOVE parts", {":v": 1}),
    "trailing comma": ("SET nick = :v,", {":v": 1}),
    "no clause": ("nick = :v", {":v": 1}),
    "empty set clause": ("SET", {}),
    "only spaces": ("   ", {}),
    "unknown fn": ("SET nick = foo(amount)", {}),
    "size fn": ("SET nick = size(parts)", {}),
    "exists fn": ("SET nick = attribute_exists(parts)", {}),
    "overlap rm": ("SET address.city = :v REMOVE address", {":v": 1}),
    "overlap position": ("SET parts[0] = :v REMOVE parts[0]", {":v": 1}),
    "key set": ("SET customer = :v", {":v": "x"}),
    "key rm": ("REMOVE customer", {}),
    "key add": ("ADD #d :v", {":v": 1}),
    "reserved": ("SET name = :v", {":v": "x"}),
    "index key empty": ("SET #s = :v", {":v": ""}),
    "value unused": ("SET nick = :v", {":v": 1, ":w": 2}),
    "value missing": ("SET nick = :w", {":v": 1}),
    "no values": ("SET nick = :w", {}),
    "float": ("SET nick = :v", {":v": 1.5}),
    "empty set": ("SET nick = :v", {":v": set()}),
    "too big": ("SET nick = :v", {":v": "x" * 410_000}),
    "deep": ("SET nick = :v", {":v": nested(33)}),
    "dot name": ("SET #dot = :v", {":v": 1}),
    "over 4096 bytes": ("SET nick = :v" + " " * 4090, {":v": 1}),
    "dot path as nested": ("SET a.b = :v", {":v": 1}),
    "add position": ("ADD parts[0] :v", {":v": 1}),
    "if_not_exists upper": ("SET nick = IF_NOT_EXISTS(nick, :v)", {":v": 1}),
    "set src beyond": ("SET nick = parts[8]", {}),
    "form feed": ("SET\fnick = :v", {":v": 1}),
    "vertical tab": ("SET nick = :v\v", {":v": 1}),
    "far position": ("SET parts[99999999999] = :v", {":v": 1}),
    "far source": ("SET nick = parts[2147483648]", {}),
    "in index key": ("SET #s.x = :v", {":v": 1}),
    "remove in index key": ("REMOVE #n[0]", {}),
    "default in key": ("SET nick = if_not_exists(customer.x, :v)", {":v": 1}),
    "default in index key": ("SET nick = if_not_exists(#s.x, :v)", {":v": 1}),
}
"""These are refused, or do not fit the item."""

MISFITS = (
    "39 digits sum",
    "add position",
    "add set nums to ss",
    "add to str",
    "delete from list",
    "delete wrong set",
    "dot path as nested",
    "list_append missing",
    "overflow",
    "set key of list",
    "set missing parent",
    "set missing path",
    "set position of map",
    "set src beyond",
    "sum list",
    "sum missing",
    "too big",
)
"""Of these the item decides, so that a transaction is cancelled for one of its actions."""


def given(text: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the names and values that an expression uses."""
    names = {token: name for token, name in ALL_NAMES.items() if token in text}
    return {
        **({"ExpressionAttributeNames": names} if names else {}),
        **({"ExpressionAttributeValues": values} if values else {}),
    }


def conditional(name: str, text: str, values: dict[str, Any]) -> list[Case]:
    condition = {"ConditionExpression": text, **given(text, values)}
    change = {"UpdateExpression": "SET nick = amount", "ReturnValues": "ALL_NEW"}
    return [
        case(f"condition, {name}", "put_item", Item=ITEM, **condition),
        case(
            f"condition, {name}",
            "delete_item",
            Key=K,
            ReturnValues="ALL_OLD",
            **on_failure(**condition),
        ),
        case(f"condition, {name}", "update_item", Key=K, **change, **on_failure(**condition)),
        case(f"filter, {name}", "scan", FilterExpression=text, **given(text, values)),
    ]


def changing(name: str, text: str, values: dict[str, Any]) -> list[Case]:
    change = {"UpdateExpression": text, **given(text, values)}
    action = {"Update": {"TableName": TABLE, "Key": K, **change}}
    return [
        *[
            case(f"{name}, {wanted}", "update_item", Key=K, ReturnValues=wanted, **change)
            for wanted in ("ALL_NEW", "ALL_OLD", "UPDATED_NEW", "UPDATED_OLD")
        ],
        case(f"update, {name}", "client.transact_write_items", TransactItems=[action]),
    ]


EXPRESSIONS = [
    *[
        each
        for name, (text, values) in {**SOUND_CONDITIONS, **REFUSED_CONDITIONS}.items()
        for each in conditional(name, text, values)
    ],
    *[
        each
        for name, (text, values) in {**SOUND_UPDATES, **REFUSED_UPDATES}.items()
        for each in changing(name, text, values)
    ],
]
