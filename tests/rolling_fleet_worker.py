"""One process of the rolling fleet: old code or new code, at work until it is told to end.

A line of the log is one operation: key, role, word, when it began and ended by the clock that all
processes of a machine share, and what it answered.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import boto3
import msgspec
from boto3.dynamodb.conditions import Attr
from botocore.exceptions import ClientError
from proof.fleet import OVERTAKEN, STALE
from proof.rolling_fleet import DEAF_CODE, NEW_ROLES, OLD_CODE, OLD_ROLES, plan_of
from proof.tables import BESIDE

from dualtable import DualTableRepository
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import PRODUCTION
from dualtable.errors import ConcurrentUpdateError, StalePhaseError, UnavailableError

_PAUSE_SECONDS = 0.02
_BEFORE_IT_IS_LOST = 3


class Ended:
    """Whether somebody has asked for the end."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "asked", True))


@attrs.define
class Log:
    """What was asked and told."""

    lines: list[bytes] = attrs.field(factory=list)

    def note(self, key: str, role: str, word: str, first: float, answer: Any) -> None:
        line = [key, role, word, first, time.monotonic(), answer]
        self.lines.append(msgspec.json.encode(line))


class Deaf:
    """A gateway that gets no answer from the control table every other while, once it `is_open`."""

    def __init__(self, gateway: Any, control_table: str, seconds: float) -> None:
        self._gateway = gateway
        self._control_table = control_table
        self._seconds = seconds
        self.is_open = False

    def __getattr__(self, operation: str) -> Any:
        method = getattr(self._gateway, operation)

        async def call(table: Any, *args: Any, **kwargs: Any) -> Any:
            is_away = self.is_open and time.monotonic() // self._seconds % 2
            if table == self._control_table and is_away:
                await asyncio.sleep(0)
                raise UnavailableError("the control table is away")
            return await method(table, *args, **kwargs)

        return call


async def new_code(
    name: str, server: str, seed: str, keys: str, settle: str, *, deaf: bool
) -> None:
    plan, log, ended = plan_of(name, float(settle)), Log(), Ended()
    chance = random.Random(seed)
    async with connect({"endpoint_url": server}, PRODUCTION) as gateway:
        port: Any = Deaf(gateway, plan.control_table, float(settle))
        async with DualTableRepository(plan, gateway=port) as repository:
            port.is_open = deaf
            print("works", flush=True)
            for step in itertools.count():
                if ended.asked:
                    break
                role, key = chance.choice(NEW_ROLES), {"id": f"k-{chance.randrange(int(keys))}"}
                word, first = f"{seed}.{step}", time.monotonic()
                answer = await _told(role.act(repository, key, word))
                log.note(key["id"], role.name, word, first, answer)
                await asyncio.sleep(chance.random() * _PAUSE_SECONDS)
    Path(f"{seed}.log").write_bytes(b"\n".join(log.lines))


async def _told(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except ConcurrentUpdateError:
        return OVERTAKEN
    except StalePhaseError:
        return STALE


# -- old code --------------------------------------------------------------------------------------


def old_code(name: str, server: str, seed: str, keys: str, _settle: str) -> None:
    """Work on the old table as on any: it is all that this code knows."""
    table = boto3.resource("dynamodb", endpoint_url=server).Table(f"{name}-old")
    log, ended, chance = Log(), Ended(), random.Random(seed)
    doing = dict(zip((role.name for role in OLD_ROLES), _operations(table), strict=True))
    print("works", flush=True)
    for step in itertools.count():
        if ended.asked:
            break
        role, key = chance.choice(list(doing)), f"k-{chance.randrange(int(keys))}"
        word, first = f"{seed}.{step}", time.monotonic()
        log.note(key, role, word, first, doing[role](key, word))
        time.sleep(chance.random() * _PAUSE_SECONDS)
    Path(f"{seed}.log").write_bytes(b"\n".join(log.lines))


def _operations(table: Any) -> list[Callable[[str, str], Any]]:
    """Return what old code does, in the order of its roles."""

    def put(key: str, word: str) -> str:
        table.put_item(Item={"id": key, "words": word})
        return "done"

    def found(key: str, word: str) -> str:
        try:
            item = {"id": key, "words": word}
            table.put_item(Item=item, ConditionExpression=Attr("id").not_exists())
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return "condition failed"
        return "done"

    def set_one(name: str) -> Callable[[str, str], str]:
        def update(key: str, word: str) -> str:
            table.update_item(
                Key={"id": key},
                UpdateExpression="SET #n = :v",
                ExpressionAttributeNames={"#n": name},
                ExpressionAttributeValues={":v": word},
            )
            return "done"

        return update

    def delete(key: str, word: str) -> str:
        table.delete_item(Key={"id": key})
        return "done"

    def read(key: str, word: str) -> Any:
        item = table.get_item(Key={"id": key}, ConsistentRead=True).get("Item")
        if item is None:
            return None
        beside = {**item.get("meta", {}), **item}
        marks = [mark + beside[name] for name, mark in BESIDE.items() if name in beside]
        return [*item.get("words", "").split(), *marks]

    return [put, found, set_one("extra"), set_one("words"), delete, read]


if __name__ == "__main__":
    part, *arguments = sys.argv[1:]
    if part == OLD_CODE:
        old_code(*arguments)
    else:
        asyncio.run(new_code(*arguments, deaf=part == DEAF_CODE))
