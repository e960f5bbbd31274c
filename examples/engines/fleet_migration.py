"""The migration that all engines run; imported by name in each of their workers.

Where KILLED_ONCE names a file that is not there, the worker that transforms ``o-7`` first makes it
and is killed, as by a machine that goes away: to see what becomes of its part.
"""

import os
import signal
from pathlib import Path
from typing import Any

from dualtable import Chain, Convert, Migration, Move


def killed_once(order: dict[str, Any]) -> dict[str, Any]:
    flag = os.environ.get("KILLED_ONCE")
    if order["id"] == "o-7" and flag and not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return order


migration = Migration(
    name="fleet",
    old="fleet-orders",
    new="fleet-orders-v2",
    transform=Chain(Move("customer.region", "region"), Convert("total", str), killed_once),
    version="1",
)
