"""Something of Python that stands in another's place while any body runs."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Swap:
    """Puts it there for the first body that begins, and back after the last one that ends. Safe for threads."""

    def __init__(self, put: Callable[[], None], put_back: Callable[[], None]) -> None:
        self._put = put
        self._put_back = put_back
        self._lock = threading.Lock()
        self._users = 0

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._put()

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._put_back()
