"""The floor with Python's garbage collector at rest, which a program can do that knows its pages.

A page of a scan is some ten thousand objects without cycles; the collector looks at them in vain.
"""

import gc

from benchmarks.contenders import floor


def migrate(url: str, old: str, new: str) -> None:
    gc.disable()
    try:
        floor.migrate(url, old, new)
    finally:
        gc.enable()
