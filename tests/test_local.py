"""The embedded server goes when it is no longer needed, however that comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

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
