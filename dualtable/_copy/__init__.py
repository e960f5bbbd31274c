"""The one-off copy: scan, transform, put if absent, in many segments at once.

In reading order:

- `migrator`: `Migrator`: settings, start and end
- `agreement`: what must be as an earlier run had it, and who may change it
- `report`: what a run says of itself
- `run`: what a migrator's workers do with a segment: read pages, settle them
- `telling`: what a run tells while it goes on
- `lately`: what the last seconds of a run held
- `page_size`: in how many segments a table is scanned, and how many items are read at once
- `segment_copy`: one page: transform, look first, hand over, count
- `look_first`: reads instead of writes where most keys exist already
- `shuffle`: copies of many segments mixed, so that all partitions work
- `writer`: sends them, as fast as the table takes them
- `dead_letters`: items that could not be copied, as a file
- `retrying`: `retry_dead_letters`: settings, and whether the transform may have changed
- `retrial`: just those again, with the transform as it is now

The copy paces itself in `writer` and `page_size`, with the buckets of `_control.capacity`.

May know: `_events`, `_sharing`, `_control`, `_dynamodb`, `_transforms`, `_wire`; never production.
"""
