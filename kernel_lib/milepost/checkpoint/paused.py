"""A pause that outlives the kernel: a small file in the store, there while the run is paused."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import Any

from milepost.checkpoint.atomic import write_file
from milepost.checkpoint.layout import Layout
from milepost.checkpoint.plain import open_plain
from milepost.model.errors import StoreUnwritableError

_LONGEST = 1000


class Paused:
    """That of one store."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    @property
    def since(self) -> str:
        """When the run was paused, an ISO 8601 time in UTC; "" where it is not.

        Whatever the file holds, it is there: who damages it must not have tasks start.
        """
        try:
            with open(open_plain(self._layout.paused), "rb") as file:
                facts: Any = json.loads(file.read(_LONGEST))
            return datetime.fromisoformat(facts["at"]).isoformat(timespec="seconds")
        except FileNotFoundError:
            return ""
        except (OSError, ValueError, TypeError, KeyError):
            return "an unknown time" if os.path.isfile(self._layout.paused) else ""

    def set(self, paused: bool) -> None:
        """Pause or go on, for all kernels to come.

        Raises
        ------
        StoreUnwritableError
            When that cannot be written.
        """
        file = self._layout.paused
        try:
            if paused and not file.is_file():
                self._layout.require_readable()
                self._layout.create()
                at = datetime.now(UTC).isoformat(timespec="seconds")
                write_file(file, json.dumps({"at": at}).encode(), durable=True)
            elif not paused:
                file.unlink(missing_ok=True)
        except OSError as error:
            words = f"{self._layout.root} cannot be written ({error.strerror or error})"
            raise StoreUnwritableError(f"{words}: this ends with the kernel") from error
