"""The script of the production report: a page at a time, an item at a time."""

import boto3
from boto3.dynamodb.conditions import Attr
from botocore.exceptions import ClientError

from benchmarks.workload import to_new


def migrate(url: str, old: str, new: str) -> None:
    dynamodb = boto3.resource("dynamodb", endpoint_url=url)
    source, target = dynamodb.Table(old), dynamodb.Table(new)
    start = {}
    while True:
        page = source.scan(**start)
        for item in page["Items"]:
            try:
                target.put_item(Item=to_new(item), ConditionExpression=Attr("id").not_exists())
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
