"""What processes agree on: phases, segments and leases, ceilings, heartbeats.

The room of the protocol's rules: whoever changes `phases` or `segments` changes the protocol.

In reading order:

- `phases`: what a phase means and what leads to the next; two tables
- `state`: where a migration stands: its phase and since when
- `digests`: what was copied of a segment, in a few numbers
- `segments`: a part of the scan: lease, checkpoint, progress, and who may take it over
- `records`: the records of one migration, as they are stored and read
- `letters`: an old item that was not copied, as a record
- `run_records`: those of one run: its segments, and who is at work
- `control_table`: those of the migration: phase, run, ceilings, heartbeats
- `inherited`: what an earlier migration has left in the old table
- `milestones`: what gates depend on and no run holds: what was seen, found and said
- `jobs`: what one call on several workers says of itself
- `phase_watch`: how a running repository knows the phase, and for how long it believes it
- `capacity`: units a second: what a table gives, and buckets that keep to it
- `connected`: what repository, migrator and verifier are given alike

May know: `_dynamodb`, `_transforms`, `_wire`, `errors`, `_clock`.
"""
