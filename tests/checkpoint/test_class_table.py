"""The table of classes, made whole: nothing fails, and what is computed again says why."""

from __future__ import annotations

import pytest

from .classes import REFUSED, SAVED
from .kishu import ROWS
from .table import FAILED, NOT_INSTALLED, RECOMPUTED, SAVED_AND_EQUAL, Outcome, counts, markdown, outcomes

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def found() -> list[Outcome]:
    return list(outcomes())


def test_no_class_fails(found: list[Outcome]) -> None:
    assert [one for one in found if one.outcome == FAILED] == []


def test_what_is_computed_again_says_why(found: list[Outcome]) -> None:
    again = {one.name: one.why for one in found if one.outcome == RECOMPUTED}
    assert all(again.values())
    assert {name for name in again if name not in REFUSED} <= LIVE


LIVE = {"hashlib", "itertools"}
"""Of Kishu's list: the state of a hash, and an iterator of itertools, keep a place that nothing gives."""


def test_all_of_kishus_list_that_is_installed_is_there(found: list[Outcome]) -> None:
    kishu = [one for one in found if one.table == "Kishu"]
    assert len(kishu) == len(ROWS)
    tried = [one for one in kishu if one.outcome != NOT_INSTALLED]
    assert {one.outcome for one in tried} <= {SAVED_AND_EQUAL, RECOMPUTED}, [
        one for one in tried if one.outcome not in (SAVED_AND_EQUAL, RECOMPUTED)
    ]
    assert sum(one.outcome == SAVED_AND_EQUAL for one in tried) >= 75


def test_the_table_has_a_line_for_each(found: list[Outcome]) -> None:
    assert len(found) == len(ROWS) + len(REFUSED) + sum(map(len, SAVED.values()))
    lines = list(markdown(found))
    assert len(lines) == len(found) + 2
    assert all(line.count(" | ") >= 3 for line in lines[2:])
    assert "classes" in next(counts(found))
