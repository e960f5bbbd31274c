"""One migration by the processes of a pool, one of which is killed.

A `ProcessPoolExecutor` ends when one of its processes dies. What is settled stays, and the same
call goes on from there; `dualtable.distributed.Processes` would not even end.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from scene import REFERENCE, WORKERS, played

from dualtable.distributed import run
from dualtable.errors import WorkerError


def copy() -> None:
    while True:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(WORKERS, mp_context=spawn) as pool:
            try:
                print(run(REFERENCE, pool, WORKERS, lease_seconds=5))
            except WorkerError as error:
                print(error)
            else:
                return


if __name__ == "__main__":
    played(copy)
