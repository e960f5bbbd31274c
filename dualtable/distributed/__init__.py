"""One migration on many processes and machines, by way of any engine that calls functions there.

`run` begins workers on a `concurrent.futures.Executor` and waits for them; `specs` and `work` are
its two halves for an engine that has none. Without an engine, ``dualtable migrate`` on each host is
the same thing.
"""

from dualtable.distributed._processes import Processes
from dualtable.distributed._run import run, specs
from dualtable.distributed._spec import WorkSpec
from dualtable.distributed._work import work

__all__ = ["Processes", "WorkSpec", "run", "specs", "work"]
