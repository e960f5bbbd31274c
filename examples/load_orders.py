"""Make the old table with a few orders, to have something to try the other programs on.

It refuses to touch a table that exists. AWS_ENDPOINT_URL_DYNAMODB says which server to use.
"""

import sys

import boto3

ORDERS = 500
REGIONS = ("ap", "eu", "us")


def main() -> None:
    dynamodb = boto3.resource("dynamodb")
    try:
        table = dynamodb.create_table(
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    except dynamodb.meta.client.exceptions.ResourceInUseException:
        sys.exit(
            "There is a table 'orders' already. Begin with an empty server: stop the one of the"
            " tutorial with Ctrl-C, which forgets everything, and start it again."
        )
    table.wait_until_exists()
    with table.batch_writer() as batch:
        for number in range(ORDERS):
            batch.put_item(
                Item={
                    "id": f"o-{number}",
                    "customer": {"name": f"Customer {number}", "region": REGIONS[number % 3]},
                    "total": f"{number}.25",
                    "legacy": True,
                }
            )
    print(f"{ORDERS} orders loaded")


if __name__ == "__main__":
    main()
