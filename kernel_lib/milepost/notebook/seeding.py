"""Sees a body seed a generator: what it draws afterwards does not depend on where it found that one."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator, MutableMapping
from typing import Any

from milepost.notebook.random_state import read_states, state_digests

_FUNCTIONS = (("random", "seed", "random"), ("numpy.random", "seed", "numpy"), ("torch", "manual_seed", "torch"))
"""Module and name of each function that seeds, and the library whose generator it is."""


class Seeding:
    """What was seen while a body ran: `noted` has the digests of the states just before each was seeded first."""

    def __init__(self) -> None:
        self.noted: dict[str, str] = {}
        self._swapped: list[tuple[Any, str, Any, Any]] = []

    @contextlib.contextmanager
    def watching(self, namespace: MutableMapping[str, Any]) -> Iterator[None]:
        """Look at libraries that are loaded by now; a name that the body binds to such a function gets the real one."""
        for module, name, library in _FUNCTIONS:
            if module in sys.modules:
                self._put(sys.modules[module], name, library)
        try:
            yield
        finally:
            self._put_back(namespace)

    def _put(self, module: Any, name: str, library: str) -> None:
        original = getattr(module, name)

        @functools.wraps(original)
        def seeding(*args: Any, **options: Any) -> Any:
            if library not in self.noted:
                self.noted[library] = state_digests(read_states()).get(library, "")
            return original(*args, **options)

        setattr(module, name, seeding)
        self._swapped.append((module, name, original, seeding))

    def _put_back(self, namespace: MutableMapping[str, Any]) -> None:
        for module, name, original, seeding in self._swapped:
            if getattr(module, name, None) is seeding:
                setattr(module, name, original)
            for bound in [key for key, value in namespace.items() if value is seeding]:
                namespace[bound] = original
