"""From an old item to its new ones and back, and the migration that says so.

Pure: a transform never sees a table. A new step goes into `steps`; nothing else must change for it.

In reading order:

- `transform`: what a transform is, and what is accepted as one
- `guarded`: a user's code, whose errors are told by name and place
- `applying`: how one is run on an item in wire form, by the shortest way
- `paths`: where in an item a step works
- `steps`: `Move`, `Rename`, `Convert`, `Drop`, `Default`
- `chain`: several transforms, one after the other
- `reversal`: a transform the other way round
- `fields`: the fields of an attrs class as an item has them, and where two instances differ
- `unions`: which class of several an item is of
- `converter`: instances to plain items and back; owns `cattrs`
- `models`: `ModelTransform`, and the items of a repository as attrs classes
- `fingerprint`: a transform's source as a short text that every process agrees on
- `migration`: the one value that production, scripts and the command line share
- `lineage`: old item to new items and new key to old key, checked (I8), and back (I9)

May know: `_sources`, `_wire`, `errors`.
"""
