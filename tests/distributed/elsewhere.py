"""``python elsewhere.py ENGINE``: what an engine says of a migration that its workers have not.

Exits 0 where that is a worker's own word, by name, and comes soon.
"""

from __future__ import annotations

import asyncio
import faulthandler
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from types import ModuleType
from typing import Any

import boto3

from dualtable import Chain, Migration, Rename, create_table
from dualtable.distributed import Processes, run, specs, work
from dualtable.testing import local_dynamodb

REFERENCE = "only_here:migration"
WORKERS = 2
SECONDS = 60  # Spark makes each task four times


def on_processes() -> None:
    with Processes() as processes:
        run(REFERENCE, processes, WORKERS)


def on_pool() -> None:
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn")) as pool:
        run(REFERENCE, pool, WORKERS)


def on_dask() -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        run(REFERENCE, client.get_executor(), WORKERS)


def on_ray() -> None:
    import ray

    ray.init(num_cpus=WORKERS, include_dashboard=False)
    far = ray.remote(max_retries=2)(work)
    ray.get([far.remote(spec) for spec in specs(REFERENCE, WORKERS)])


def on_spark() -> None:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = SparkSession.builder.master(f"local[{WORKERS},4]").getOrCreate()
    spark.sparkContext.parallelize(specs(REFERENCE, WORKERS), WORKERS).foreach(work)


ENGINES: dict[str, Callable[[], None]] = {
    engine.__name__: engine for engine in (on_processes, on_pool, on_dask, on_ray, on_spark)
}


def main(engine: str) -> int:
    faulthandler.dump_traceback_later(300, exit=True)
    with tempfile.TemporaryDirectory() as folder, local_dynamodb() as url:
        os.chdir(folder)
        aws = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
        os.environ |= {**aws, "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ENDPOINT_URL_DYNAMODB": url}
        begun()
        since = time.monotonic()
        try:
            ENGINES[engine]()
        except Exception as error:  # noqa: BLE001 - each engine has a class of its own
            seconds = time.monotonic() - since
            said = [line for line in str(error).splitlines() if "cannot load only_here" in line]
            print(f"{engine}, after {seconds:.0f} s:", *said, sep="\n")
            return 0 if said and "worker" in said[0] and seconds < SECONDS else 1
    return 1


def begun() -> None:
    """Make the tables of a migration that only this process can import."""
    module: Any = ModuleType("only_here")
    module.migration = Migration("m", "m-old", "m-new", Chain(Rename("a", "b")), version="1")
    sys.modules[module.__name__] = module
    boto3.client("dynamodb").create_table(
        TableName=module.migration.old,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    boto3.resource("dynamodb").Table(module.migration.old).put_item(Item={"id": "o-1", "a": 1})
    asyncio.run(create_table(module.migration))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
