"""What each guard of the protocol is good for: without it, the proof fails.

The rule: each is removed once (`proof.removals`), and what is broken then is reported.
"""

from __future__ import annotations

from proof.copy_guards import COPY_GUARDS
from proof.entry_guards import ENTRY_GUARDS
from proof.read_guards import READ_GUARDS
from proof.step_guards import STEP_GUARDS
from proof.verifying_guards import VERIFYING_GUARDS
from proof.write_guards import WRITE_GUARDS

MIGRATING_GUARDS = (*READ_GUARDS, *WRITE_GUARDS, *COPY_GUARDS)
ROLLING_GUARDS = (*ENTRY_GUARDS, *STEP_GUARDS)
GUARDS = (*MIGRATING_GUARDS, *ROLLING_GUARDS, *VERIFYING_GUARDS)
