"""What a value is made of, as `milepost check` tells where two differ."""

from __future__ import annotations

import threading
import types

from milepost.checking.parts import parts


class Mine:
    """As a notebook's own class."""

    def __init__(self, held: object) -> None:
        self.held, self.number = held, 1


Mine.__module__ = "__main__"


def test_an_object_without_content_is_taken_apart_where_it_is_the_notebooks_own() -> None:
    lock = threading.Lock()
    assert list(parts(Mine(lock), {})[4]) == [".held", ".number"]
    assert list(parts([lock, 1], {})[4]) == ["[0]", "[1]"]


def test_an_installed_packages_object_without_content_is_not_taken_apart() -> None:
    assert parts(types.SimpleNamespace(lock=threading.Lock(), number=1), {})[4] == {}
    assert list(parts(types.SimpleNamespace(number=1), {})[4]) == [".number"]


def test_parts_that_all_lead_to_one_another_come_to_an_end() -> None:
    leaf = list(range(50))
    many = [[[leaf] * 50] * 50] * 50
    assert _count(parts(many, {})) <= 5_001


def _count(part: list[object]) -> int:
    inner = part[4]
    assert isinstance(inner, dict)
    return 1 + sum(map(_count, inner.values()))
