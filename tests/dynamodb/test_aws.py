"""What DynamoDB and the network answer becomes one of the library's errors, over real HTTP."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aioboto3
import orders
import pytest
import pytest_asyncio
from aiohttp import web
from answering import Answer, Server, answer, break_off, error, hang_up, hooked, say_nothing
from botocore.config import Config

from dualtable._dynamodb.aws import AwsGateway, open_gateway
from dualtable._dynamodb.client import open_client
from dualtable._dynamodb.gateway import (
    BILLED,
    ConditionFailed,
    Extras,
    Gateway,
    Outcome,
    Reason,
    TimeToLive,
    TransactCheck,
    TransactDelete,
    TransactGet,
    TransactionCancelled,
    TransactPut,
    TransactUpdate,
    Verdict,
)
from dualtable._expressions.texts import Condition, Update
from dualtable._wire import codec
from dualtable.errors import (
    AccessError,
    GatewayError,
    RequestRefusedError,
    TableNotFoundError,
    ThrottledError,
    UnavailableError,
)

KEY = {"id": {"S": "o-1"}}
ABSENT = Condition("attribute_not_exists(#k)", {"#k": "id"})


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["lean", "sdk"])
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Server, Any]]:
    """One server and one client for all, as opening a client is slow; each way to the server."""
    server = Server()
    session = aioboto3.Session() if request.param == "lean" else hooked()
    async with (
        server.running(),
        open_gateway(endpoint_url=server.url, session=session) as gateway,
    ):
        yield server, gateway


@pytest.fixture
def server(opened: tuple[Server, Any]) -> Server:
    server, _ = opened
    server.forget()
    return server


@pytest.fixture
def gateway(opened: tuple[Server, Any]) -> Gateway:
    return AwsGateway(opened[1]._client)  # which has learnt nothing from the test before


HTML = "<html><body><h1>503 Service Unavailable</h1>" + "x" * 2000 + "</body></html>"


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (error("ResourceNotFoundException"), TableNotFoundError, "ResourceNotFoundException"),
        (error("ValidationException"), RequestRefusedError, "ValidationException"),
        (error("SerializationException"), RequestRefusedError, "SerializationException"),
        (error("SomethingNew"), RequestRefusedError, "SomethingNew"),
        (error("SomethingNew", status=500), UnavailableError, "SomethingNew"),
        (error("AccessDeniedException"), AccessError, "AccessDeniedException"),
        (error("ExpiredTokenException"), AccessError, "ExpiredTokenException"),
        (error("UnrecognizedClientException"), AccessError, "UnrecognizedClientException"),
        (error("MissingAuthenticationToken"), AccessError, "MissingAuthenticationToken"),
        (error("InvalidSignatureException"), AccessError, "InvalidSignatureException"),
        (error("ThrottlingException"), ThrottledError, "ThrottlingException"),
        (error("RequestLimitExceeded"), ThrottledError, "RequestLimitExceeded"),
        (error("LimitExceededException"), ThrottledError, "LimitExceededException"),
        (error("InternalServerError", status=500), UnavailableError, "InternalServerError"),
        (error("ServiceUnavailable", status=503), UnavailableError, "ServiceUnavailable"),
        (error("TransactionConflictException"), UnavailableError, "TransactionConflictException"),
        (answer(HTML, 503), UnavailableError, "503"),
        (answer(HTML, 502), UnavailableError, "502"),
        (answer("", 500), UnavailableError, "500"),
        (error("RequestExpired"), AccessError, "RequestExpired"),
        (error("RequestTimeTooSkewed"), AccessError, "RequestTimeTooSkewed"),
        (answer(HTML, 403), AccessError, "403"),
        (answer(HTML, 404), UnavailableError, "404"),
        (answer("", 408), UnavailableError, "408"),
        (answer({"status": "no"}, 400), UnavailableError, "400"),
        (answer(HTML, 429), ThrottledError, "429"),
        (answer(HTML, 200), UnavailableError, "ResponseParserError"),
        (answer("[]", 200), UnavailableError, "ResponseParserError"),
        (hang_up, UnavailableError, "ConnectionClosedError"),
        (break_off, UnavailableError, None),
    ],
)
async def test_every_answer_is_one_of_the_librarys_errors(
    server: Server, gateway: Gateway, reply: Answer, kind: type[GatewayError], code: str | None
) -> None:
    """What may pass is retried, what may not is told apart; botocore's errors do not get out."""
    server.answers("GetItem", reply)
    with pytest.raises(GatewayError) as caught:
        await gateway.get("orders", KEY, consistent_read=True)
    assert type(caught.value) is kind
    assert str(caught.value).startswith("GetItem on orders: ")
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)
    if code is not None:
        assert caught.value.code == code
    assert len(server.requests) == 1  # the SDK does not try again by itself


async def test_a_throttle_says_why(server: Server, gateway: Gateway) -> None:
    """Table, index, partition or account: the reasons tell which capacity to raise."""
    reasons = [
        {"reason": "TableWriteKeyRangeThroughputExceeded", "resource": "arn:aws:…:table/orders"},
        {"reason": "IndexWriteProvisionedThroughputExceeded", "resource": "…/index/by-region"},
    ]
    server.answers(
        "PutItem", error("ProvisionedThroughputExceededException", ThrottlingReasons=reasons)
    )
    with pytest.raises(ThrottledError) as caught:
        await gateway.put("orders", KEY)
    assert caught.value.reasons == (
        "TableWriteKeyRangeThroughputExceeded",
        "IndexWriteProvisionedThroughputExceeded",
    )


async def test_connection_refused() -> None:
    """A server that is not there, or not any more, is a failure that may pass."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with open_gateway(endpoint_url=url) as gateway:
            with pytest.raises(UnavailableError, match=f"GetItem on orders: .*{url}"):
                await gateway.get("orders", KEY, consistent_read=False)


async def test_a_server_that_does_not_answer(server: Server) -> None:
    """A request that hangs ends by the timeout, which a caller's config may set."""
    server.answers("GetItem", say_nothing)
    config = Config(read_timeout=0.1)
    async with open_gateway(endpoint_url=server.url, config=config) as gateway:
        with pytest.raises(UnavailableError) as caught:
            await gateway.get("orders", KEY, consistent_read=True)
    assert caught.value.code == "ReadTimeoutError"


async def test_a_server_that_goes_away_and_comes_back(server: Server, gateway: Gateway) -> None:
    """A kept connection that was closed does not end the client."""
    server.answers("GetItem", answer({"Item": KEY}), hang_up, answer({"Item": KEY}))
    assert await gateway.get("orders", KEY, consistent_read=True) == KEY
    with pytest.raises(UnavailableError):
        await gateway.get("orders", KEY, consistent_read=True)
    assert await gateway.get("orders", KEY, consistent_read=True) == KEY


async def test_no_credentials(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first mistake of all: said plainly, and nothing is sent."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    async with open_gateway(endpoint_url=server.url) as gateway:
        with pytest.raises(AccessError, match="credentials") as caught:
            await gateway.get("orders", KEY, consistent_read=True)
    assert caught.value.code == "NoCredentialsError"
    assert server.requests == []


async def test_no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said when the client is opened, with the name of the setting."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(AccessError, match="AWS_DEFAULT_REGION"):
        async with open_gateway():
            pass


@pytest.mark.parametrize(
    ("operation", "ask"),
    [
        ("BatchExecuteStatement", lambda g: g.insert("t", orders.packed(ITEMS), key_name="id")),
        ("BatchGetItem", lambda g: g.batch_get("t", [KEY], consistent_read=True)),
        ("DescribeTable", lambda g: g.describe_table("t")),
        ("Query", lambda g: g.query("t", Condition("#k = :k"))),
        ("Scan", lambda g: g.scan("t", segment=0, total_segments=1)),
        ("TransactGetItems", lambda g: g.transact_get([TransactGet("t", KEY)])),
    ],
)
@pytest.mark.parametrize("said", [{}, {"status": "ok"}])
async def test_an_answer_of_something_else(
    server: Server, gateway: Gateway, operation: str, ask: Any, said: Any
) -> None:
    """Another service may be where DynamoDB should; its JSON is no page without items."""
    server.answers(operation, answer(said))
    with pytest.raises(UnavailableError) as caught:
        await ask(gateway)
    assert caught.value.code == "ResponseParserError"


@pytest.mark.parametrize(
    ("settings", "kind", "reason"),
    [
        ({"endpoint_url": "localhost:8000"}, RequestRefusedError, "localhost:8000"),
        ({"endpoint_url": "http://"}, RequestRefusedError, "endpoint"),
        ({"endpoint_url": "http://me:pw@host"}, RequestRefusedError, "as in http://host,"),
        ({"endpoint_url": "http://host/?token=x"}, RequestRefusedError, "as in http://host,"),
        ({"config": Config(max_pool_connections=-1)}, RequestRefusedError, "max_pool_connections"),
        ({"region_name": "no region!"}, RequestRefusedError, "no region!"),
        ({"profile_name": "nobody"}, AccessError, "nobody"),
    ],
)
async def test_wrong_settings(settings: Any, kind: type[GatewayError], reason: str) -> None:
    """A slip in a setting is one clear error, not a stack of the SDK's."""
    with pytest.raises(kind, match=reason):
        async with open_gateway(**settings):
            pass


async def test_an_endpoint_of_the_environment_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that is given; a command would print it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://me:geheim@127.0.0.1:9")
    with pytest.raises(RequestRefusedError) as caught:
        async with open_gateway():
            pass
    assert "geheim" not in str(caught.value)


async def test_what_is_no_dynamodb_refuses_no_item(server: Server, gateway: Gateway) -> None:
    """A proxy that wants something else would make dead letters of a batch."""
    server.answers("BatchExecuteStatement", answer(HTML, 407))
    with pytest.raises(UnavailableError):
        await gateway.insert("orders", orders.packed(ITEMS), key_name="id")
    server.answers("BatchExecuteStatement", error("ValidationException"))
    server.answers("PutItem", answer(HTML, 407))
    result = await gateway.insert("orders", orders.packed(ITEMS), key_name="id")
    assert {member.outcome for member in result.outcomes} == {Outcome.RETRY}


async def test_an_endpoint_that_is_no_dynamodb(server: Server, gateway: Gateway) -> None:
    """Another web server answers 404 in its own words."""
    server.answers("DescribeTable", answer("<html>nothing here</html>", 404))
    with pytest.raises(GatewayError, match="DescribeTable on orders"):
        await gateway.describe_table("orders")


async def test_settings_come_as_for_boto3(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoint from the environment, session and region from the caller."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", server.url)
    server.answers("GetItem", answer({}))
    session = aioboto3.Session("me", "secret", region_name="eu-north-1")
    async with open_gateway(session=session) as gateway:
        assert await gateway.get("orders", KEY, consistent_read=False) is None
    async with open_gateway(region_name="ap-south-1") as gateway:
        await gateway.get("orders", KEY, consistent_read=False)
    signed = [request.headers["Authorization"] for request in server.requests]
    assert "Credential=me/" in signed[0]
    assert "/eu-north-1/dynamodb/" in signed[0]
    assert "/ap-south-1/dynamodb/" in signed[1]
    assert "secret" not in "".join(signed)


async def test_a_callers_config_may_not_bring_retries_back(server: Server) -> None:
    """Two layers of retries would multiply; there is one, and it is the library's."""
    server.answers("GetItem", error("InternalServerError", status=500))
    config = Config(retries={"max_attempts": 5}, user_agent_extra="shop/7")
    async with open_gateway(endpoint_url=server.url, config=config) as gateway:
        with pytest.raises(UnavailableError):
            await gateway.get("orders", KEY, consistent_read=True)
    (request,) = server.requests
    assert "shop/7" in request.headers["User-Agent"]


async def test_a_failed_condition_is_an_answer(server: Server, gateway: Gateway) -> None:
    """It brings what was there, or nothing where there was nothing."""
    failed = "ConditionalCheckFailedException"
    server.answers("PutItem", error(failed, Item=KEY), error(failed))
    for there in (KEY, None):
        with pytest.raises(ConditionFailed) as caught:
            await gateway.put("orders", KEY, ABSENT)
        assert caught.value.item == there
    assert server.asked("PutItem")[0]["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"


async def test_items_pass_as_they_are(server: Server, gateway: Gateway) -> None:
    """The wire form goes out and comes in without a detour."""
    item = {**KEY, **codec.encode({"n": Decimal("1E-130"), "s": {b"\x00"}, "t": "né 🫠", "m": {}})}
    server.answers("GetItem", answer({"Item": item}))
    server.answers("PutItem", answer({}))
    await gateway.put("orders", item)
    assert server.asked("PutItem")[0] == {"TableName": "orders", "Item": item}
    assert await gateway.get("orders", KEY, consistent_read=True) == item


async def test_an_empty_page_is_not_the_end(server: Server, gateway: Gateway) -> None:
    """Only a missing LastEvaluatedKey ends a segment."""
    server.answers(
        "Scan",
        answer({"Items": [], "LastEvaluatedKey": KEY, "ConsumedCapacity": {"CapacityUnits": 0.5}}),
        answer({"Items": [KEY]}),
    )
    first = await gateway.scan("orders", segment=0, total_segments=2)
    assert (first.items, first.last_key, first.read_units) == ([], KEY, 0.5)
    last = await gateway.scan("orders", segment=0, total_segments=2, start_key=first.last_key)
    assert (last.items, last.last_key, last.read_units) == ([KEY], None, 0)
    assert server.asked("Scan")[1]["ExclusiveStartKey"] == KEY


async def test_what_a_batch_left_over_is_told(server: Server, gateway: Gateway) -> None:
    """Unprocessed keys and items come back to the caller, who sends them again."""
    other = {"id": {"S": "o-2"}}
    server.answers(
        "BatchGetItem",
        answer({"Responses": {"orders": [KEY]}, "UnprocessedKeys": {"orders": {"Keys": [other]}}}),
    )
    server.answers(
        "BatchWriteItem",
        answer({"UnprocessedItems": {"orders": [{"PutRequest": {"Item": other}}]}}),
    )
    got = await gateway.batch_get("orders", [KEY, other], consistent_read=True)
    assert (got.items, got.unprocessed) == ([KEY], [other])
    assert await gateway.batch_put("orders", [KEY, other]) == [other]


# -- tables by ARN ---------------------------------------------------------------------------------

ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders"


async def test_a_table_by_arn_is_called_so_in_each_request(
    server: Server, gateway: Gateway
) -> None:
    """And its description, which others go by, calls it so too, whatever DynamoDB calls it."""
    table = {"TableName": "orders", "TableArn": ARN, "TableStatus": "ACTIVE"}
    server.answers("DescribeTable", answer({"Table": table}))
    server.answers("BatchGetItem", answer({"Responses": {ARN: [KEY]}, "UnprocessedKeys": {}}))
    for operation in ("Scan", "Query"):
        server.answers(operation, answer({"Items": []}))
    for operation in ("GetItem", "PutItem", "TransactWriteItems"):
        server.answers(operation, answer({}))
    assert (await gateway.describe_table(ARN))["TableName"] == ARN
    found = await gateway.batch_get(ARN, [KEY], consistent_read=True)
    assert found.items == [KEY]
    await gateway.get(ARN, KEY, consistent_read=True)
    await gateway.scan(ARN, segment=0, total_segments=1)
    await gateway.query(ARN, Condition("#i = :i", {"#i": "id"}, {":i": {"S": "o-1"}}))
    await gateway.transact_write([TransactPut(ARN, KEY)])
    await gateway.insert(ARN, orders.packed([KEY]), key_name="id")
    assert server.asked("BatchExecuteStatement") == [], "PartiQL knows no ARNs"
    for request in server.requests:
        assert ARN in json.dumps(request.body)


@pytest.mark.parametrize(
    ("operation", "parameters", "account"),
    [
        ("GetItem", {"TableName": "orders"}, "111111111111"),
        ("GetItem", {"TableName": ARN}, "123456789012"),
        ("PutResourcePolicy", {"ResourceArn": ARN, "Policy": "{}"}, "123456789012"),
        ("ListTagsOfResource", {"ResourceArn": ARN}, "123456789012"),
        ("BatchGetItem", {"RequestItems": {"orders": {}}}, "111111111111"),
        ("BatchGetItem", {"RequestItems": {ARN: {}}}, "123456789012"),
        ("TransactGetItems", {"TransactItems": [{"Get": {"TableName": ARN}}]}, "123456789012"),
        ("TransactWriteItems", {"TransactItems": [{"Put": {"TableName": "v2"}}]}, "111111111111"),
        (
            "TransactWriteItems",
            {
                "TransactItems": [
                    {"Put": {"TableName": "v2"}},
                    {"ConditionCheck": {"TableName": ARN}},
                ]
            },
            "111111111111",
        ),
    ],
)
async def test_an_account_has_its_endpoint(
    operation: str, parameters: dict[str, Any], account: str
) -> None:
    """The SDK sends to the endpoint of the account whose table it is, where it knows."""
    sent: list[str] = []

    def note(request: Any, **_: Any) -> None:
        sent.append(request.url)
        raise TimeoutError

    own = aioboto3.Session("me", "secret", region_name="eu-west-1", aws_account_id="111111111111")
    async with open_client(session=own) as client:
        client.sdk.meta.events.register("before-send.dynamodb", note)
        with pytest.raises(TimeoutError):
            await client.call(operation, None, parameters)
    assert sent == [f"https://{account}.ddb.eu-west-1.amazonaws.com/"]


async def test_what_is_left_of_a_table_by_arn_is_sent_again(
    server: Server, gateway: Gateway
) -> None:
    """Whether an answer calls the table by its ARN or by its name, nothing is dropped."""
    for name in (ARN, "orders"):
        left = {name: {"Keys": [KEY]}}
        server.answers("BatchGetItem", answer({"Responses": {}, "UnprocessedKeys": left}))
        found = await gateway.batch_get(ARN, [KEY], consistent_read=True)
        assert (found.items, found.unprocessed) == ([], [KEY])
        server.answers(
            "BatchWriteItem", answer({"UnprocessedItems": {name: [{"PutRequest": {"Item": KEY}}]}})
        )
        assert await gateway.batch_put(ARN, [KEY]) == [KEY]


# -- batched inserts -----------------------------------------------------------------------------

ITEMS = [{"id": {"S": f"o-{n}"}, "n": {"N": str(n)}} for n in range(4)]


def statement(code: str = "", message: str = "no") -> dict[str, Any]:
    return {"Error": {"Code": code, "Message": message}} if code else {"TableName": "orders"}


async def test_each_statement_has_its_outcome(server: Server, gateway: Gateway) -> None:
    """HTTP 200 is no success: every member of the batch has an error of its own."""
    codes = {
        "": Outcome.WRITTEN,
        "DuplicateItem": Outcome.PRESENT,
        "ValidationError": Outcome.REFUSED,
        "ItemCollectionSizeLimitExceeded": Outcome.REFUSED,
        "SomethingNew": Outcome.REFUSED,
        "ThrottlingError": Outcome.RETRY,
        "ProvisionedThroughputExceeded": Outcome.RETRY,
        "RequestLimitExceeded": Outcome.RETRY,
        "InternalServerError": Outcome.RETRY,
        "TransactionConflict": Outcome.RETRY,
    }
    server.answers(
        "BatchExecuteStatement", answer({"Responses": [statement(code) for code in codes]})
    )
    server.answers("PutItem", error("ValidationException"))
    items = [{"id": {"S": str(n)}} for n in range(len(codes))]
    result = await gateway.insert("orders", orders.packed(items), key_name="id")
    assert [member.outcome for member in result.outcomes] == list(codes.values())
    billed = sum(outcome in BILLED for outcome in codes.values())
    tried = [request["Item"]["id"]["S"] for request in server.asked("PutItem")]
    refused = [n for n, outcome in enumerate(codes.values()) if outcome is Outcome.REFUSED]
    assert tried == [str(n) for n in refused], "what PartiQL refuses, PutItem may take"
    assert result.write_units == billed  # none reported: estimated by size


async def test_a_missing_table_ends_a_batch(server: Server, gateway: Gateway) -> None:
    """No item of such a batch is a dead letter: the table is gone, the run must stop."""
    server.answers("BatchExecuteStatement", answer({"Responses": [statement("ResourceNotFound")]}))
    with pytest.raises(TableNotFoundError, match="orders"):
        await gateway.insert("orders", orders.packed(ITEMS[:1]), key_name="id")


async def test_consumed_capacity_is_taken_where_it_is_reported(
    server: Server, gateway: Gateway
) -> None:
    """Index writes are billed too, and only the server knows them."""
    reported = {"Responses": [statement()], "ConsumedCapacity": [{"CapacityUnits": 7.0}]}
    server.answers("BatchExecuteStatement", answer(reported))
    assert (
        await gateway.insert("orders", orders.packed(ITEMS[:1]), key_name="id")
    ).write_units == 7


@pytest.mark.parametrize("refusal", ["of the request", "of a statement"])
async def test_without_the_permission_items_go_one_by_one(
    server: Server, gateway: Gateway, caplog: pytest.LogCaptureFixture, refusal: str
) -> None:
    """dynamodb:PartiQLInsert may be missing; that is said once, and not tried again."""
    denied = statement("AccessDenied")
    server.answers(
        "BatchExecuteStatement",
        error("AccessDeniedException")
        if refusal == "of the request"
        else answer({"Responses": [denied] * len(ITEMS)}),
    )
    server.answers("PutItem", answer({}))
    with caplog.at_level(logging.WARNING, "dualtable"):
        for _ in range(3):
            result = await gateway.insert("orders", orders.packed(ITEMS), key_name="id")
            assert {member.outcome for member in result.outcomes} == {Outcome.WRITTEN}
    assert len(server.asked("BatchExecuteStatement")) == 1
    assert len(server.asked("PutItem")) == 3 * len(ITEMS)
    assert all(
        "attribute_not_exists" in put["ConditionExpression"] for put in server.asked("PutItem")
    )
    (said,) = caplog.records
    assert "dynamodb:PartiQLInsert" in said.getMessage()


@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException"])
async def test_what_is_no_matter_of_permission_gives_nothing_up(
    server: Server, gateway: Gateway, code: str
) -> None:
    """It is told, and the next batch is one again."""
    good = answer({"Responses": [statement()] * len(ITEMS)})
    server.answers("BatchExecuteStatement", error(code), good)
    with pytest.raises(AccessError):
        await gateway.insert("orders", orders.packed(ITEMS), key_name="id")
    await gateway.insert("orders", orders.packed(ITEMS), key_name="id")
    assert len(server.asked("BatchExecuteStatement")) == 2
    assert server.asked("PutItem") == []


async def test_single_puts_are_paid_for_with_their_indexes(
    server: Server, gateway: Gateway
) -> None:
    """Without the permission for batches, too, the server is asked what it has billed."""
    server.answers("BatchExecuteStatement", error("AccessDeniedException"))
    server.answers("PutItem", answer({"ConsumedCapacity": {"CapacityUnits": 7.0}}))
    result = await gateway.insert("orders", orders.packed(ITEMS), key_name="id")
    assert result.write_units == 7 * len(ITEMS)
    assert {put["ReturnConsumedCapacity"] for put in server.asked("PutItem")} == {"TOTAL"}


async def test_a_batch_refused_whole_costs_only_the_bad_item(
    server: Server, gateway: Gateway
) -> None:
    """One member that is invalid spoils the request: each goes by itself, and one fails."""
    server.answers("BatchExecuteStatement", error("ValidationException"))
    bad = error("ValidationException", "Type mismatch for key")
    exists = error("ConditionalCheckFailedException", Item=ITEMS[1])

    async def judge(request: web.Request) -> web.StreamResponse:
        number = (await request.json())["Item"]["n"]["N"]
        replies = {"1": exists, "2": bad, "3": error("ThrottlingException")}
        return await replies.get(number, answer({}))(request)

    server.answers("PutItem", judge)
    result = await gateway.insert("orders", orders.packed(ITEMS), key_name="id")
    assert [member.outcome for member in result.outcomes] == [
        Outcome.WRITTEN,
        Outcome.PRESENT,
        Outcome.REFUSED,
        Outcome.RETRY,
    ]
    assert "Type mismatch for key" in result.outcomes[2].reason
    await gateway.insert("orders", orders.packed(ITEMS), key_name="id")
    assert len(server.asked("BatchExecuteStatement")) == 2  # the next batch may be a good one


async def test_items_that_have_no_statement_go_by_themselves(
    server: Server, gateway: Gateway
) -> None:
    """Long statements and quoted names; the rest of the batch stays together."""
    quoted = {**KEY, "it's": {"S": "x"}}
    long = {"id": {"S": "o-2"}, "x" * 9000: {"S": "x"}}
    server.answers("BatchExecuteStatement", answer({"Responses": [statement("DuplicateItem")]}))
    server.answers("PutItem", answer({}))
    result = await gateway.insert("orders", orders.packed([quoted, ITEMS[3], long]), key_name="id")
    assert [member.outcome for member in result.outcomes] == [
        Outcome.WRITTEN,
        Outcome.PRESENT,
        Outcome.WRITTEN,
    ]
    (batch,) = server.asked("BatchExecuteStatement")
    assert batch["Statements"] == [
        {
            "Statement": """INSERT INTO "orders" VALUE {'id': ?, 'n': ?}""",
            "Parameters": [{"S": "o-3"}, {"N": "3"}],
        }
    ]
    assert [put["Item"] for put in server.asked("PutItem")] == [quoted, long]


# -- tables --------------------------------------------------------------------------------------


async def test_a_new_table_is_waited_for(
    server: Server, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DescribeTable may not know a table yet that CreateTable has just accepted."""
    monkeypatch.setattr("dualtable._dynamodb.aws._POLL_SECONDS", 0.001)
    server.answers("CreateTable", answer({}))
    server.answers(
        "DescribeTable",
        error("ResourceNotFoundException"),
        answer({"Table": {"TableStatus": "CREATING"}}),
        answer({"Table": {"TableStatus": "ACTIVE"}}),
    )
    await gateway.create_table({"TableName": "orders"})
    assert len(server.asked("DescribeTable")) == 3


async def test_a_table_that_exists_is_left_as_it_is(server: Server, gateway: Gateway) -> None:
    """Two migrators may create the control table at one moment."""
    server.answers("CreateTable", error("ResourceInUseException"))
    server.answers("DescribeTable", answer({"Table": {"TableStatus": "ACTIVE"}}))
    await gateway.create_table({"TableName": "orders"})


async def test_a_table_that_never_comes_is_an_error(
    server: Server, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that is being deleted is in use, and then gone: no waiting for ever."""
    monkeypatch.setattr("dualtable._dynamodb.aws._POLL_SECONDS", 0.001)
    server.answers("CreateTable", error("ResourceInUseException"))
    server.answers("DescribeTable", error("ResourceNotFoundException"))
    with pytest.raises(TableNotFoundError):
        await gateway.create_table({"TableName": "orders"})


@pytest.mark.parametrize("refusal", ["AccessDeniedException", "UnknownOperationException"])
async def test_what_nobody_tells_is_unknown(server: Server, gateway: Gateway, refusal: str) -> None:
    """A role that may not ask, a server that does not know: neither says that there is nothing."""
    server.answers("DescribeTable", answer({"Table": {"TableStatus": "ACTIVE", "TableArn": "arn"}}))
    for operation in ("DescribeTimeToLive", "ListTagsOfResource"):
        server.answers(operation, error(refusal))
    assert await gateway.describe_extras("orders") == Extras(None, None)


@pytest.mark.parametrize(
    ("status", "ttl"),
    [
        ("ENABLED", TimeToLive("expires")),
        ("ENABLING", TimeToLive("expires")),
        ("DISABLING", TimeToLive(None)),
        ("DISABLED", TimeToLive(None)),
    ],
)
async def test_extras_are_what_the_server_says(
    server: Server, gateway: Gateway, status: str, ttl: TimeToLive
) -> None:
    """TTL by its state, and all pages of tags."""
    server.answers("DescribeTable", answer({"Table": {"TableStatus": "ACTIVE", "TableArn": "arn"}}))
    live = {"TimeToLiveStatus": status, "AttributeName": "expires"}
    server.answers("DescribeTimeToLive", answer({"TimeToLiveDescription": live}))
    tags = [{"Key": f"tag-{n}", "Value": "x"} for n in range(3)]
    server.answers(
        "ListTagsOfResource",
        answer({"Tags": tags[:2], "NextToken": "more"}),
        answer({"Tags": [], "NextToken": "still more"}),
        answer({"Tags": tags[2:]}),
    )
    assert await gateway.describe_extras("orders") == Extras(ttl, tuple(tags))
    asked = [request.get("NextToken") for request in server.asked("ListTagsOfResource")]
    assert asked == [None, "more", "still more"]


def cancelled(*codes: str, **of_first: Any) -> Answer:
    """Answer that a transaction was cancelled, with a reason for each of its actions."""
    reasons: list[dict[str, Any]] = [{"Code": code, "Message": f"why {code}"} for code in codes]
    if reasons:
        reasons[0] |= of_first
    return error("TransactionCanceledException", CancellationReasons=reasons)


async def test_a_transaction_is_sent_as_the_api_names_it(server: Server, gateway: Gateway) -> None:
    """All four actions, each with its expressions, and the token."""
    server.answers("TransactWriteItems", answer({}))
    add = Update("ADD #c :one", {"#c": "count"}, {":one": {"N": "1"}})
    few = Condition("#c < :few", {"#c": "count"}, {":few": {"N": "9"}})
    await gateway.transact_write(
        [
            TransactPut("t", KEY, ABSENT),
            TransactUpdate("t", KEY, add, few),
            TransactDelete("u", KEY),
            TransactCheck("u", KEY, ABSENT),
        ],
        token="once",
    )
    absent = {
        "ConditionExpression": "attribute_not_exists(#k)",
        "ExpressionAttributeNames": {"#k": "id"},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    assert server.asked("TransactWriteItems") == [
        {
            "ClientRequestToken": "once",
            "TransactItems": [
                {"Put": {"TableName": "t", "Item": KEY, **absent}},
                {
                    "Update": {
                        "TableName": "t",
                        "Key": KEY,
                        "UpdateExpression": "ADD #c :one",
                        "ConditionExpression": "#c < :few",
                        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                        "ExpressionAttributeNames": {"#c": "count"},
                        "ExpressionAttributeValues": {":one": {"N": "1"}, ":few": {"N": "9"}},
                    }
                },
                {"Delete": {"TableName": "u", "Key": KEY}},
                {"ConditionCheck": {"TableName": "u", "Key": KEY, **absent}},
            ],
        }
    ]


async def test_a_failed_condition_cancels_with_reasons(server: Server, gateway: Gateway) -> None:
    """It is an answer, whatever else went wrong; the caller needs the item that was there."""
    codes = ("ConditionalCheckFailed", "None", "TransactionConflict", "ThrottlingError", "New")
    server.answers("TransactWriteItems", cancelled(*codes, Item=KEY))
    with pytest.raises(TransactionCancelled) as caught:
        await gateway.transact_write([TransactPut("t", KEY)])
    assert caught.value.reasons == [
        Reason(Verdict.CONDITION_FAILED, "why ConditionalCheckFailed", KEY),
        Reason(Verdict.FINE, "why None"),
        Reason(Verdict.CONFLICT, "why TransactionConflict"),
        Reason(Verdict.THROTTLED, "why ThrottlingError"),
        Reason(Verdict.REFUSED, "why New"),
    ]


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        (cancelled("None", "ValidationError", "TransactionConflict"), RequestRefusedError, "1 of"),
        (cancelled("None", "ItemCollectionSizeLimitExceeded"), RequestRefusedError, "action 1 of"),
        (cancelled("None", "None", "TransactionConflict"), UnavailableError, "action 2 of"),
        (cancelled("ProvisionedThroughputExceeded"), ThrottledError, "action 0 of"),
        (cancelled("TransactionConflict", "ThrottlingError"), ThrottledError, "action 1 of"),
        (cancelled(), RequestRefusedError, "no"),
        (error("TransactionInProgressException"), UnavailableError, "no"),
        (error("IdempotentParameterMismatchException"), RequestRefusedError, "no"),
    ],
)
async def test_other_cancellations_are_errors(
    server: Server, gateway: Gateway, reply: Answer, kind: type[GatewayError], message: str
) -> None:
    """What may pass by itself is tried again by the layer above; a refusal is not."""
    server.answers("TransactWriteItems", reply)
    server.answers("TransactGetItems", reply)
    with pytest.raises(kind, match=message) as caught:
        await gateway.transact_write([TransactPut("t", KEY)])
    assert type(caught.value) is kind
    with pytest.raises(kind, match=message):
        await gateway.transact_get([TransactGet("t", KEY)])
