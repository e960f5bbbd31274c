"""The one-off script, in two steps with a deployment between them.

python migrate_orders.py create     before production uses the repository
python migrate_orders.py copy       once every process of production does; again to resume
"""

import asyncio
import signal
import sys

from orders_migration import migration

from dualtable import DualTableError, Migrator, Verifier, create_table


async def create() -> bool:
    report = await create_table(migration)
    print(f"{report.table}: {'created' if report.created else 'exists'}")
    for difference in report.differences:
        print(f"  {difference}")
    return report.ok


async def copy() -> bool:
    migrator = Migrator(migration, max_write_units=400)
    report = await migrator.run(stop_on=(signal.SIGINT, signal.SIGTERM))
    print(
        f"{report.scanned} read, {report.written} written,"
        f" {report.already_present} there already, {report.failed} dead letters"
    )
    return report.ok and await verify()


async def verify() -> bool:
    proof = await Verifier(migration).run()
    print(
        f"{proof.checked} checked, {proof.missing} missing, {proof.different} different,"
        f" {proof.extra} extra"
    )
    return proof.ok


if __name__ == "__main__":
    step = {"create": create, "copy": copy}.get(" ".join(sys.argv[1:]))
    if step is None:
        sys.exit(__doc__)
    try:
        sys.exit(0 if asyncio.run(step()) else 1)
    except DualTableError as error:
        sys.exit(f"migrate_orders: {error}")
