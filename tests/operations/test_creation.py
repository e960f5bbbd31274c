"""`create` says what the new table cannot have, and never takes "unknown" for "none"."""

from __future__ import annotations

from typing import Any

import orders
import pytest

from dualtable import CreationReport, Phase, create_table, read_status
from dualtable._control.control_table import Control
from dualtable._control.state import State
from dualtable._dynamodb.gateway import Extras, TimeToLive
from dualtable._telling.creations import creation_text
from dualtable.testing import MemoryGateway

PLAN = orders.migration("shop")
TAGS = (
    {"Key": "team", "Value": "shop"},
    {"Key": "aws:cloudformation:stack-name", "Value": "shop"},
    {"Key": "AWS:createdBy", "Value": "me"},
    {"Key": "awsome", "Value": "yes"},
)
UNKNOWN = Extras()
EXPIRING = Extras(TimeToLive("expires"), ())
OFF = Extras(TimeToLive(), ())


class Account(MemoryGateway):
    """An account whose role may see so much of the old table."""

    extras = UNKNOWN

    async def describe_extras(self, table: str) -> Extras:
        await super().describe_extras(table)
        return self.extras


@pytest.fixture
async def account() -> Account:
    account = Account()
    await account.create_table(orders.table(PLAN.old))
    return account


async def created(account: Account, extras: Extras) -> CreationReport:
    account.extras = extras
    return await create_table(PLAN, gateway=account)


def said(report: CreationReport) -> str:
    return "\n".join(creation_text(report, PLAN, "plan:migration"))


async def test_tags_of_aws_are_left_out_and_said(account: Account) -> None:
    """DynamoDB refuses the whole request where one of its tags is AWS's own."""
    report = await created(account, Extras(TimeToLive(), TAGS))
    tags = (await account.describe_table(PLAN.new))["Tags"]
    assert [tag["Key"] for tag in tags] == ["team", "awsome"]
    assert report.tags_left_out == ("AWS:createdBy", "aws:cloudformation:stack-name")
    assert report.ok
    assert "does not have AWS:createdBy, aws:cloudformation:stack-name" in said(report)


async def test_only_tags_of_aws_are_no_tags(account: Account) -> None:
    """An empty list of tags is refused by some servers."""
    await created(account, Extras(TimeToLive(), TAGS[1:2]))
    assert "Tags" not in await account.describe_table(PLAN.new)


async def test_unknown_is_not_off(account: Account) -> None:
    """A cut-over that took it for off would leave items for ever that should expire."""
    report = await created(account, UNKNOWN)
    assert (report.ttl_attribute, report.ttl_known, report.tags_known) == (None, False, False)
    assert "Whether TTL is on in shop-old is unknown" in said(report)
    assert "dynamodb:DescribeTimeToLive" in said(report)
    assert "The tags of shop-old are unknown" in said(report)
    status = await read_status(PLAN, gateway=account)
    assert (status.ttl_attribute, status.ttl_known) == (None, False)


@pytest.mark.parametrize("extras", [EXPIRING, OFF])
async def test_what_is_known_is_noted(account: Account, extras: Extras) -> None:
    """On and off are both known, in the report, the record and the status."""
    assert extras.ttl is not None
    report = await created(account, extras)
    assert (report.ttl_attribute, report.ttl_known) == (extras.ttl.attribute, True)
    assert "unknown" not in said(report)
    status = await read_status(PLAN, gateway=account)
    assert (status.ttl_attribute, status.ttl_known) == (extras.ttl.attribute, True)


async def test_a_second_create_adds_what_the_first_could_not_know(account: Account) -> None:
    """The permission comes later; what was known is not unlearned, nor taken for off."""
    await created(account, UNKNOWN)
    for extras in (EXPIRING, UNKNOWN, OFF):
        await created(account, extras)
        status = await read_status(PLAN, gateway=account)
        assert (status.ttl_attribute, status.ttl_known) == ("expires", True)


async def test_without_create_nothing_is_known(account: Account) -> None:
    """Whoever made the new table otherwise has told nobody of TTL."""
    status = await read_status(PLAN, gateway=account)
    assert (status.ttl_attribute, status.ttl_known) == (None, False)


@pytest.mark.parametrize(
    ("fields", "known"),
    [
        ({"ttl_attribute": "expires"}, True),
        ({}, False),
        ({"ttl_known": True}, True),
    ],
)
def test_records_of_an_earlier_version(fields: dict[str, Any], known: bool) -> None:
    """They hold an attribute, or nothing, which may be either."""
    assert State.of(fields, Phase.MIGRATING).ttl_known is known


async def test_the_move_to_another_phase_keeps_it(account: Account) -> None:
    """The cut-over comes after other steps, and goes by the record."""
    await created(account, EXPIRING)
    control = Control(account, PLAN.control_table, PLAN.name)
    await control.advance(Phase.MIGRATED, 0.0)
    state = await control.state()
    assert (state.ttl_attribute, state.ttl_known) == ("expires", True)
