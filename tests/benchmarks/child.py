"""One contender in a process of its own: migrates pairs of tables, and says what each cost.

``python -m benchmarks.child CONTENDER URL OLD:NEW…`` prints, for each pair, the CPU seconds of
this process; and its peak memory and all of its CPU in the end.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path


def main(contender: str, url: str, pairs: list[str]) -> dict[str, object]:
    migrate = importlib.import_module(f"benchmarks.contenders.{contender}").migrate
    seconds = []
    for pair in pairs:
        started = time.process_time()
        migrate(url, *pair.split(":"))
        seconds.append(time.process_time() - started)
    whole = time.process_time()  # imports included
    return {"cpu_seconds": seconds, "process_seconds": whole, "peak_bytes": peak_kib() * 1024}


def peak_kib() -> int:
    """Return the peak memory of this program; Linux begins `ru_maxrss` with that of its parent."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1])


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], sys.argv[3:])), flush=True)
    os._exit(0)  # what was measured is out; a contender's threads may not outlive the interpreter
