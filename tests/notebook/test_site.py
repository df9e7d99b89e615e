"""Where a loop stands in its code: what a cell may have bound before it, and which of its `for` statements it is."""

from __future__ import annotations

import linecache
import sys
from types import FrameType

import pytest

from milepost.tracking.site import bound_by_now, site_of

CELL = """
import os.path as p, json
before = 1
if before:
    chosen = 2
    with open('x') as f: pass
else:
    other = 3
match before:
    case [first, *rest]: pass
    case whole: pass
def function(argument):
    local = 1
class Class:
    inside = 1
for outer in [1]:
    pass
    again = 1
    for inner in look():
        late = 1
result = look()
after = 1
"""


class Seen:
    """Iterates over nothing, and notes what its caller may have bound."""

    def __init__(self) -> None:
        self.bound: list[frozenset[str]] = []
        self.statements: list[str] = []

    def look(self, frame: FrameType) -> None:
        self.bound.append(bound_by_now(frame))
        site = site_of(frame)
        self.statements.append(site.statement if site is not None else "")

    def __iter__(self) -> Seen:
        self.look(sys._getframe(1))
        return self

    def __next__(self) -> None:
        raise StopIteration


def run(text: str, seen: Seen) -> None:
    lines = text.splitlines(keepends=True)
    linecache.cache["<cell>"] = (len(text), None, lines, "<cell>")

    def look() -> Seen:
        seen.look(sys._getframe(1))
        return seen

    exec(compile(text, "<cell>", "exec"), {"look": look, "open": lambda name: _Nothing()})


class _Nothing:
    def __enter__(self) -> None: ...
    def __exit__(self, *exc: object) -> None: ...


def test_what_comes_before_counts_and_what_is_in_a_loop_around() -> None:
    seen = Seen()
    run(CELL, seen)
    first = {"p", "json", "before", "chosen", "f", "other", "first", "rest", "whole", "function", "Class", "outer"}
    within = first | {"again", "inner", "late"}
    assert seen.bound == [within, within, within], "the call, the loop, the call after both"


@pytest.mark.parametrize("same", [True, False])
def test_statements_are_told_apart_by_their_place_and_their_code(same: bool) -> None:
    one, two = Seen(), Seen()
    run("for i in look(): print(i)\nfor i in look(): print(i)\n", one)
    run("# a comment\n\nfor i in look():\n    print(i)\n" if same else "for i in look(): print(-i)\n", two)
    statements = [each for each in (*one.statements, *two.statements) if each]
    assert len(set(statements)) == (2 if same else 3)
