"""The same work by several processes of this machine.

The rule: what a command does alone and what it does with others is told by the same settings.
"""

from __future__ import annotations

import signal
import sys
from argparse import Namespace
from typing import Any

from dualtable.distributed._processes import Processes
from dualtable.distributed._run import running
from dualtable.distributed._spec import Task

STOP_ON = () if sys.platform == "win32" else (signal.SIGINT, signal.SIGTERM)


async def by_processes(task: Task, options: Namespace, **settings: Any) -> Any:
    """Return the report of what so many processes have done together."""
    with Processes() as processes:
        return await running(
            options.reference,
            processes,
            options.processes,
            task=task,
            stop_on=STOP_ON,
            **settings,
        )
