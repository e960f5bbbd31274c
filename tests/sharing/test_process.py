"""What a run has to do with its process: signals, and the standard streams."""

from __future__ import annotations

import asyncio
import io
import signal
import sys
from collections.abc import Iterator

import pytest

from dualtable._sharing.process import SteadyStream, stopping_on
from dualtable.errors import DualTableError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

BOTH = (signal.SIGUSR1, signal.SIGUSR2)


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """What has been heard of the signals by who listened before."""
    heard: list[int] = []
    before = {name: signal.signal(name, lambda name, _: heard.append(name)) for name in BOTH}
    yield heard
    for name, handler in before.items():
        signal.signal(name, handler)


@pytest.mark.parametrize("first", BOTH)
@pytest.mark.parametrize("second", BOTH)
async def test_the_second_signal_has_its_usual_effect(
    heard: list[int], first: signal.Signals, second: signal.Signals
) -> None:
    """That is what the process has set for it before, and not to be killed."""
    stopped = asyncio.Event()
    with stopping_on([*BOTH, first], stopped.set):
        signal.raise_signal(first)
        await stopped.wait()
        assert heard == []
        signal.raise_signal(second)
        await asyncio.sleep(0)
        assert heard == [second]


async def test_signals_are_given_back(heard: list[int]) -> None:
    """Also where none came, and where one of them cannot be listened to."""
    with stopping_on(BOTH, lambda: None):
        pass
    refused = stopping_on([*BOTH, signal.SIGKILL], lambda: None)
    with pytest.raises(DualTableError, match="cannot handle it"), refused:
        pass
    for name in BOTH:
        signal.raise_signal(name)
    assert heard == [*BOTH]


class Full(io.StringIO):
    """A disk that takes nothing any more."""

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_stream_stops_nobody() -> None:
    """What it does not take is lost; the first reason is kept."""
    stream = SteadyStream(Full())
    print("one", file=stream)
    assert stream.failure is None
    stream.flush()
    stream.close()
    stream.writelines(["two", "three"])
    assert isinstance(stream.failure, OSError)
    assert not isinstance(stream.failure, ValueError)
    assert stream.closed
