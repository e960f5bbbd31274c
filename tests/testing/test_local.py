"""The embedded server goes when it is no longer needed, however that comes."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from dualtable.errors import ServerNotStartedError
from dualtable.testing import local_dynamodb

WAIT_SECONDS = 30
OWNER = """
from dualtable.testing import local_dynamodb
with local_dynamodb() as url:
    print(url, flush=True)
    input()
"""


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        return False
    return True


def test_it_is_gone_after_the_block() -> None:
    """Also where the block ends with an error."""
    urls = []

    def fail_with_a_server() -> None:
        with local_dynamodb() as url:
            assert answers(url)
            urls.append(url)
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        fail_with_a_server()
    assert not answers(urls[0])


def test_it_is_gone_when_its_owner_is_killed() -> None:
    """A killed demo or test run leaves no server behind."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    url = owner.stdout.readline().strip()
    assert answers(url)
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    give_up = time.monotonic() + WAIT_SECONDS
    while answers(url):
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first thing that a user of `dualtable.testing` may be missing."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ServerNotStartedError, match=r"\.\[local\]"), local_dynamodb():
        pass


def test_a_server_that_dies_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its last words nobody could tell why it did not come up."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho the port is cursed >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    with pytest.raises(ServerNotStartedError, match="the port is cursed"), local_dynamodb():
        pass


def test_a_server_that_never_answers_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that hangs ends in an error, not in a process that stays."""
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\nexec sleep 1000\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(hanging))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr("dualtable.testing._local._START_SECONDS", 0.3)
    with pytest.raises(ServerNotStartedError, match="did not come up"), local_dynamodb():
        pass
