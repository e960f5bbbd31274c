"""One migration on Spark, one of whose workers is killed: Spark makes its task again.

pip install pyspark; the same on AWS Glue and EMR.
"""

import os
import sys

from pyspark.sql import SparkSession
from scene import REFERENCE, WORKERS, played

from dualtable.distributed import specs, work


def copy() -> None:
    os.environ["PYSPARK_PYTHON"] = sys.executable  # workers run what this runs
    spark = SparkSession.builder.master(f"local[{WORKERS},4]").getOrCreate()
    planned = specs(REFERENCE, WORKERS, lease_seconds=5)
    spark.sparkContext.parallelize(planned, WORKERS).foreach(work)
    spark.stop()


if __name__ == "__main__":
    played(copy)
