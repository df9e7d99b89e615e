"""The global random generators: `random`, NumPy's and torch's, when they are loaded.

A task that draws from a generator depends on the state it found it in, and leaves it in another. An unseeded
generator starts differently in every kernel, so its first state says nothing: states count from the first mention of
a seed in any cell on, where they are not what they were before it. A task that seeds a generator before it draws does
not depend on what it found.
"""

from __future__ import annotations

import functools
import random
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from milepost.analysis.digest import digest
from milepost.model.record import Record

UNSEEDED = "unseeded"
"""What stands for the state of a generator that nobody seeded."""

_SEEDS = re.compile(r"\b(seed|seed_all|seed_everything|set_seed|set_state|setstate|manual_seed\w*|set_rng_state)\s*\(")


def mentions_seed(source: str) -> bool:
    """Whether code seems to seed a global generator."""
    return bool(_SEEDS.search(source))


def read_states() -> dict[str, Any]:
    """The state of each loaded generator, by library."""
    return {name: read() for name, (read, _) in _GENERATORS.items() if _loaded(name)}


def restore_states(states: Mapping[str, Any]) -> None:
    """Put generators back into these states; a library that is not loaded is loaded for it."""
    for name, state in states.items():
        __import__(name)
        _GENERATORS[name][1](state)


def state_digests(states: Mapping[str, Any]) -> dict[str, str]:
    """A digest of each state."""
    return {name: digest(state).hex for name, state in states.items()}


class Seeds:
    """Whether somebody seeded the generators of this process."""

    def __init__(self) -> None:
        self.mentioned = False
        self._unseeded: Mapping[str, Any] = {}

    def before_cell(self) -> None:
        """Until a seed is mentioned, states say nothing, nor do these later."""
        if not self.mentioned:
            self._unseeded = read_states()

    def mention(self) -> None:
        """A cell that ran, or a module of the project, seems to seed."""
        self.mentioned = True

    def mentioned_with(self, code: str) -> bool:
        """Whether a seed was mentioned, this code among all."""
        return self.mentioned or mentions_seed(code)

    def told(self, library: str, state: str | None) -> str | None:
        """What the digest of a state says."""
        return state if self.mentioned and self._before.get(library) != state else UNSEEDED

    def meaning(self, states: Mapping[str, Any], code: str) -> dict[str, str]:
        """What these states say to code that may seed itself, by library."""
        counts, before = self.mentioned_with(code), state_digests(self._unseeded)
        found = state_digests(states)
        return {name: state if counts and before.get(name) != state else UNSEEDED for name, state in found.items()}

    @functools.cached_property
    def _before(self) -> Mapping[str, str]:
        """The states before the cell that mentioned a seed first."""
        return state_digests(self._unseeded)


def drawn(
    before: Mapping[str, str], seeds: Seeds, noted: Mapping[str, str] | None = None, *, loads: bool = False
) -> tuple[dict[str, str], dict[str, Any]]:
    """The generators that moved since these digests were taken: where they were (if that matters), and are.

    `noted` has where those were that the body seeded, just before; `loads` says that generators count which the body
    loaded.
    """
    states, noted = read_states(), noted or {}
    after = state_digests(states)
    moved = [name for name in after if before.get(name, "" if loads else after[name]) != after[name]]
    matters = [name for name in moved if name in before and noted.get(name) != before[name]]
    return {name: str(seeds.told(name, before[name])) for name in matters}, {name: states[name] for name in moved}


def random_mismatch(record: Record, seeds: Seeds) -> str:
    """Which generator is not where the task found it when it was saved, in words; "" when all are."""
    drawn_from = record.extra.get("random", {})
    digests = state_digests(read_states()) if drawn_from else {}
    for library, found in drawn_from.items():
        if seeds.told(library, digests.get(library)) != found:
            return f"the random generator of {library!r} is in another state than when it was saved"
    return ""


def _loaded(name: str) -> bool:
    return name in sys.modules and (name != "numpy" or "numpy.random" in sys.modules)


def _torch_read() -> Any:
    return sys.modules["torch"].get_rng_state().numpy()


def _torch_restore(state: Any) -> None:
    torch = sys.modules["torch"]
    torch.set_rng_state(torch.from_numpy(state.copy()))


_GENERATORS: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
    "random": (random.getstate, random.setstate),
    "numpy": (
        lambda: sys.modules["numpy"].random.get_state(),
        lambda state: sys.modules["numpy"].random.set_state(state),
    ),
    "torch": (_torch_read, _torch_restore),
}
