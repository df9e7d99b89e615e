"""The global random generators: `random`, NumPy's and torch's, when they are loaded.

A task that draws from a generator depends on the state it found it in, and leaves it in another. An unseeded
generator starts differently in every kernel, so its first state says nothing; from the first mention of a seed in
any cell on, states count.
"""

from __future__ import annotations

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


def drawn(before: Mapping[str, str], *, seeded: bool) -> tuple[dict[str, str], dict[str, Any]]:
    """The generators that moved since these digests were taken: where they were (if that says anything), and are.

    One that was loaded since may have been drawn from, or seeded: it moved.
    """
    states = read_states()
    moved = [name for name, after in state_digests(states).items() if before.get(name) != after]
    found = {name: before.get(name, UNSEEDED) if seeded else UNSEEDED for name in moved}
    return found, {name: states[name] for name in moved}


def random_mismatch(record: Record, digests: Mapping[str, str], seeded: bool) -> str:
    """Which generator is not where the task found it when it was saved, in words; "" when all are."""
    for library, found in record.extra.get("random", {}).items():
        now = digests.get(library, UNSEEDED) if seeded else UNSEEDED
        if now != found:
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
