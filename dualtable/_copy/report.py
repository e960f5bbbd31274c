"""What a migration says of itself: while it runs, and in the end.

The rule: only pages whose checkpoint is stored count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from dualtable._control.letters import DeadLetter


@attrs.frozen(kw_only=True)
class MigrationReport:
    """What one run of the migrator did. Only pages whose checkpoint is stored count.

    Attributes:
        scanned: Old items read.
        written: New items put; in a dry run, those that would be sent.
        already_present: New items whose key was there, live or as a tombstone.
        dropped: Old items that the transform leaves out.
        failed: Old items that went to the dead letters.
        pages: Pages of the scan, empty ones included.
        empty_pages: Pages without an item; they are not the end of a segment.
        throttled: Requests and statements that DynamoDB throttled; each was sent again.
        retries: Requests and statements that were sent again, for that or any other reason.
        read_units: Read units consumed by scans of the old table, and by looking into the new one
            where most keys are there already; as DynamoDB reports them.
        write_units: Write units consumed on the new table, estimated by item size where DynamoDB
            does not report them.
        seconds: How long the run took.
        complete: Every segment is done, by this run or others.
        dead_letters: Old items in the dead letters after all runs; 0 is well.

    Example:
        >>> from dualtable import MigrationReport
        >>> MigrationReport(complete=True, failed=1, dead_letters=1).ok
        False
    """

    scanned: int = 0
    written: int = 0
    already_present: int = 0
    dropped: int = 0
    failed: int = 0
    pages: int = 0
    empty_pages: int = 0
    throttled: int = 0
    retries: int = 0
    read_units: float = 0.0
    write_units: float = 0.0
    seconds: float = 0.0
    complete: bool = False
    dead_letters: int = 0

    @property
    def ok(self) -> bool:
        """Whether everything has been copied and nothing is left in the dead letters."""
        return self.complete and not self.dead_letters


@attrs.frozen(kw_only=True)
class MigrationProgress:
    """How far a running migration has come; what an observer gets after each page.

    Where none is settled for a second it gets one all the same, so that a wait can be seen.

    Attributes:
        report: This run so far.
        scanned: Old items that all runs have settled.
        estimated_items: Items of the old table as DynamoDB counts them every six hours or so.
        segments_done: Segments that are done.
        total_segments: Segments of the scan.
        segments: A byte for each of them: 0 not begun, 1 begun and free, 2 in the hands of another
            migrator, 3 in hand here, 4 done.
        waiting_for: Names of the migrators that hold all that is left, where this one has nothing
            to do but wait.
        held_back_by: What this migrator could not go faster for in the last ten seconds, in a few
            words such as ``write ceiling``; empty in the first one.
        paused_by: Who lets it stand still; empty where nobody does.
        migrators: How many migrators and verifiers share the ceilings, this one included.
        may_read_units: Units a second that this one may read at the moment; None for no bound.
        may_write_units: The same for writes.
        used_read_units: Read units that this one has used on both tables so far, pages on their way
            included; a second old at most.
        used_write_units: The same of write units.
        throttles: Requests and statements that DynamoDB throttled, by its reason.
        waiting_seconds: After how long the first of their leases runs out; None where nobody is
            waited for, and where they seem to be at work.

    Example:
        >>> from dualtable import MigrationProgress, MigrationReport
        >>> progress = MigrationProgress(
        ...     report=MigrationReport(scanned=50),
        ...     scanned=750,
        ...     estimated_items=1_000,
        ...     segments_done=11,
        ...     total_segments=16,
        ... )
        >>> f"{progress.share_done:.0%}"
        '75%'
    """

    report: MigrationReport
    scanned: int
    estimated_items: int
    segments_done: int
    total_segments: int
    segments: bytes = b""
    held_back_by: str = ""
    paused_by: str = ""
    migrators: int = 1
    may_read_units: float | None = None
    may_write_units: float | None = None
    used_read_units: float = 0.0
    used_write_units: float = 0.0
    throttles: Mapping[str, int] = attrs.field(factory=dict)
    waiting_for: tuple[str, ...] = ()
    waiting_seconds: float | None = None

    @property
    def share_done(self) -> float:
        """From 0 to 1, by items where their number is known, else by segments."""
        if self.segments_done == self.total_segments:
            return 1.0
        by_segments = self.segments_done / self.total_segments
        by_items = self.scanned / self.estimated_items if self.estimated_items else by_segments
        return min(0.99, by_items)


Observer = Callable[[MigrationProgress], None]


@attrs.frozen(kw_only=True)
class RetryReport:
    """What became of the dead letters that were tried again.

    Attributes:
        tried: Dead letters that were tried again.
        written: New items put.
        already_present: New items whose key was there, live or as a tombstone.
        dropped: Old items that the transform leaves out now.
        gone: Old items that are not in the old table any more.
        failed: Dead letters that have failed again.
        not_open: Keys that were given, and are no dead letters of this run (any more).
        dead_letters: Those of the migration that are left, whether they were tried or not.
        fingerprint: Of the transform by which they were copied.
        transform_changed: The run had another transform before. What that one has copied is to be
            verified under the new one.
        read_units: Read units consumed on both tables.
        write_units: Write units consumed on the new table.
        seconds: How long it took.
        complete: It has come to the end, and was not stopped.
        examples: Up to 20 of those that have failed again, with their new reasons.

    Example:
        >>> from dualtable import RetryReport
        >>> RetryReport(tried=3, written=2, failed=1, dead_letters=1).ok
        False
    """

    tried: int = 0
    written: int = 0
    already_present: int = 0
    dropped: int = 0
    gone: int = 0
    failed: int = 0
    not_open: int = 0
    dead_letters: int = 0
    fingerprint: str = ""
    transform_changed: bool = False
    read_units: float = 0.0
    write_units: float = 0.0
    seconds: float = 0.0
    complete: bool = True
    examples: tuple[DeadLetter, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether each key that was given is one, and none has failed again."""
        return self.complete and not self.failed and not self.not_open
