"""The embedded DynamoDB server: ministack, in a process of its own.

The rule: it listens on the loopback address alone, keeps everything in memory, and is gone, with
all its processes, when the block ends or the process that started it dies.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from dualtable.errors import ServerNotStartedError

_START_SECONDS = 60
_STOP_SECONDS = 10
_SERVER = """
import os, runpy, sys, threading
def leave_with_parent():
    sys.stdin.buffer.read()  # ends when the other end is closed, also by a kill
    os._exit(0)
threading.Thread(target=leave_with_parent, daemon=True).start()
sys.argv = ["ministack"]
runpy.run_module("ministack", run_name="__main__")
"""
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def local_dynamodb() -> Iterator[str]:
    """Start a DynamoDB server on this machine and yield its endpoint URL; stop it at the end.

    It needs the extra ``local`` and any credentials and region in the environment, which the AWS
    SDK insists on and the server ignores. It is a test server: no throttling, no persistence.

    Raises:
        ServerNotStartedError: ministack is not installed, or did not answer within a minute.

    Example:
        >>> from dualtable.testing import local_dynamodb
        >>> with local_dynamodb() as endpoint_url:
        ...     endpoint_url.startswith("http://127.0.0.1:")
        True
    """
    if importlib.util.find_spec("ministack") is None:
        raise ServerNotStartedError(
            "the embedded server is not installed; pip install '.[local]' in a clone of dualtable"
        )
    port = _free_port()
    with tempfile.TemporaryFile() as log, _process(port, log) as process:
        url = f"http://127.0.0.1:{port}"
        _wait_until_it_answers(url, process, log)
        yield url


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _process(port: int, log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    settings = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "SERVICES": "dynamodb",
        "LOG_LEVEL": "WARNING",
    }
    with subprocess.Popen(
        [sys.executable, "-P", "-c", _SERVER],
        stdin=subprocess.PIPE,
        env=os.environ | settings,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    give_up = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < give_up:
        if _answers(url):
            return
        time.sleep(0.05)
    log.seek(0)
    tail = log.read()[-2000:].decode(errors="replace")
    raise ServerNotStartedError(f"the embedded server did not come up; it said:\n{tail}")


def _answers(url: str) -> bool:
    try:
        with _NO_PROXY.open(url, timeout=1):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
