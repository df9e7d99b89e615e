"""Which variables a suspended generator may still read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from milepost.analysis.liveness import live_after


def fresh(items: list[Any]) -> Iterator[Any]:
    for item in items:
        made = [item]
        yield made


def filled_again(items: list[Any]) -> Iterator[Any]:
    made = []
    for item in items:
        made.append(item)
        yield made


def read_afterwards(items: list[Any]) -> Iterator[Any]:
    for item in items:
        made = [item]
        yield made
        items += made


def read_on_one_way(items: list[Any]) -> Iterator[Any]:
    made, other = [0], [1]
    yield made
    made = other if items else made
    yield made


def read_where_it_is_closed(items: list[Any]) -> Iterator[Any]:
    for item in items:
        made = [item]
        try:
            yield made
        finally:
            items += made


def within_a_with(items: list[Any]) -> Iterator[Any]:
    with suppress(KeyError):
        for item in items:
            made = [item]
            yield made


def shared_with_a_function(items: list[Any]) -> Iterator[Any]:
    for item in items:
        made = [item]
        yield made
    items += (lambda: made)()


def deleted(items: list[Any]) -> Iterator[Any]:
    made = items[:]
    yield made
    del made
    yield items


@pytest.mark.parametrize(
    ("generator", "live"),
    [
        (fresh, False),
        (filled_again, True),
        (read_afterwards, True),
        (read_on_one_way, True),
        (read_where_it_is_closed, True),
        (within_a_with, False),
        (shared_with_a_function, True),
        (deleted, False),
    ],
)
def test_what_is_live_after_the_first_item(generator: Callable[[list[Any]], Any], live: bool) -> None:
    made = generator([1, 2])
    next(made)
    assert ("made" in live_after(made.gi_code, made.gi_frame.f_lasti)) is live
