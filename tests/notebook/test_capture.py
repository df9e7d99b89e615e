"""What stands in the place of the kernel's streams while a task runs."""

from __future__ import annotations

import gc

from milepost.notebook.capture import _Tee


class Stream:
    def __init__(self) -> None:
        self.flushes = 0

    def flush(self) -> None:
        self.flushes += 1


def test_one_that_is_collected_leaves_the_stream_alone() -> None:
    """In whatever thread that happens: a flush there waited for the kernel's own thread, which waited for it."""
    stream = Stream()
    tee = _Tee("stdout", stream)
    tee.flush()
    assert stream.flushes == 1
    del tee
    gc.collect()
    assert stream.flushes == 1
