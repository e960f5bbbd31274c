"""One migration on Ray, one of whose workers is killed: Ray makes its call again.

pip install '.[ray,local]'    in a clone
"""

import ray
from scene import REFERENCE, WORKERS, played

from dualtable.distributed import specs, work


def copy() -> None:
    ray.init(num_cpus=WORKERS, include_dashboard=False)
    far = ray.remote(max_retries=2)(work)
    print(ray.get([far.remote(spec) for spec in specs(REFERENCE, WORKERS, lease_seconds=5)]))
    ray.shutdown()


if __name__ == "__main__":
    played(copy)
