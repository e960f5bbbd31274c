"""An order service as it was written for one table: every item call that there is.

python order_service.py          on the migrated table, through the drop-in
python order_service.py plain    on a table of that name with an index `by-region`, as before

It writes, so never give it the old table of a migration. Only the line that makes the table
differs. AWS_ENDPOINT_URL_DYNAMODB says which server to use.
"""

import asyncio
import sys
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import aioboto3
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError
from orders_migration import migration

from dualtable import drop_in

LEDGER = "ledger"  # a table of its own, that nobody migrates


async def place(table: Any, number: int) -> bool:
    """Add an order once."""
    order = {
        "id": f"s-{number}",
        "customer": {"name": f"Customer {number}"},
        "region": "eu",
        "total": Decimal(number) + Decimal("0.5"),
        "status": "open",
        "tags": {"new"},
        "lines": [{"sku": f"s-{number}", "count": 1}],
    }
    try:
        await table.put_item(Item=order, ConditionExpression=Attr("id").not_exists())
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True


async def ship(table: Any, number: int) -> dict[str, Any]:
    """Change an order, and return what it is then."""
    answer = await table.update_item(
        Key={"id": f"s-{number}"},
        UpdateExpression="SET #s = :shipped, visits = if_not_exists(visits, :none) + :one",
        ConditionExpression=Attr("id").exists(),
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues={":shipped": "shipped", ":none": 0, ":one": 1},
        ReturnValues="ALL_NEW",
    )
    return answer["Attributes"]


async def cancel(table: Any, number: int) -> dict[str, Any] | None:
    """Delete an order that is still open; return it."""
    try:
        answer = await table.delete_item(
            Key={"id": f"s-{number}"},
            ConditionExpression="#s = :open",
            ExpressionAttributeNames={"#s": "status"},
            ExpressionAttributeValues={":open": "open"},
            ReturnValues="ALL_OLD",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except table.meta.client.exceptions.ConditionalCheckFailedException as error:
        print(f"s-{number} is {error.response['Item']['status']['S']}, so it stays")
        return None
    return answer["Attributes"]


async def pay(table: Any, number: int, paid: Decimal) -> None:
    """Note a payment with the order and in the ledger, both or neither."""
    key = {"id": f"s-{number}"}
    await table.meta.client.transact_write_items(
        TransactItems=[
            {
                "Update": {
                    "TableName": table.name,
                    "Key": key,
                    "UpdateExpression": "ADD paid :paid",
                    "ConditionExpression": "attribute_exists(id)",
                    "ExpressionAttributeValues": {":paid": paid},
                }
            },
            {"Put": {"TableName": LEDGER, "Item": {**key, "paid": paid}}},
        ]
    )


async def pages(table: Any, **where: Any) -> list[dict[str, Any]]:
    """Read all orders of this service, page by page."""
    found, start = [], {}
    while True:
        page = await table.scan(
            Limit=50, FilterExpression=Attr("id").begins_with("s-"), **where, **start
        )
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            return sorted(found, key=lambda order: order["id"])
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


async def work(table: Any) -> None:
    client = table.meta.client
    placed = [await place(table, number) for number in (1, 2, 3, 3)]
    print("placed", placed)
    shipped = await ship(table, 1)
    print("shipped", shipped["id"], shipped["status"], shipped["visits"])
    gone = await cancel(table, 2)
    print("cancelled", gone and gone["id"])
    await cancel(table, 1)

    async with table.batch_writer() as batch:
        for number in range(4, 8):
            order = {"id": f"s-{number}", "region": "us", "total": number, "status": "open"}
            await batch.put_item(Item=order)
        await batch.delete_item(Key={"id": "s-3"})

    got = await client.batch_get_item(
        RequestItems={table.name: {"Keys": [{"id": f"s-{number}"} for number in (1, 3, 5)]}}
    )
    print("read", sorted(order["id"] for order in got["Responses"][table.name]))

    await pay(table, 1, Decimal("1.5"))
    book = await client.get_item(TableName=LEDGER, Key={"id": "s-1"})
    print("in the ledger", book["Item"]["paid"])

    try:
        await client.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": table.name, "Item": {"id": "s-8", "status": "open"}}},
                {
                    "ConditionCheck": {
                        "TableName": table.name,
                        "Key": {"id": "s-3"},
                        "ConditionExpression": "attribute_exists(id)",
                    }
                },
            ]
        )
    except ClientError as error:
        print("refused", [each["Code"] for each in error.response["CancellationReasons"]])
    read = await client.transact_get_items(
        TransactItems=[
            {"Get": {"TableName": table.name, "Key": {"id": name}}} for name in ("s-1", "s-8")
        ]
    )
    print("at one moment", [answer.get("Item", {}).get("id") for answer in read["Responses"]])

    one = await table.query(KeyConditionExpression=Key("id").eq("s-1"), Select="COUNT")
    print("found", one["Count"], "and", [order["id"] for order in await pages(table)])
    print("with a region", [order["id"] for order in await pages(table, IndexName="by-region")])
    name = await table.get_item(
        Key={"id": "s-1"},
        ProjectionExpression="customer.#n",
        ExpressionAttributeNames={"#n": "name"},
    )
    print("for", name["Item"])


async def make_ledger() -> None:
    async with aioboto3.Session().client("dynamodb") as client:
        if LEDGER not in (await client.list_tables())["TableNames"]:
            await client.create_table(
                TableName=LEDGER,
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )


async def main() -> None:
    await make_ledger()
    async with AsyncExitStack() as stack:
        if len(sys.argv) > 1:
            dynamodb = await stack.enter_async_context(aioboto3.Session().resource("dynamodb"))
            table = await dynamodb.Table(sys.argv[1])
        else:
            table = await stack.enter_async_context(drop_in.Table(migration))
        await work(table)


if __name__ == "__main__":
    asyncio.run(main())
