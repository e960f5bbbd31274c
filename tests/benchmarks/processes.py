"""Contenders run in processes of their own, so that the server's work and ours count for nobody."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.workload import CREDENTIALS, REGION

_TESTS = Path(__file__).parents[1]
SETTINGS = {
    "AWS_ACCESS_KEY_ID": CREDENTIALS[0],
    "AWS_SECRET_ACCESS_KEY": CREDENTIALS[1],
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


class ContenderFailed(Exception):
    """A contender did not get through."""


async def run_child(contender: str, url: str, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Let a contender migrate pairs of tables and return what it cost."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.child", contender, url),
        *(f"{old}:{new}" for old, new in pairs),
        env=_environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise ContenderFailed(f"{contender}: {err.decode()[-2000:]}")
    return json.loads(out)  # type: ignore[no-any-return]


def _environment() -> dict[str, str]:
    """Return this process's environment with no AWS settings but the benchmark's."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    paths = [str(_TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**others, **SETTINGS, "PYTHONPATH": os.pathsep.join(paths)}
