"""Cancelling a cell that runs in the main thread: it is interrupted as by the stop button."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

from milepost.model.cancel import CancelSignal


@contextlib.contextmanager
def stoppable(cancel: CancelSignal) -> Iterator[None]:
    """Let a cancel interrupt the body of the `with`, and nothing after it."""
    lock, inside = threading.Lock(), [True]

    def strike() -> None:
        with lock:
            if inside:
                _interrupt_main()

    unsubscribe = cancel.on_cancel(strike)
    try:
        yield
    finally:
        unsubscribe()
        with contextlib.suppress(KeyboardInterrupt), lock:  # one that is on its way arrives here
            inside.clear()


def _interrupt_main() -> None:
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)
