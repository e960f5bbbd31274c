"""Servers and settings that the tests share."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest
from servers import SERVERS, ServerUnavailable

REQUIRED = set(filter(None, os.environ.get("DUALTABLE_TEST_SERVERS", "").split(",")))
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to `nox -s thorough` what a test says of servers."""
    for item in items:
        servers = {name for mark in item.iter_markers("thorough_on") for name in mark.args}
        callspec = getattr(item, "callspec", None)
        if callspec and not servers.isdisjoint(map(str, callspec.params.values())):
            item.add_marker("thorough")


def pytest_configure() -> None:
    """Let no test see the credentials of whoever runs it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(ENVIRONMENT)
    # A slow machine is no failure: neither by Hypothesis nor by a line in the log that a test
    # counts (asyncio's debug mode warns of each callback that took over 0.1 s).
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    hypothesis.settings.register_profile("dualtable", deadline=None, print_blob=True)
    hypothesis.settings.load_profile("dualtable")
    if unknown := REQUIRED - SERVERS.keys():
        raise pytest.UsageError(f"DUALTABLE_TEST_SERVERS names unknown servers: {unknown}")


@pytest.fixture(scope="session")
def running() -> Iterator[Callable[[str], str]]:
    """Start a server when it is first asked for, and stop all of them in the end."""
    with ExitStack() as stack:
        urls: dict[str, str | ServerUnavailable] = {}

        def url_of(name: str) -> str:
            if name not in urls:
                try:
                    urls[name] = stack.enter_context(SERVERS[name]())
                except ServerUnavailable as reason:
                    urls[name] = reason
            found = urls[name]
            if isinstance(found, str):
                return found
            if name in REQUIRED:
                pytest.fail(f"{name}: {found}")
            pytest.skip(f"{name}: {found}")

        yield url_of


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters and events go to the working directory by default."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, running: Callable[[str], str]) -> str:
    """The endpoint of each real server in turn."""
    return running(request.param)


@pytest.fixture
def endpoint(running: Callable[[str], str]) -> str:
    """The endpoint of the embedded server, for tests that one server is enough for."""
    return running("ministack")


@pytest.fixture
def table_name() -> str:
    """A name that no other test uses."""
    return f"t-{uuid.uuid4().hex[:12]}"
