"""What processes agree on: phases, segments and leases, ceilings, heartbeats.

The room of the protocol's rules: whoever changes `phases` or `segments` changes the protocol.

In reading order:

- `phases`: what a phase means and what leads to the next; two tables
- `state`: where a migration stands: its phase and since when
- `segments`: a part of the scan: lease, checkpoint, progress, and who may take it over
- `control_table`: the records of a migration in the control table
- `phase_watch`: how a running repository knows the phase, and for how long it believes it
- `capacity`: units a second: what a table gives, and buckets that keep to it
- `limits`: the ceilings that all migrators share, changed while they run
- `connected`: what repository, migrator and verifier are given alike

May know: `_dynamodb`, `_transforms`, `_wire`, `errors`, `_clock`.
"""
