"""A migration as a user writes it, imported by name in each worker.

`DUALTABLE_TEST_SHOP` names its tables.
`DUALTABLE_TEST_KILL`, where it is set, names a file: whoever transforms the item ``o-7`` first, and
so makes the file, dies of it, as a process dies that is killed.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from dualtable import Chain, Migration, Rename


def dies_once(item: dict[str, Any]) -> dict[str, Any]:
    """Let one process of all be killed in the middle of a page."""
    if item["id"] == "o-7" and (name := os.environ.get("DUALTABLE_TEST_KILL")):
        flag = Path(name)
        if not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return item


NAME = os.environ.get("DUALTABLE_TEST_SHOP", "shop")

migration = Migration(
    NAME,
    f"{NAME}-old",
    f"{NAME}-new",
    Chain(Rename("nme", "name"), dies_once),
    control_table=f"{NAME}-control",
    version="1",
)

asked: list[int] = []


def never() -> None:
    """A throttle that lets everybody go on."""
    asked.append(1)


def lingers() -> int:
    """Return which process this is, and let it live for a second longer."""
    threading.Thread(target=time.sleep, args=(1,)).start()
    return os.getpid()


def stays() -> None:
    """Go on for as long as nobody ends this process."""
    print("begun", flush=True)
    while True:
        time.sleep(60)


def stops() -> None:
    """Go on until SIGTERM, as a migrator does."""
    heard = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: heard.set())
    print("begun", flush=True)
    while not heard.wait(0.1):
        pass
    print("stopped in order", flush=True)
