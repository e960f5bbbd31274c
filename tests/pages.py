"""Runs the code blocks of a Markdown page from top to bottom, as a reader would.

The rule: the language of a block says what is done with it, and no other language is allowed.

    python    Run with `await` at the top level, as in ``python -m asyncio``; all blocks of a page
              share their names. A block that begins with ``# name.py`` is saved under that name,
              to be imported or run by a later one.
    pycon     The same with prompts: each statement must print what follows it.
    console   Each line that begins with ``$ `` is run by the shell. What follows is what it prints
              on standard output, and ``exit code N`` where that is not 0; ``...`` is anything.
    json      Must be JSON.
    text      Shown only: something that a program prints or a file holds.
    sh        Not run. The comment ``<!-- not run: REASON -->`` above the block says why.
"""

from __future__ import annotations

import ast
import asyncio
import doctest
import inspect
import io
import json
import os
import re
import subprocess
import sys
import traceback
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path

import attrs

ROOT = Path(__file__).parent.parent
_FENCE = re.compile(
    r"(?P<reason><!-- not run: .+ -->\n)?^```(?P<language>\S*)[^\n]*\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LANGUAGES = ("python", "pycon", "console", "json", "text", "sh")
_COMMAND_SECONDS = 60
_LENIENT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@attrs.frozen
class Block:
    """One code block of a page."""

    page: Path
    line: int
    language: str
    code: str
    reason: str | None

    @property
    def file_name(self) -> str | None:
        """The name under which a Python block is saved."""
        found = re.match(r"# (\w+\.py)\n", self.code)
        return found and found[1]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Return all pages with code for users."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the code blocks of a page; directives, such as ``{toctree}``, are none."""
    text = page.read_text()
    for found in _FENCE.finditer(text):
        if not found["language"].startswith("{"):
            line = text.count("\n", 0, found.start("code")) + 1
            yield Block(page, line, found["language"], found["code"], found["reason"])


class Reader:
    """Somebody who follows one page in a folder of their own, with the examples beside."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        (folder / "examples").symlink_to(ROOT / "examples")
        self._folder = folder
        self._environment = _with_commands(folder, environment)
        self._names = types.ModuleType("__main__").__dict__
        self._runner = asyncio.Runner()
        self._ways: dict[str, Callable[[Block], None]] = {
            "python": self._python,
            "pycon": self._pycon,
            "console": self._console,
            "json": lambda block: json.loads(block.code),
        }

    def follow(self, page: Path) -> None:
        """Do what each block says; the first that fails raises."""
        with self._runner:
            for block in blocks(page):
                if block.language in self._ways:
                    self._ways[block.language](block)

    def _python(self, block: Block) -> None:
        if block.file_name:
            compile(block.code, str(block), "exec")
            (self._folder / block.file_name).write_text(block.code)
        else:
            self._run(block.code, block.page, block.line, "exec")

    def _pycon(self, block: Block) -> None:
        for example in doctest.DocTestParser().get_examples(block.code):
            line = block.line + example.lineno
            with redirect_stdout(io.StringIO()) as output:
                try:
                    self._run(example.source, block.page, line, "single")
                except Exception as error:
                    if example.exc_msg is None:
                        raise
                    output.write("".join(traceback.format_exception_only(error)))
            _check(f"{block.page}:{line}", example.exc_msg or example.want, output.getvalue())

    def _run(self, source: str, page: Path, line: int, mode: str) -> None:
        # Empty lines before the code give a traceback the line of the page.
        padded = "\n" * (line - 1) + source
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(padded, str(page), mode, flags, dont_inherit=True)
        function = types.FunctionType(code, self._names)
        if code.co_flags & inspect.CO_COROUTINE:
            self._runner.run(function())
        else:
            function()

    def _console(self, block: Block) -> None:
        for command, expected in _commands(block):
            done = subprocess.run(
                command,
                shell=True,
                cwd=self._folder,
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=_COMMAND_SECONDS,
            )
            printed = done.stdout
            if done.returncode:
                printed += f"exit code {done.returncode}\n"
            _check(f"{block}: $ {command}", expected, printed, hint=done.stderr)


def _check(where: str, expected: str, printed: str, hint: str = "") -> None:
    assert doctest.OutputChecker().check_output(expected, printed, _LENIENT), (
        f"{where} should print\n{expected}\nand printed\n{printed}\n{hint}"
    )


def _commands(block: Block) -> Iterator[tuple[str, str]]:
    """Yield each command and what it should print."""
    assert block.code.startswith("$ "), f"{block}: a console block begins with '$ '"
    for part in re.split(r"^\$ ", block.code, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def _with_commands(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which ``python`` and ``dualtable`` are those of the tests."""
    programs = folder / ".bin"
    programs.mkdir()
    for name, arguments in (("python", ""), ("dualtable", "-m dualtable")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        program.chmod(0o755)
    return {
        **environment,
        "PATH": f"{programs}{os.pathsep}{environment['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
