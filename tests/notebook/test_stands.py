"""Whether a value still is what a task left, where a restore gives it another digest."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from milepost.analysis.digest import digest
from milepost.model.record import Record
from milepost.notebook.inputs import Stands
from milepost.notebook.ledger import Known
from milepost.notebook.namespace import Namespace

RESTORED = {"fitted": [1, 2]}


def test_what_a_restore_gives_is_built_once_for_all_cells_that_read_it() -> None:
    built: list[str] = []

    def reload(known: Known, name: str) -> Any:
        built.append(name)
        return RESTORED

    stands = Stands(Namespace(SimpleNamespace(user_ns={}, user_ns_hidden={})), reload)
    known = Known("fit", "as it was left", Record(task="fit", key="k", saved_at="today"))
    newer = Known("fit", "as it was left", Record(task="fit", key="k", saved_at="tomorrow"))
    same, other = digest(RESTORED).hex, digest({"fitted": [1, 3]}).hex
    assert [stands(known, "model", local) for local in (same, same, other, other, same)] == [1, 1, 0, 0, 1]
    assert len(built) == 2, "once for each digest that was asked for"
    assert stands(newer, "model", same)
    assert len(built) == 3, "another record may hold something else"
