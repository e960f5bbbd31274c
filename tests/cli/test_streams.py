"""Standard output and error: the answer alone on the one, and no run ends by either of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import orders
import pytest

from dualtable.__main__ import main
from dualtable._dynamodb.connect import connect
from dualtable._dynamodb.retry import PRODUCTION

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="redirected by a POSIX shell")

ITEMS = 40
NAME = "mü-✓ß"
REFERENCE = "loudly:migration"
FULL = "No space left on device"
WAIT_SECONDS = 120
MODULE = """
import atexit, os
import orders

print("imported")
atexit.register(print, "leaving")
if "LOUD" in os.environ:
    os.write(1, b"written\\n")
    os.system("echo echoed")

def loud(item):
    print("transformed", "." * 1_000)  # more than a buffer has room for
    return item

migration = orders.migration(
    {name!r},
    orders.Chain(orders.TRANSFORM, loud),
    old="{table}-old",
    new="{table}-new",
    control_table="{table}-control",
    settle_seconds=1,
    version="1",
)
"""


@attrs.frozen
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str


@attrs.frozen
class Shell:
    """Runs the command line as a process of its own, with streams as a shell redirects them."""

    folder: Path
    table: str

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    def start(
        self, *words: str, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE, **more: str
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "dualtable", *words],
            cwd=self.folder,
            env=self.environment | more,
            stdout=stdout,
            stderr=stderr,
        )

    def run_unread(self, stream: str, *words: str) -> Ended:
        """Run it with a stream whose reader has gone."""
        reader, writer = os.pipe()
        os.close(reader)
        process = self.start(*words, **{stream: writer})  # type: ignore[arg-type]
        os.close(writer)
        out, err = process.communicate(timeout=WAIT_SECONDS)
        return Ended(process.returncode, (out or b"").decode(), (err or b"").decode())

    def run(self, *words: str, redirect: str = "", **environment: str) -> Ended:
        dualtable = [sys.executable, "-m", "dualtable", *words]
        ended = subprocess.run(
            ["/bin/sh", "-c", f'exec "$@" {redirect}', "sh", *dualtable],
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout.decode("latin-1"), ended.stderr.decode("utf-8"))


@pytest.fixture
def shell(endpoint: str, table_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A folder with migrations whose module prints, a table of some items, and both other ones."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
    monkeypatch.setattr(sys, "path", [*sys.path])
    text = MODULE.format(table=table_name, name=NAME)
    (tmp_path / "loudly.py").write_text(text, encoding="utf-8")

    async def make() -> None:
        async with connect({"endpoint_url": endpoint}, PRODUCTION) as gateway:
            await gateway.create_table(orders.table(f"{table_name}-old"))
            items = [orders.old_order(n) for n in range(ITEMS)]
            await orders.fill(gateway, f"{table_name}-old", items)

    asyncio.run(make())
    shell = Shell(tmp_path, table_name)
    assert shell.run("create", REFERENCE).code == 0
    return shell


def check_answer(ended: Ended) -> dict[str, Any]:
    """Standard output is one JSON object and nothing more; standard error has no traceback."""
    assert "Traceback" not in ended.err
    found = json.loads(ended.out)
    assert isinstance(found, dict)
    return found


PROCESSES = ["1", pytest.param("2", marks=pytest.mark.slow)]
COPY = ("migrate", REFERENCE, "--yes", "--concurrency", "2", "--total-segments", "4")


@pytest.mark.parametrize("redirect", ["2>/dev/full", "2>&-", "2>&- <&-"])
@pytest.mark.parametrize("processes", PROCESSES)
def test_standard_error_stops_no_run(shell: Shell, redirect: str, processes: str) -> None:
    """A full disk or a closed stream costs lines of the log, and not the copy nor its answer."""
    told = ("--json", "--progress", "json", "--verbose", "--processes", processes)
    ended = shell.run(*COPY, *told, redirect=redirect)
    found = check_answer(ended)
    assert (ended.code, found["written"], found["failed"], found["ok"]) == (0, ITEMS, 0, True)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_pipe_that_nobody_reads_stops_no_run(shell: Shell, stream: str) -> None:
    """As of ``dualtable migrate … | head``, which has read enough: no traceback, no other end."""
    ended = shell.run_unread(stream, *COPY, "--json", "--progress", "json", "--verbose")
    assert ended.code == 0
    assert "Traceback" not in ended.err
    assert json.loads(shell.run("status", REFERENCE, "--json").out)["complete"] is True


CHECK = ("check-code", "job.py", "--table", "orders")


@pytest.mark.parametrize(
    ("words", "code"),
    [(CHECK, 0), ((*CHECK, "--json"), 0), (("--help",), 0), (("--version",), 0), ((), 2)],
)
@pytest.mark.parametrize("redirect", [">&-", ">&- 2>&-", ">/dev/full", "unread"])
def test_an_answer_that_nobody_gets(
    tmp_path: Path, words: tuple[str, ...], code: int, redirect: str
) -> None:
    """Who closes it wants none; where a disk is full, that is one line and no success."""
    (tmp_path / "job.py").touch()
    shell = Shell(tmp_path, "")
    if redirect == "unread":
        ended = shell.run_unread("stdout", *words)
    else:
        ended = shell.run(*words, redirect=redirect)
    lost = redirect == ">/dev/full"
    assert ended.code == (max(code, 1) if lost else code)
    assert ended.err == f"dualtable: standard output does not take the answer: {FULL}\n" * lost


def test_who_has_seen_enough_ends_a_watch(shell: Shell) -> None:
    """Nobody looks on for nobody."""
    ended = shell.run_unread("stdout", "status", REFERENCE, "--watch", "1")
    assert ended.code == 0
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("processes", PROCESSES)
def test_nothing_but_the_answer_is_on_standard_output(shell: Shell, processes: str) -> None:
    """Whoever prints: a module, its transform, what it starts, in workers, too, and on leaving."""
    ended = shell.run(*COPY, "--json", "--processes", processes, LOUD="1")
    assert check_answer(ended)["written"] == ITEMS
    for text in ("imported", "written", "echoed", "leaving"):
        assert ended.err.count(f"{text}\n") == (1 if processes == "1" else 3)
    assert ended.err.count("transformed") >= ITEMS


ASCII = {"PYTHONIOENCODING": "ascii"}
POSIX = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LATIN = {"PYTHONIOENCODING": "latin-1"}


@pytest.mark.parametrize("encoding", [ASCII, POSIX, LATIN], ids=["ascii", "posix", "latin"])
def test_an_encoding_that_lacks_characters(shell: Shell, encoding: dict[str, str]) -> None:
    """They are shown escaped; in JSON by its own escapes, so that it says what it says."""
    letters = ("--dead-letters", os.devnull)  # the name of the migration is no name of a file there
    copied = shell.run("migrate", REFERENCE, "--yes", "--json", *letters, **encoding)
    found = check_answer(copied)
    assert (copied.code, found["name"], found["written"]) == (0, NAME, ITEMS)
    for words in (
        ["verify"],
        ["status"],
        ["rate"],
        ["try", "--sample", "2"],
        ["advance", "--plan"],
    ):
        word, *more = words
        ended = shell.run(word, REFERENCE, *more, "--json", **encoding)
        assert check_answer(ended)["name"] == NAME
        text = shell.run(word, REFERENCE, *more, "--quiet", **encoding)
        assert text.code == ended.code
        assert "Traceback" not in text.err
        assert "\\u2713" in text.out
    listed = shell.run("list", "--control-table", f"{shell.table}-control", **encoding)
    assert "\\u2713" in listed.out


@pytest.mark.parametrize(
    "words",
    [
        ("list", "--control-table", "\udcff"),
        ("list", "--profile", "\udcff"),
        ("list", "--region", "\udcff"),
        ("check-code", "\udcff"),
        ("status", "\udcff:migration"),
        ("\udcff",),
    ],
)
def test_words_that_are_no_text(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """An argument of other bytes than UTF-8 is refused, in one line and in JSON."""
    assert main([*words, "--json"]) == 2
    out, err = capsys.readouterr()
    assert "'\\udcff" in json.loads(out)["message"]
    assert err == "dualtable: " + json.loads(out)["message"] + "\n"


def test_where_a_file_s_name_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Answers have its name all the same."""
    (tmp_path / os.fsdecode(b"\xff.py")).write_text("table = resource.Table('orders')")
    assert main(["check-code", str(tmp_path), "--table", "orders", "--json"]) == 1
    assert "\udcff.py" in json.loads(capsys.readouterr().out)["uses"][0]["path"]
    assert main(["check-code", str(tmp_path), "--table", "orders"]) == 1
    assert "\\udcff.py" in capsys.readouterr().out


def test_nothing_is_left_of_it(capfd: pytest.CaptureFixture[str]) -> None:
    """Who calls the command line in his own process prints where he printed before."""
    Path("job.py").touch()
    streams = sys.stdout, sys.stderr
    assert main(["check-code", "job.py", "--table", "orders"]) == 0
    assert (sys.stdout, sys.stderr) == streams
    capfd.readouterr()
    os.write(1, b"by number\n")
    assert capfd.readouterr() == ("by number\n", "")


@pytest.mark.parametrize("terminal", ["dumb", "xterm"])
def test_a_watch_on_a_terminal(shell: Shell, terminal: str) -> None:
    """Each look takes the place of the one before, where the terminal can do that."""
    there, here = os.openpty()
    words = ("status", REFERENCE, "--watch", "1")
    watching = shell.start(*words, stdout=here, TERM=terminal, COLUMNS="200")
    os.close(here)
    seen = b""
    with watching:
        while seen.count(b"not begun") < 2:
            seen += os.read(there, 65_536)
        watching.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # there is no more once it has ended
            while os.read(there, 65_536):
                pass
    os.close(there)
    assert watching.returncode == 0
    assert (b"\x1b" in seen) == (terminal == "xterm")
