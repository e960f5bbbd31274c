"""What a user's code raises is told by its place, which is always in the user's own code."""

from __future__ import annotations

import asyncio
import datetime
import functools
import importlib
import inspect
import json
import operator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen

from dualtable import Chain, Convert, Drop, KeySchema, ModelTransform
from dualtable._transforms.applying import backward_wire, forward_wire
from dualtable._transforms.guarded import guarded, told
from dualtable._transforms.lineage import Lineage
from dualtable._transforms.transform import as_transform
from dualtable._wire import codec
from dualtable._wire.layouts import Layout
from dualtable._wire.marks import Marks
from dualtable.errors import TransformError

SECRET = "tell nobody"


def reads_json(value: Any) -> Any:
    return json.loads(str(value))  # raises inside json, which is Python code


def reads_date(value: Any) -> Any:
    return datetime.datetime.strptime(str(value), "%d").astimezone()  # in _strptime.py


def reads_number(value: Any) -> Any:
    return Decimal(value)  # raises in C


def reads_deeper(value: Any) -> Any:
    return [reads_json(each) for each in [value]]


def here(function: Any, line: int = 1) -> str:
    """Return the place of a line of a function in this file."""
    return f"test_guarded.py:{inspect.getsourcelines(function)[1] + line}"


@pytest.mark.parametrize(
    ("function", "where"),
    [
        (reads_json, here(reads_json)),
        (reads_date, here(reads_date)),
        (reads_number, here(reads_number)),
        (reads_deeper, here(reads_json)),
        (functools.partial(map, reads_json), here(reads_json)),
        (functools.lru_cache(reads_json), here(reads_json)),
    ],
)
def test_the_place_is_in_the_users_code(function: Any, where: str) -> None:
    """Whatever the user's code has called, Python's own lines say nothing to its author."""

    def forward(item: dict[str, Any]) -> dict[str, Any]:
        found = function(item["a"])
        return {"a": found if isinstance(found, str) else list(found)}

    if isinstance(function, functools.partial):  # a map of text: one call for each character
        item = {"a": SECRET}
    else:
        item = {"a": SECRET}
        with pytest.raises(TransformError, match=rf"raised \w+ at {where}$") as caught:
            forward_wire(Convert("a", function), codec.encode(item))
        assert SECRET not in str(caught.value)
    with pytest.raises(TransformError, match=rf"raised \w+ at {where}$"):
        forward_wire(as_transform(forward), codec.encode(item))


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (int, "int"),
        (Decimal, "Decimal"),
        (json.loads, "loads"),
        (operator.itemgetter(3.5), "itemgetter"),
        (functools.partial(int, base=2), "partial"),
        (datetime.date.fromisoformat, "date.fromisoformat"),
    ],
)
def test_a_function_of_python_is_told_by_its_name(function: Any, name: str) -> None:
    """There is no line of the user's, and a line of the library would mislead."""
    step = Convert("a", function, back=function)
    for call in (forward_wire, backward_wire):
        with pytest.raises(TransformError) as caught:
            call(step, codec.encode({"a": SECRET}))  # type: ignore[operator]
        assert str(caught.value).endswith(f" in {name}")
        assert str(caught.value).startswith("Convert('a') raised ")
        assert " at " not in str(caught.value)
        assert SECRET not in str(caught.value)
    with pytest.raises(TransformError, match=rf"raised \w+ in {name}$"):
        step.old_key({"a": SECRET})


class Ways:
    """Every method of it fails, inside Python's own code."""

    def forward(self, item: Any) -> Any:
        return json.loads(SECRET)

    def backward(self, item: Any) -> Any:
        return json.loads(SECRET)

    def old_key(self, new_key: Any) -> Any:
        return json.loads(SECRET)


class OnWire(Ways):
    """It has a quick way of its own."""

    def forward(self, item: Any) -> Any:
        return item

    def forward_wire(self, item: Any) -> Any:
        return json.loads(SECRET)


def lineage(transform: Any) -> Lineage:
    old = Layout("old", KeySchema("id"), {})
    return Lineage(
        as_transform(transform), Marks("_d", "_t"), old, Layout("new", KeySchema("a"), {})
    )


def test_each_way_of_a_transform_says_where() -> None:
    """Not only forward: old_key, of a key and of a partition, backward, and quick ways."""
    item = codec.encode({"id": "o-1", "a": "x"})
    found = lineage(Ways())
    for call, method in (
        (lambda: found.new_items(item), Ways.forward),
        (lambda: found.old_item(item), Ways.backward),
        (lambda: found.old_key(codec.encode({"a": "x"})), Ways.old_key),
        (lambda: found.old_partition(codec.encode({"a": "x"})), Ways.old_key),
        (lambda: lineage(OnWire()).new_items(item), OnWire.forward_wire),
    ):
        with pytest.raises(TransformError) as caught:
            call()
        assert f"JSONDecodeError at {here(method)}" in str(caught.value)
        assert SECRET not in str(caught.value)


def test_a_partition_says_what_a_step_says() -> None:
    """The reason is told, not just that there is one."""
    with pytest.raises(TransformError, match=r"Convert\('a'\) raised ValueError in int"):
        lineage(Chain(Convert("a", str, back=int))).old_partition(codec.encode({"a": "x"}))


@frozen
class Old:
    id: str


@frozen
class New:
    id: str
    day: datetime.date = field(default=datetime.date(2026, 1, 31))

    def __attrs_post_init__(self) -> None:
        json.loads(self.id)


def test_a_class_of_the_user_says_where() -> None:
    """Generated methods stand between the caller and what the user wrote."""
    transform = ModelTransform(Old, New, lambda old: New(old.id))
    with pytest.raises(TransformError, match=here(New.__attrs_post_init__)):
        forward_wire(transform, codec.encode({"id": SECRET}))


def test_drop_says_where() -> None:
    """Its back is the user's code, too."""
    with pytest.raises(TransformError, match=here(reads_json)):
        backward_wire(Drop("b", back=reads_json), codec.encode({"id": SECRET}))


def test_an_installed_transform_is_the_users_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever installs the package of the transform still wants its line, not its library's."""
    installed = tmp_path / "site-packages"
    for package, text in {
        "shop_library": "def parse(text):\n    raise ValueError(text)\n",
        "shop_transform": (
            "from shop_library import parse\n\n\ndef upgrade(item):\n    return parse(item)\n"
        ),
    }.items():
        (installed / package).mkdir(parents=True)
        (installed / package / "__init__.py").write_text(text)
    monkeypatch.syspath_prepend(str(installed))
    library, shop = map(importlib.import_module, ("shop_library", "shop_transform"))
    with pytest.raises(TransformError, match=r"upgrade raised ValueError at __init__.py:5$"):
        forward_wire(as_transform(shop.upgrade), {})
    with pytest.raises(TransformError, match=rf"at {here(calls)}$"):
        guarded(lambda: calls(library.parse), "it")


def calls(function: Any) -> Any:
    return function(SECRET)


def test_what_was_never_raised_has_no_place() -> None:
    """Then the class alone is told."""
    assert told(ValueError(SECRET)) == "ValueError"


class Unreadable(dict[str, Any]):
    """What a user's code returns may have code of its own, which fails when it is looked at."""

    def items(self) -> Any:
        return json.loads(SECRET)

    def __getitem__(self, name: str) -> Any:
        return json.loads(SECRET)


class Returns:
    """Every method of it returns what cannot be read."""

    def __init__(self, what: Any) -> None:
        self.what = what

    def forward(self, item: Any) -> Any:
        return self.what

    backward = old_key = new_key = forward


@pytest.mark.parametrize("way", ["new_items", "old_item", "old_key", "old_partition"])
def test_what_is_returned_is_the_users_code_too(way: str) -> None:
    """It is told by name and place as what was raised is."""
    given = codec.encode({"a": "x"} if way.startswith("old_") and way != "old_item" else ITEM)
    with pytest.raises(TransformError) as caught:
        getattr(lineage(Returns(Unreadable(a="x"))), way)(given)
    method = Unreadable.__getitem__ if way == "old_partition" else Unreadable.items
    assert f"JSONDecodeError at {here(method)}" in str(caught.value)
    assert SECRET not in str(caught.value)


ITEM = {"id": "o-1", "a": "x"}


class Raises:
    """Every method of it raises."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def forward(self, item: Any) -> Any:
        raise self.error(SECRET)

    backward = old_key = new_key = forward


WAYS = {
    "new_items": ITEM,
    "old_item": ITEM,
    "old_key": {"a": "x"},
    "old_partition": {"a": "x"},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", [asyncio.CancelledError, GeneratorExit])
def test_a_cancellation_of_the_users_own_is_a_failure(error: type[BaseException], way: str) -> None:
    """Nobody else has asked for it: it must not end the task that works on the item."""
    with pytest.raises(TransformError, match=rf"{error.__name__} at {here(Raises.forward)}"):
        getattr(lineage(Raises(error)), way)(codec.encode(WAYS[way]))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_passes(error: type[BaseException], way: str) -> None:
    """It is no matter of the item."""
    with pytest.raises(error):
        getattr(lineage(Raises(error)), way)(codec.encode(WAYS[way]))
