"""A migration's file that is written from what the old table looks like."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import orders
import pytest

from dualtable import Migration
from dualtable._planning.draft import Draft, draft_migration
from dualtable._wire import codec
from dualtable.errors import DualTableError, InvalidSettingError, TableNotFoundError
from dualtable.testing import MemoryGateway

SECRET = "a-customer-s-secret"
NASTY = [
    'quote"""',
    "line\nbreak",
    "\u202e bidi",
    "dots.and[1]",
    "back\\slash",
    "# hash",
    "{braces}",
    "é",
    "'''",
]


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is written to the working directory by default."""
    monkeypatch.chdir(tmp_path)


def order(n: int) -> dict[str, Any]:
    return {
        "id": f"o-{n}",
        "customer": {"name": SECRET, "region": "eu", "address": {"zip": {"deep": {"er": 1}}}},
        "total": "12.50",
        "legacy": True,
        "tags": {"a", "b"},
        **{name: {name: SECRET} for name in NASTY},
    }


async def drafted(*items: dict[str, Any], **settings: Any) -> tuple[Draft, str]:
    gateway = MemoryGateway()
    await gateway.create_table(orders.table("orders"))
    await orders.fill(gateway, "orders", list(items))
    draft = await draft_migration("orders", gateway=gateway, **settings)
    return draft, Path(draft.path).read_text(encoding="utf-8")


def imported(text: str) -> Migration:
    Path("drafted.py").write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("drafted", "drafted.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.migration
    assert isinstance(found, Migration)
    return found


async def test_the_file_can_be_imported_and_changes_nothing() -> None:
    """Whatever the attributes are called; an operator begins from what runs."""
    draft, text = await drafted(*(order(n) for n in range(3)))
    assert (draft.path, draft.reference, draft.items) == (
        "orders_migration.py",
        "orders_migration:migration",
        3,
    )
    migration = imported(text)
    assert (migration.old, migration.new, migration.name) == ("orders", "orders-v2", "orders-v2")
    item = codec.decode(codec.encode(order(1)))
    assert migration.transform.forward(item) == item
    assert "'customer.region': 3, text" in text
    assert "'id': 3, text, key" in text


async def test_each_step_that_it_proposes_can_be_taken() -> None:
    """Who takes the mark of a comment away gets a migration that works on the table's items."""
    _, text = await drafted(order(1))
    proposed = re.findall(r"^        # (?=[A-Z]\w+\()", text, re.MULTILINE)
    assert len(proposed) >= 5
    for number in range(len(proposed)):
        count = iter(range(len(proposed)))
        taken = re.sub(
            r"^        # (?=[A-Z]\w+\()",
            lambda mark, count=count, n=number: "        " if next(count) == n else mark.group(),
            text,
            flags=re.MULTILINE,
        )
        assert imported(taken).transform.forward(codec.decode(codec.encode(order(1))))
    assert "Convert('total', Decimal, back=str)" in text
    assert "Move('customer.address', 'address')" in text


async def test_no_value_of_an_item_is_in_it() -> None:
    """It is committed, mailed and pasted."""
    _, text = await drafted(order(1))
    assert SECRET not in text
    assert "12.50" not in text


async def test_an_empty_table_has_a_file_too() -> None:
    """What is not known is said."""
    draft, text = await drafted()
    assert draft.items == 0
    assert "no item was looked at" in text
    assert imported(text).old == "orders"


@pytest.mark.parametrize("path", ["taken.py", "link.py", "folder.py"])
async def test_nothing_is_overwritten(path: str) -> None:
    """A file, a link that leads nowhere, a folder: what is there stays."""
    Path("taken.py").write_text("mine", encoding="utf-8")
    Path("link.py").symlink_to("nowhere.py")
    Path("folder.py").mkdir()
    with pytest.raises(InvalidSettingError, match="--file"):
        await drafted(path=path)
    assert Path("taken.py").read_text(encoding="utf-8") == "mine"
    assert not Path("nowhere.py").exists()


@pytest.mark.parametrize("path", ["two words.py", "class.py", "orders.txt", "1.py", "orders-v2.py"])
async def test_a_file_that_cannot_be_imported_is_refused(path: str) -> None:
    """Before anything is sent: the next command would fail with it."""
    with pytest.raises(InvalidSettingError, match="cannot be imported"):
        await draft_migration("orders", path=path, gateway=MemoryGateway())


async def test_a_folder_that_is_not_there() -> None:
    """The reason is the operating system's."""
    with pytest.raises(InvalidSettingError, match="No such file"):
        await drafted(path="nowhere/orders_migration.py")


async def test_a_table_that_is_not_there() -> None:
    """No file is left behind."""
    with pytest.raises(TableNotFoundError):
        await draft_migration("orders", gateway=MemoryGateway())
    assert not list(Path().iterdir())


async def test_names_are_checked_before_anything_is_sent() -> None:
    """What no table can be called, the migration would refuse anyway."""
    with pytest.raises(DualTableError, match="no table name"):
        await draft_migration("orders", "x", gateway=MemoryGateway())


async def test_tombstones_and_tokens_of_an_earlier_migration_are_no_attributes() -> None:
    """The old table may be the new one of an earlier migration."""
    gateway = MemoryGateway()
    await gateway.create_table(orders.table("orders"))
    await gateway.put("orders", {"id": {"S": "dead"}, "_dualtable_deleted": {"BOOL": True}})
    await gateway.put("orders", {"id": {"S": "alive"}, "_dualtable_token": {"S": "t"}})
    draft = await draft_migration("orders", gateway=gateway)
    assert draft.items == 1
    assert "_dualtable" not in Path(draft.path).read_text(encoding="utf-8")
