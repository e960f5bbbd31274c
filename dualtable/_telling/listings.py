"""What is said of the migrations of a control table, and of a file that begins one.

The rule: pure; it ends with what to do next.
"""

from __future__ import annotations

from dualtable._planning.draft import Draft
from dualtable._standing.listing import ListedMigration, Listing
from dualtable._telling.words import count, duration, in_columns


def listing_text(listing: Listing) -> list[str]:
    """Return a line for each migration."""
    if not listing.exists:
        return [f"There is no table {listing.control_table}, so no migration was begun here."]
    if not listing.migrations:
        return [f"{listing.control_table}: no migration was begun."]
    readable = [each for each in listing.migrations if not each.problem]
    heads = ["migration", "phase", "since", "from", "to", "copied", "dead letters", "at work"]
    return [
        *(in_columns([heads, *map(_row, readable)]) if readable else []),
        *(f"  {each.name}: {each.problem}" for each in listing.migrations if each.problem),
    ]


def _row(listed: ListedMigration) -> list[str]:
    return [
        listed.name,
        str(listed.phase),
        duration(listed.phase_seconds),
        listed.old,
        listed.new,
        _copied(listed),
        count(listed.dead_letters),
        _at_work(listed),
    ]


def _copied(listed: ListedMigration) -> str:
    if not listed.total_segments:
        return "not begun"
    done = f"{count(listed.segments_done)} of {count(listed.total_segments)} segments"
    if listed.segments_done < listed.total_segments:
        return f"{done}, paused" if listed.paused else done
    return {None: "all, not verified", True: "all, verified", False: "all, NOT verified"}[
        listed.verified
    ]


def _at_work(listed: ListedMigration) -> str:
    migrators = "1 migrator" if listed.workers == 1 else f"{count(listed.workers)} migrators"
    if listed.repositories == 1:
        return f"{migrators}, 1 repository"
    return f"{migrators}, {count(listed.repositories)} repositories"


def draft_text(draft: Draft) -> list[str]:
    """Return what was written, and what comes next."""
    return [
        f"{draft.path}: written after {draft.old}; {count(draft.items)} items were looked at, for"
        f" {draft.read_units:,g} read units.",
        f"Next: say in it what a new item is, then: dualtable try {draft.reference} --sample 5",
        f"Then: dualtable plan {draft.reference}",
    ]
