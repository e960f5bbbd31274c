"""What goes past the repository is found in source, by file and line, and nothing else is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import dualtable
from dualtable.__main__ import main
from dualtable._operations.code_check import check_code

# Each line with `# here` is a use; whatever else is here is none.
PLANTED = """
import boto3
from boto3.dynamodb.conditions import Key

NAME = "orders"
OTHER = "customers"


class Settings:
    table = "orders"


dynamodb = boto3.resource("dynamodb")
client = boto3.client("dynamodb")
table = dynamodb.Table("orders")  # here
table = dynamodb.Table(name="orders")  # here
table = dynamodb.Table(NAME)  # here
table = boto3.resource("dynamodb").Table(Settings.table)  # here
customers = dynamodb.Table("customers")
customers = dynamodb.Table(OTHER)

client.get_item(TableName="orders", Key={"id": {"S": "o-1"}})  # here
client.put_item(TableName=NAME, Item={})  # here
client.update_item(Key={}, TableName="orders")  # here
client.delete_item(**{"TableName": "orders", "Key": {}})  # here
client.query(TableName=Settings.table)  # here
client.scan(TableName="orders")  # here
client.get_paginator("scan").paginate(TableName="orders")  # here
client.batch_get_item(RequestItems={"orders": {"Keys": []}})  # here
client.batch_write_item(RequestItems={NAME: []})  # here
client.transact_write_items(TransactItems=[{"Put": {"TableName": "orders", "Item": {}}}])  # here
client.transact_get_items(TransactItems=[{"Get": {"TableName": NAME, "Key": {}}}])  # here
client.execute_statement(Statement='SELECT * FROM "orders"')  # here
client.get_item(TableName="customers", Key={"id": {"S": "orders"}})
client.batch_get_item(RequestItems={"customers": {"Keys": [{"id": "orders"}]}})

given.query(KeyConditions={})  # here
given.scan(AttributesToGet=["id"])  # here
given.put_item(Item={}, Expected={})  # here
given.update_item(Key={}, ReturnConsumedCapacity="TOTAL")  # here
given.update_item(Key={}, ReturnConsumedCapacity="NONE")
customers.update_item(Key={}, ReturnConsumedCapacity="TOTAL")
customers.query(KeyConditionExpression=Key("id").eq("orders"))
print("orders", dict(TableName="orders"))
"""

MIGRATION = """
from dualtable import Migration, Move
migration = Migration("orders-v2", "orders", "orders-v2", Move("nme", "name"))
"""

# The same, by names that lead to the table in more than one step, through a module of settings too.
CONFIG = """
ORDERS = "orders"


class Settings:
    table: str = "orders"


settings = Settings()
"""
HARDER = """import os
import boto3
from boto3 import resource as make_resource
from config import ORDERS, Settings, settings
import config
import config as conf

PREFIX = "or"
CONFIG = {"tables": {"orders": "orders"}, "table": "orders"}
NAMES = ["customers", "orders"]
PARAMS = {"TableName": "orders", "Key": {}}
dynamodb = make_resource("dynamodb")
Table = dynamodb.Table
t = Table("orders")  # here
t = dynamodb.Table(ORDERS)  # here
t = dynamodb.Table(config.ORDERS)  # here
t = dynamodb.Table(conf.ORDERS)  # here
t = dynamodb.Table(Settings.table)  # here
t = dynamodb.Table(settings.table)  # here
t = dynamodb.Table(f"{PREFIX}ders")  # here
t = dynamodb.Table(f"orders")  # here
t = dynamodb.Table(PREFIX + "ders")  # here
t = dynamodb.Table(os.environ.get("TABLE", "orders"))  # here
t = dynamodb.Table(os.getenv("TABLE", default="orders"))  # here
t = dynamodb.Table(os.environ.get("TABLE") or "orders")  # here
t = dynamodb.Table(CONFIG["table"])  # here
t = dynamodb.Table(NAMES[1])  # here
t = dynamodb.Table("arn:aws:dynamodb:eu-west-1:123456789012:table/orders")  # here
t = dynamodb.Table("orders" if os.environ else "x")  # here
t = boto3.session.Session().resource("dynamodb").Table(name=str(ORDERS))  # here

def load(client, table_name="orders", *, other="orders"):
    client.get_item(TableName=table_name, Key={})  # here
    client.get_item(**PARAMS)  # here
    client.batch_get_item(**{"RequestItems": {ORDERS: {}}})  # here
    items = [{"Put": {"TableName": other, "Item": {}}}]  # here
    client.transact_write_items(TransactItems=items)

for each in ("customers", "orders"):
    dynamodb.Table(each)  # here

class Model:
    class Meta:
        table_name = "orders"  # here

async def f(session):
    async with session.resource("dynamodb") as d:
        t = await d.Table("orders")  # here
    client.execute_statement(Statement="select * from orders where id = ?")  # here
    client.execute_statement(Statement="UPDATE 'orders' SET a = 1")  # here
    put = client.put_item
    put(TableName="orders", Item={})  # here
    client.get_paginator("query").paginate(TableName=(name := "orders"))  # here
    client.execute_statement(Statement="SELECT * FROM customers WHERE kind = 'orders'")
    dynamodb.Table("orders-archive")
    dynamodb.Table(os.environ["TABLE"])
    dynamodb.Table(CONFIG["tables"]["orders"])  # here
    print(f"{PREFIX}ders", NAMES)
    Migration("x", "orders", "orders-v2", t)
    Table("customers")
"""

# As it is found in production: helpers, settings, parameters put together step by step. A line with
# `# unknown` reaches a table that only the environment or a caller can name.
REAL = """import asyncio
import os
from functools import partial

import boto3 as aws
from aws_cdk import aws_dynamodb as cdk
from boto3 import client as c
from boto3 import resource as r
from decouple import config
from django.conf import settings
from pydantic import Field
from rich.table import Table

from dualtable import drop_in
from names import of_orders

ORDERS = os.environ.get("ORDERS_TABLE", "orders")
STAGE = os.environ.get("STAGE", "")
FORMATTED = "{}{}".format("or", "ders")


class Conf:
    orders_table: str = Field("orders", env="ORDERS_TABLE")


class Orders:
    def __init__(self, dynamodb=None, table_name=ORDERS):
        self.client = c("dynamodb")
        self.table_name = table_name
        self.table = (dynamodb or aws.resource("dynamodb")).Table(self.table_name)  # here

    @property
    def called(self):
        return ORDERS

    def get(self, key):
        self.client.get_item(TableName=self.called, Key=key)  # here
        return self.client.get_item(TableName=self.table_name, Key=key)  # here

    def many(self, keys):
        request = {self.table_name: {"Keys": keys}}  # here
        found = self.client.batch_get_item(RequestItems=request)
        request = {}
        request[ORDERS] = {"Keys": keys}  # here
        return self.client.batch_get_item(RequestItems=request)

    def query(self, start=None):
        params = {"TableName": ORDERS, "KeyConditionExpression": "id = :id"}
        if start:
            params["ExclusiveStartKey"] = start
        return self.client.query(**params)  # here

    def query_otherwise(self):
        named = {}
        named["TableName"] = ORDERS
        self.client.query(**named)  # here
        given = dict(TableName=ORDERS, Limit=1)
        self.client.query(**given)  # here
        base = {"TableName": ORDERS}
        self.client.query(**{**base, "Limit": 1})  # here
        later = {}
        later.update(TableName=ORDERS)
        self.client.query(**later)  # here

    def all(self):
        paginator = self.client.get_paginator("scan")
        for page in paginator.paginate(TableName=ORDERS):  # here
            yield from page["Items"]

    def _put(self, item):
        return {"Put": {"TableName": ORDERS, "Item": item}}  # here

    def move(self, item):
        actions = []
        actions.append({"Put": {"TableName": ORDERS, "Item": item}})  # here
        self.client.transact_write_items(TransactItems=actions)
        put = {"Put": {"TableName": ORDERS, "Item": item}}  # here
        self.client.transact_write_items(TransactItems=[put])
        self.client.transact_write_items(TransactItems=[self._put(item)])
        self.session.add({"Delete": {"TableName": self.table_name, "Key": {}}})  # here
        put = {"Put": {"TableName": "customers", "Item": {"orders": item, "n": {"orders": 1}}}}
        self.client.transact_write_items(TransactItems=[put])
        puts = [{"PutRequest": {"Item": {"orders": item}}}]
        self.client.batch_write_item(RequestItems={"customers": puts})

    def write(self, items):
        with aws.resource("dynamodb").Table("orders").batch_writer() as batch:  # here
            batch.put_item(Item={})

    async def threaded(self):
        await asyncio.to_thread(self.client.get_item, TableName=ORDERS, Key={})  # here
        get = partial(self.client.get_item, TableName=ORDERS)  # here
        await asyncio.to_thread(lambda: self.client.scan(TableName=ORDERS))  # here


def made(ddb, conf, client, table, name):
    ddb.Table(getattr(settings, "ORDERS_TABLE", "orders"))  # here
    ddb.Table(config("ORDERS_TABLE", default="orders"))  # here
    ddb.Table(FORMATTED)  # here
    ddb.Table("%sders" % "or")  # here
    ddb.Table(conf.orders_table)  # here
    ddb.Table(f"orders{STAGE}")  # here
    ddb.Table(of_orders())  # here
    r("dynamodb").Table(os.environ["ORDERS_TABLE"])  # unknown
    client.get_item(TableName=name)  # unknown
    client.get_item(TableName=table.name)
    client.get_item(TableName="customers")
    drop_in.Table(migration)
    Table("orders")
    Table(title="orders")
    Table(name)
    cdk.Table(None, "orders", partition_key=None)


class Customer:
    class Meta:
        table_name = "customers"


class Order:
    class Meta:
        table_name: str = "orders"  # here


class OrderOfDjango:
    class Meta:
        db_table = "orders"


def itself(table_name, given):
    table_name = table_name or given + table_name
    given = given or table_name
    given = {**given, **itself(table_name, given)}
    return itself(given, table_name)


made(itself, itself, itself, itself(1, 2), ORDERS)
"""
NAMES = """
def of_orders():
    return "orders"
"""


def planted(folder: Path) -> set[int]:
    (folder / "app.py").write_text(PLANTED)
    lines = enumerate(PLANTED.splitlines(), 1)
    return {number for number, line in lines if line.endswith("# here")}


def test_each_planted_use_is_found(tmp_path: Path) -> None:
    """Twenty of them, each by its line, and no other line."""
    lines = planted(tmp_path)
    assert len(lines) == 20
    found = check_code([str(tmp_path)], ["orders"]).uses
    assert {use.line for use in found} == lines
    assert len(found) == len(lines)


def test_a_name_is_followed_as_far_as_it_is_written_down(tmp_path: Path) -> None:
    """Aliases, settings, defaults, texts put together, parameters in a dict; and no other line."""
    (tmp_path / "config.py").write_text(CONFIG)
    (tmp_path / "app.py").write_text(HARDER)
    lines = enumerate(HARDER.splitlines(), 1)
    wanted = {number for number, line in lines if line.endswith("# here")}
    found = check_code([str(tmp_path)], ["orders"]).uses
    assert {use.line for use in found} == wanted
    assert len(wanted) == 29


def test_code_as_it_is_found_in_production(tmp_path: Path) -> None:
    """Each use by its line, and no other; and the lines at which somebody has to look himself."""
    (tmp_path / "names.py").write_text(NAMES)
    (tmp_path / "shop.py").write_text(REAL)
    lines = list(enumerate(REAL.splitlines(), 1))
    report = check_code([str(tmp_path)], ["orders"])
    for found, mark, number in ((report.uses, "here", 27), (report.unknown, "unknown", 2)):
        wanted = {number for number, line in lines if line.endswith(f"# {mark}")}
        assert {use.line for use in found} == wanted
        assert len(wanted) == number


def test_the_old_table_of_a_migration_is_known(tmp_path: Path) -> None:
    """Nobody has to say what the source says."""
    lines = planted(tmp_path)
    (tmp_path / "orders_migration.py").write_text(MIGRATION)
    report = check_code([str(tmp_path)])
    assert report.old_tables == ["orders"]
    assert {use.line for use in report.uses} == lines


def test_the_library_goes_past_nothing() -> None:
    """No false alarm in some twenty thousand lines that are about tables."""
    package = Path(dualtable.__file__).parent
    parts = [str(path) for path in package.iterdir() if path.name not in ("_demo", "__pycache__")]
    assert check_code([p for p in parts if not p.endswith("py.typed")], ["orders"]).uses == []


def test_the_command_says_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 where there is a use, 0 where there is none, 2 where nothing was looked at."""
    (tmp_path / "app.py").write_text('table = dynamodb.Table("orders")\n')
    assert main(["check-code", str(tmp_path), "--table", "orders"]) == 1
    assert f"{tmp_path / 'app.py'}:1: " in capsys.readouterr().out
    assert main(["check-code", str(tmp_path), "--table", "others"]) == 0
    assert main(["check-code", str(tmp_path)]) == 2
    assert main(["check-code", str(tmp_path / "nowhere"), "--table", "orders"]) == 2


def found_in(folder: Path, line: str) -> str:
    """Return what is said of one line, behind some that it needs."""
    before = (
        "TABLE = os.environ['TABLE']",
        "ops = {'put': c.put_item}",
        "put = {}",
        "put['Put'] = {}",
    )
    (folder / "app.py").write_text("\n".join([*before, line]))
    report = check_code([str(folder)], ["prod-orders"])
    kinds = [kind for kind in ("uses", "unknown") for use in getattr(report, kind) if use.line == 5]
    return ", ".join(sorted(set(kinds))) or "nothing"


@pytest.mark.parametrize(
    "line",
    [
        'client.get_item(TableName="{stage}-orders".format(stage="prod"))',
        'client.get_item(TableName="{1}-{0}".format("orders", "prod"))',
        'client.get_item(TableName="PROD-ORDERS".lower())',
        'client.get_item(TableName="prod-orders\\n".strip())',
        'client.get_item(TableName="prod_orders".replace("_", "-"))',
        'client.batch_write_item(RequestItems={t: [] for t in ["prod-orders"]})',
        'client.batch_write_item(RequestItems=dict([("prod-orders", [])]))',
        'client.batch_write_item(RequestItems=dict((t, []) for t in ("prod-orders",)))',
        'client.transact_write_items(TransactItems=[dict(Put=dict(TableName="prod-orders"))])',
        'put["Put"]["TableName"] = "prod-orders"; c.transact_write_items(TransactItems=[put])',
        'ops["put"](TableName="prod-orders")',
        'get = partial(client.get_item); get(TableName="prod-orders")',
        "client.execute_statement(Statement=f'SELECT * FROM \"prod-orders\" WHERE id = {x}')",
        'Order.Meta.table_name = "prod-orders"',
        'given.query(TableName="other", Expected={}); given.query(Expected={})',
    ],
)
def test_a_text_is_followed_however_it_is_made(tmp_path: Path, line: str) -> None:
    """What the eye takes for the table must not pass because of how it is written."""
    assert found_in(tmp_path, line) == "uses"


@pytest.mark.parametrize(
    "line",
    [
        "client.batch_write_item(RequestItems={TABLE: []})",
        "client.batch_get_item(RequestItems=given)",
        'client.batch_get_item(RequestItems={**given, "other": {}})',
        "client.batch_get_item(**given)",
        "client.get_item(**given)",
        "client.transact_write_items(TransactItems=given)",
        "client.transact_write_items(TransactItems=[given])",
        'client.transact_write_items(TransactItems=[{"Put": given}])',
        "client.execute_statement(Statement=f'SELECT * FROM \"{TABLE}\"')",
        "client.execute_statement(Statement='SELECT * FROM ' + TABLE + ' WHERE id = 1')",
        "client.execute_statement(Statement=given)",
        "client.batch_execute_statement(Statements=[{'Statement': f'DELETE FROM {TABLE}'}])",
        "client.execute_transaction(TransactStatements=given)",
        'client.get_item(TableName="{stage}-orders".format(stage=TABLE))',
        'client.get_item(TableName="{stage}-orders".format(**given))',
        'client.get_item(TableName="%(stage)s-orders" % given)',
        "client.get_item(TableName=TABLE.lower())",
        "class Meta: table_name = TABLE",
    ],
)
def test_a_table_that_is_not_written_down_is_named(tmp_path: Path, line: str) -> None:
    """Else somebody takes silence for proof."""
    assert found_in(tmp_path, line) == "unknown"


@pytest.mark.parametrize(
    "line",
    [
        'client.query(TableName="other", ReturnConsumedCapacity="TOTAL")',
        'ddb.Table("other").query(Expected={})',
        'client.scan(TableName="other", ScanFilter={})',
        'client.batch_get_item(RequestItems={"other": {}}, ReturnConsumedCapacity="TOTAL")',
        'c.transact_get_items(TransactItems=[{"Get": {"TableName": "other"}}], Expected=1)',
        'client.get_item(TableName="prod-orders".upper())',
        'client.batch_get_item(RequestItems=response["UnprocessedKeys"])',
        'client.batch_write_item(RequestItems=response.get("UnprocessedItems", {}))',
        "client.execute_statement(Statement=f'SELECT * FROM \"other\" WHERE id = {x}')",
        "given.get_item(**given)",
    ],
)
def test_what_is_about_another_table_is_not_named(tmp_path: Path, line: str) -> None:
    """A line too many hides the ones that matter."""
    assert found_in(tmp_path, line) == "nothing"


@pytest.mark.parametrize(
    ("made", "line", "why"),
    [
        (lambda path: path.write_text("x = 1\nprint 'orders'\n"), 2, "no Python source"),
        (lambda path: path.write_bytes(b"x = \0"), 1, "no Python source"),
        (lambda path: path.write_text(" + ".join("y" * 20_000)), 1, "nested too deeply"),
        (lambda path: path.symlink_to("nowhere"), 1, "No such file"),
        (os.mkfifo, 1, "no file"),
    ],
)
def test_what_cannot_be_read_is_said(
    tmp_path: Path, made: Callable[[Path], object], line: int, why: str
) -> None:
    """A file that is passed over in silence would look like one without a use; others are read."""
    made(tmp_path / "app.py")
    (tmp_path / "shop.py").write_text('table = dynamodb.Table("orders")\n')
    report = check_code([str(tmp_path)], ["orders"])
    unread, found = report.uses
    assert (Path(unread.path).name, unread.line) == ("app.py", line)
    assert unread.what.startswith("could not be read: ")
    assert why in unread.what
    assert (report.files, Path(found.path).name) == (1, "shop.py")
    assert main(["check-code", str(tmp_path), "--table", "others"]) == 1


@pytest.mark.parametrize("asked", ["pathlib.Path.read_bytes", "os.scandir"])
def test_what_may_not_be_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """Also of a folder, whose files nobody can list."""
    (tmp_path / "app.py").write_text("x = 1\n")

    def refused(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(asked, refused)
    (unread,) = check_code([str(tmp_path)], ["orders"]).uses
    assert unread.what == "could not be read: Permission denied"


@pytest.mark.parametrize(
    "before",
    [
        "y = 1\nx = " + " + ".join(["y"] * 900) + "\ndynamodb.Table(x)\n",
        "if x: pass\n" + "".join(f"elif x == {n}: pass\n" for n in range(600)),
        "a0 = 'x'\n" + "".join(f"a{n + 1} = a{n} + 'x'\n" for n in range(999)) + "r.Table(a999)\n",
        "items = [*items, *items]\nclient.transact_write_items(TransactItems=items)\n",
    ],
)
def test_generated_code_is_read(tmp_path: Path, before: str) -> None:
    """However deep it is nested, as far as Python itself takes it."""
    (tmp_path / "d.py").mkdir()
    (tmp_path / "d.py" / "app.py").write_text(f'{before}t = dynamodb.Table("orders")\n')
    (found,) = check_code([str(tmp_path)], ["orders"]).uses
    assert found.line == before.count("\n") + 1
