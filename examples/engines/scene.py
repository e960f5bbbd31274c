"""What all engines have in common: a full table, production beside the copy, and the proof.

AWS_ENDPOINT_URL_DYNAMODB says which server to use; without it, one is started. ORDERS says how many
items there are (default: 30000).
"""

import asyncio
import faulthandler
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import boto3
from fleet_migration import migration

from dualtable import VerificationReport, Verifier, create_table, read_status, sync
from dualtable.testing import local_dynamodb

REFERENCE = "fleet_migration:migration"
WORKERS = 3
ORDERS = int(os.environ.get("ORDERS", "30000"))
AWS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "eu-west-1"}


def played(copy: Callable[[], object]) -> None:
    """Load the old table, copy it beside production with one worker killed, and prove it."""
    faulthandler.dump_traceback_later(900, exit=True)  # an engine that hangs has failed
    os.chdir(Path(__file__).parent)  # where workers find the migration
    with ExitStack() as stack:
        if "AWS_ENDPOINT_URL_DYNAMODB" not in os.environ:
            url = stack.enter_context(local_dynamodb())
            os.environ |= {**AWS, "AWS_ENDPOINT_URL_DYNAMODB": url}
        flag = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "killed"
        os.environ["KILLED_ONCE"] = str(flag)
        _load()
        asyncio.run(create_table(migration))
        began = time.monotonic()
        with _production() as shipped:
            copy()
        seconds = time.monotonic() - began
        proof = asyncio.run(_proved(shipped))
        print(f"{ORDERS} orders in {seconds:.0f} s, {len(shipped)} shipped meanwhile")
        print(f"{proof.checked} checked, {proof.missing} missing, {proof.different} different")
        print("one worker was killed" if flag.exists() else "no worker was killed")
        sys.exit(0 if proof.ok and proof.checked == ORDERS and shipped and flag.exists() else 1)


def _load() -> None:
    table = boto3.resource("dynamodb").create_table(
        TableName=migration.old,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with table.batch_writer() as batch:
        for n in range(ORDERS):
            batch.put_item(Item={"id": f"o-{n}", "customer": {"region": "eu"}, "total": n})


@contextmanager
def _production() -> Iterator[list[str]]:
    """Ship one order after the other; each is noted once it is done."""
    shipped: list[str] = []
    stop = threading.Event()

    def ship(order: dict[str, Any]) -> dict[str, Any]:
        return {**order, "status": "shipped"}

    def work() -> None:
        with sync.DualTableRepository(migration) as orders:
            for n in range(0, ORDERS, 11):
                if stop.wait(0.05):
                    return
                orders.update({"id": f"o-{n}"}, ship)
                shipped.append(f"o-{n}")

    with ThreadPoolExecutor(1) as threads:
        working = threads.submit(work)
        try:
            yield shipped
        finally:
            stop.set()
        working.result()


async def _proved(shipped: list[str]) -> VerificationReport:
    """Verify, and see that nothing that production did is lost."""
    table = boto3.resource("dynamodb").Table(migration.new)
    lost = [key for key in shipped if "status" not in table.get_item(Key={"id": key})["Item"]]
    if lost or not (await read_status(migration)).complete:
        sys.exit(f"not complete, or lost: {lost}")
    return await Verifier(migration).run()
