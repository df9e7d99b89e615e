"""Which names share something, as `milepost check` compares it between kernels."""

from __future__ import annotations

import numpy as np

from milepost.checking.aliases import shared


def test_pieces_of_a_split_array_share_nothing() -> None:
    one, other = np.split(np.arange(6), [3])
    assert shared({"one": one, "other": other}) == []


def test_views_that_reach_into_each_other_share_memory() -> None:
    whole = np.arange(6)
    found = shared({"whole": whole, "head": whole[:2], "tail": whole[4:], "again": whole[:2]})
    assert found == [["again", "head", "tail", "whole"]]
    assert shared({"head": whole[:3], "middle": whole[2:5], "end": whole[5:]}) == [["head", "middle"]]


def test_one_list_in_two_places() -> None:
    inner: list[int] = []
    assert shared({"a": inner, "b": [inner], "c": []}) == [["a", "b[0]"]]
