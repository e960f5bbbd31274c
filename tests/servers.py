"""The real DynamoDB servers that the tests run on: fetched, started, waited for, stopped.

The rule: a server that cannot be had raises `ServerUnavailable` with the reason, and nothing that
was started outlives its block.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from dualtable.errors import ServerNotStartedError
from dualtable.testing import local_dynamodb

DYNAMODB_LOCAL = "amplify-dynamodb-simulator@2.9.30"  # holds Amazon's DynamoDB Local 1.25.1
DYNOXIDE = "@dynoxide/linux-x64@1.2.1"
START_SECONDS = 60


class ServerUnavailable(Exception):
    """The server cannot be had on this machine."""


@contextmanager
def dynamodb_local() -> Iterator[str]:
    """Amazon's own, the reference."""
    folder = npm_package(DYNAMODB_LOCAL, needs="java") / "emulator"
    command = ["java", "-Djava.library.path=./DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar"]
    with started([*command, "-inMemory", "-sharedDb", "-port"], folder) as url:
        yield url


@contextmanager
def dynoxide() -> Iterator[str]:
    """A native server that is checked against real AWS."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise ServerUnavailable("dynoxide's package is for Linux on x86_64")
    folder = npm_package(DYNOXIDE)
    (folder / "dynoxide").chmod(0o755)
    with started(["./dynoxide", "--port"], folder) as url:
        yield url


@contextmanager
def ministack() -> Iterator[str]:
    """The embedded one."""
    try:
        with local_dynamodb() as url:
            yield url
    except ServerNotStartedError as error:
        raise ServerUnavailable(str(error)) from error


@contextmanager
def s3() -> Iterator[str]:
    """S3, as the embedded server has it too."""
    program = (
        "import os, runpy, sys; os.environ['GATEWAY_PORT'] = sys.argv.pop();"
        " runpy.run_module('ministack', run_name='__main__')"
    )
    settings = ["BIND_HOST=127.0.0.1", "SERVICES=s3", "LOG_LEVEL=WARNING"]
    with started(["env", *settings, sys.executable, "-c", program], Path()) as url:
        yield url


SERVERS: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "dynamodb-local": dynamodb_local,
    "dynoxide": dynoxide,
    "ministack": ministack,
}


def npm_package(name: str, needs: str = "npm") -> Path:
    """Return the folder of an unpacked npm package, fetched once for this user."""
    folder = _cache() / name.replace("/", "-").replace("@", "-").strip("-")
    if shutil.which(needs) is None:
        raise ServerUnavailable(f"{needs} is not installed")
    if not folder.exists():
        _fetch(name, folder)
    return folder / "package"


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "dualtable-tests"


def _fetch(name: str, folder: Path) -> None:
    """Unpack beside the folder and rename, so that a broken download leaves nothing."""
    npm = shutil.which("npm")
    if npm is None:
        raise ServerUnavailable("npm is not installed")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        fetched = subprocess.run(
            [npm, "pack", "--silent", name], cwd=scratch, capture_output=True, text=True
        )
        if fetched.returncode:
            raise ServerUnavailable(f"npm pack {name} failed: {fetched.stderr.strip()[-300:]}")
        (archive,) = Path(scratch).glob("*.tgz")
        unpacked = Path(scratch) / "unpacked"
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked, filter="data")
        if not folder.exists():
            unpacked.rename(folder)


@contextmanager
def started(command: list[str], folder: Path) -> Iterator[str]:
    """Run a server on a free port, the command's last argument, for the block."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, str(port)], cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _wait_for(url, process)
            yield url
        finally:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < give_up:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise ServerUnavailable(f"{process.args!r} did not answer on {url}")
