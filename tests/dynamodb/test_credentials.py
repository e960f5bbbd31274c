"""Whatever keeps credentials from being had is an `AccessError` with the reason of whoever said it.

The services that give credentials are stood in for by a web server of the test; the SDK's own code
asks them, reads the files and starts the processes.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aioboto3
import boto3
import pytest
import pytest_asyncio
from aiohttp import web
from botocore.config import Config

from dualtable import DualTableRepository, Migration, Migrator, Move, create_table, sync
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.refusals import translated
from dualtable._dynamodb.retry import RetryPolicy
from dualtable.errors import (
    AccessError,
    DualTableError,
    GatewayError,
    RequestRefusedError,
    ThrottledError,
    UnavailableError,
)
from dualtable.testing import MemoryGateway

PLAN = Migration("orders-v2", "orders", "orders-v2", Move("nme", "name"))
NOWHERE = "http://127.0.0.1:9"
ONCE = RetryPolicy(tries=1)

ROLE = "arn:aws:iam::123456789012:role/reader"
PROFILES = f"""
[profile base]
aws_access_key_id = me
aws_secret_access_key = secret
[profile role]
role_arn = {ROLE}
source_profile = base
[profile half-a-role]
role_arn = x
source_profile = base
[profile loop]
role_arn = {ROLE}
source_profile = loop-2
[profile loop-2]
role_arn = {ROLE}
source_profile = loop
[profile no-source]
role_arn = {ROLE}
source_profile = nobody
[profile odd-source]
role_arn = {ROLE}
credential_source = Nonsense
[profile web-token]
role_arn = {ROLE}
web_identity_token_file = /nonexistent/token
[profile no-process]
credential_process = /nonexistent/process
[profile chatty-process]
credential_process = echo secret
[profile failing-process]
credential_process = false
[profile sso]
sso_start_url = https://example.awsapps.com/start
sso_region = eu-west-1
sso_account_id = 123456789012
sso_role_name = reader
[profile half-sso]
sso_start_url = https://example.awsapps.com/start
sso_account_id = 123456789012
[profile half-a-key]
aws_access_key_id = me
"""


class Sts:
    """Answers as STS does, with the error that a test wants."""

    code = "AccessDenied"
    status = 403

    async def handle(self, _: web.Request) -> web.Response:
        text = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{self.code}</Code>"
            "<Message>me may not assume reader</Message></Error></ErrorResponse>"
        )
        return web.Response(text=text, status=self.status, content_type="text/xml")


@pytest_asyncio.fixture
async def sts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sts]:
    """Profiles, and the service that their roles lead to."""
    sts = Sts()
    app = web.Application()
    app.router.add_post("/", sts.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", site.name)
    _use_profiles(tmp_path, monkeypatch)
    yield sts
    await runner.cleanup()


def _use_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text(PROFILES)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)


async def _ask(table: str = "orders", **settings: Any) -> DualTableError:
    with pytest.raises(DualTableError) as caught:
        async with connect({"endpoint_url": NOWHERE, **settings}, ONCE) as gateway:
            await gateway.get(table, {"id": {"S": "o-1"}}, consistent_read=False)
    return caught.value


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AccessDenied", 403, AccessError),
        ("ExpiredTokenException", 400, AccessError),
        ("ValidationError", 400, AccessError),
        ("RegionDisabledException", 403, AccessError),
        ("SomethingNew", 400, AccessError),
        ("Throttling", 400, ThrottledError),
        ("InternalFailure", 500, UnavailableError),
        ("IDPCommunicationError", 400, UnavailableError),
    ],
)
async def test_a_refusal_by_sts(sts: Sts, code: str, status: int, kind: type[GatewayError]) -> None:
    """It keeps its message and code, and is told from a refusal by DynamoDB."""
    sts.code, sts.status = code, status
    error = await _ask(profile_name="role")
    assert type(error) is kind
    assert error.code == code
    for said in ("GetItem on orders", "AssumeRole", "me may not assume reader"):
        assert said in str(error)


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ("half-a-role", "RoleArn"),
        ("loop", "Infinite loop"),
        ("no-source", '"nobody"'),
        ("odd-source", "Nonsense"),
        ("web-token", "/nonexistent/token"),
        ("no-process", "/nonexistent/process"),
        ("chatty-process", "no JSON"),
        ("failing-process", "custom-process"),
        ("sso", "SSO Token"),
        ("half-sso", "sso_role_name"),
        ("half-a-key", "aws_secret_access_key"),
        ("nobody", "nobody"),
    ],
)
async def test_a_profile_that_gives_no_credentials(sts: Sts, profile: str, said: str) -> None:
    """Files, processes and tokens that are missing or wrong: no raw error, and no secret."""
    error = await _ask(profile_name=profile)
    assert type(error) is AccessError
    assert said in str(error)
    assert "set credentials" in str(error)
    assert "secret\n" not in str(error)


def _printed(expiration: str) -> str:
    key = {"AccessKeyId": "me", "SecretAccessKey": "top-secret", "SessionToken": "top-secret"}
    return json.dumps({"Version": 1, **key, "Expiration": expiration})


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("null", "set credentials"),
        ('["top-secret"]', "set credentials"),
        ("{}", "set credentials"),
        (_printed("2020-01-01T00:00:00Z"), "still expired"),
        (_printed("top-secret"), "set credentials"),
    ],
)
@pytest.mark.parametrize("table", ["orders", "arn:aws:dynamodb:eu-west-1:123456789012:table/old"])
async def test_what_a_process_prints_may_be_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str, said: str, table: str
) -> None:
    """It is asked for credentials, and what is none is told and not quoted."""
    _use_profiles(tmp_path, monkeypatch)
    (tmp_path / "printed").write_text(printed)
    with (tmp_path / "config").open("a") as config:
        config.write(f"[profile printing]\ncredential_process = cat {tmp_path / 'printed'}\n")
    error = await _ask(table, profile_name="printing")
    assert type(error) is AccessError
    assert said in str(error)
    assert "top-secret" not in str(error)


async def test_a_process_that_is_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no first line that says what runs it."""
    _use_profiles(tmp_path, monkeypatch)
    script = tmp_path / "script"
    script.write_text("echo secret")
    script.chmod(0o755)
    with (tmp_path / "config").open("a") as config:
        config.write(f"[profile script]\ncredential_process = {script}\n")
    error = await _ask(profile_name="script")
    assert type(error) is AccessError
    assert "Exec format error" in str(error)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"session": boto3.Session(region_name="eu-west-1")}, r"session.*aioboto3.*boto3\.session"),
    ({"session": aioboto3.Session}, r"session must be.*the class"),
    ({"config": {"read_timeout": 5}}, r"config must be a botocore\.config\.Config.*not a dict"),
    ({"config": Config}, "config must be .*the class"),
    ({"endpoint_url": "localhost:8000"}, "endpoint_url='localhost:8000'.*scheme"),
    ({"endpoint_url": "http://"}, "endpoint_url.*host"),
    ({"endpoint_url": "http://localhost:abc"}, "endpoint_url"),
    ({"endpoint_url": "http://[::1"}, "endpoint_url"),
    ({"endpoint_url": "ftp://localhost"}, "endpoint_url"),
    ({"endpoint_url": 8000}, "endpoint_url must be a URL.*not a int"),
    ({"endpoint_url": b"http://localhost"}, "endpoint_url must be a URL.*not a bytes"),
    ({"region_name": ["eu-west-1"]}, "region_name must be .*not a list"),
    ({"profile_name": 1}, "profile_name must be .*not a int"),
    ({"gateway": "http://localhost"}, "gateway must be .*MemoryGateway"),
    ({"gateway": MemoryGateway}, "gateway must be .*MemoryGateway"),
    ({"endpoint": "http://localhost"}, "'endpoint' is no setting.*endpoint_url"),
    ({"aws_access_key_id": "secret"}, r"'aws_access_key_id' is no setting.*aioboto3\.Session"),
]


@pytest.mark.parametrize(("settings", "said"), WRONG, ids=lambda value: str(value)[:40])
async def test_a_wrong_setting_is_said_by_name(settings: dict[str, Any], said: str) -> None:
    """Wherever a connection is given, before anything is made of it; no value but a URL shows."""
    for use in (DualTableRepository, sync.DualTableRepository, Migrator):
        with pytest.raises(RequestRefusedError, match=said):
            use(PLAN, **settings)
    with pytest.raises(RequestRefusedError, match=said) as caught:
        await create_table(PLAN, **settings)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("wrong", ["orders_migration:migration", None, Migration])
def test_something_else_than_a_migration(wrong: Any) -> None:
    """The command line takes a name; a program imports the migration."""
    with pytest.raises(DualTableError, match=r"must be a dualtable\.Migration"):
        DualTableRepository(wrong, gateway=MemoryGateway())


def test_nobody_enters_a_code() -> None:
    """A job without a terminal cannot ask for one, and the SDK's prompt says nothing."""
    with pytest.raises(AccessError, match=r"GetItem.*MFA.*set credentials"), translated("GetItem"):
        raise EOFError
