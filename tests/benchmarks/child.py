"""One contender in a process of its own: migrates pairs of tables, and says what each cost.

``python -m benchmarks.child CONTENDER URL OLD:NEW…`` prints, for each pair, the CPU seconds of
this process, and its peak memory in the end.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time


def main(contender: str, url: str, pairs: list[str]) -> dict[str, object]:
    migrate = importlib.import_module(f"benchmarks.contenders.{contender}").migrate
    seconds = []
    for pair in pairs:
        started = time.process_time()
        migrate(url, *pair.split(":"))
        seconds.append(time.process_time() - started)
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"cpu_seconds": seconds, "peak_bytes": peak_kib * 1024}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], sys.argv[3:])), flush=True)
    os._exit(0)  # what was measured is out; a contender's threads may not outlive the interpreter
