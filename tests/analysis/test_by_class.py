"""Classes that a notebook defines again and again go when it lets go of them."""

from __future__ import annotations

import gc
import weakref

from milepost.analysis.digest import digest
from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.model.by_class import ByClass
from milepost.notebook.reach import reach_of


def defined() -> type:
    return type("Model", (), {"__module__": "__main__", "data": [1, 2]})


def test_what_looks_at_a_value_keeps_its_class_no_longer_than_others_do() -> None:
    kind = defined()
    gone = weakref.ref(kind)
    assert digest(kind()).hex
    assert reach_of(kind()).parts
    NotebookSerializer({}).dump({"model": kind()})
    del kind
    gc.collect()
    assert gone() is None


def test_it_is_worked_out_once_for_each_class() -> None:
    asked: list[str] = []

    @ByClass
    def name_of(kind: type) -> str:
        asked.append(kind.__name__)
        return kind.__name__

    assert [name_of(kind) for kind in (int, str, int)] == ["int", "str", "int"]
    assert asked == ["int", "str"]


def test_a_class_in_the_place_of_one_that_went_is_another() -> None:
    counted = ByClass(lambda kind: kind.__qualname__)
    for number in range(100):  # most get the address of the one before
        assert counted(type(f"K{number}", (), {})) == f"K{number}"
        gc.collect(0)  # the class is young
    assert len(counted._known) <= 1
