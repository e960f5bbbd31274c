"""One migration on Dask, one of whose workers is killed: Dask gives its part to another.

pip install '.[dask,local]'    in a clone
"""

from distributed import Client, LocalCluster
from scene import REFERENCE, WORKERS, played

from dualtable.distributed import run


def copy() -> None:
    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        print(run(REFERENCE, client.get_executor(), WORKERS, lease_seconds=5))


if __name__ == "__main__":
    played(copy)
