"""Large flat containers: hashed once, compared afterwards, and the same digest whether they were known or not."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from milepost.analysis import flat
from milepost.analysis.digest import digest
from milepost.analysis.flat import LARGE, MOST, about, content_of, forget_unused, known_flat, unchanging

COUNT = LARGE + 1
MADE: dict[str, Callable[[], Any]] = {
    "words": lambda: [f"word {number}" for number in range(COUNT)],
    "tuple": lambda: tuple(range(COUNT)),
    "pairs": lambda: [(number, str(number)) for number in range(COUNT)],
    "counts": lambda: {f"word {number}": number for number in range(COUNT)},
    "texts": lambda: {f"word {number}" for number in range(COUNT)},
    "hands": lambda: {(number, "x") for number in range(COUNT)},
    "frozen": lambda: frozenset(float(number) for number in range(COUNT)),
}


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    flat._known.clear()
    yield
    flat._known.clear()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The containers that are hashed."""
    found: list[Any] = []
    make = flat._flat

    def noted(container: Any) -> Any:
        found.append(container)
        return make(container)

    monkeypatch.setattr(flat, "_flat", noted)
    return found


@pytest.mark.parametrize("kind", MADE)
class TestEach:
    def test_it_is_hashed_once_wherever_it_is(self, kind: str, hashed: list[Any]) -> None:
        value = MADE[kind]()
        first = digest(value)
        assert [digest(value), digest(value)] == [first, first]
        digest({"within": [value]})
        assert len(hashed) == 1

    def test_a_copy_has_the_same_digest(self, kind: str, hashed: list[Any]) -> None:
        assert digest(MADE[kind]()).hex == digest(MADE[kind]()).hex
        assert len(hashed) == 2


CHANGES: dict[str, tuple[str, Callable[[Any], object]]] = {
    "another item": ("words", lambda value: value.__setitem__(5, "other")),
    "another type": ("words", lambda value: value.__setitem__(5, b"word 5")),
    "one more": ("words", lambda value: value.append("word 0")),
    "one less": ("words", lambda value: value.pop()),
    "another order": ("words", lambda value: value.reverse()),
    "another pair": ("pairs", lambda value: value.__setitem__(5, (5, "6"))),
    "another value": ("counts", lambda value: value.__setitem__("word 5", 6)),
    "True for 1": ("counts", lambda value: value.__setitem__("word 1", True)),
    "1.0 for 1": ("counts", lambda value: value.__setitem__("word 1", 1.0)),
    "-0.0 for 0": ("counts", lambda value: value.__setitem__("word 0", -0.0)),
    "another key": ("counts", lambda value: value.__setitem__("new", value.pop("word 5"))),
    "moved to the end": ("counts", lambda value: value.__setitem__("word 5", value.pop("word 5"))),
    "one for another": ("texts", lambda value: (value.remove("word 5"), value.add("word x"))),
    "a list within": ("words", lambda value: value.__setitem__(5, ["word 5"])),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change: str) -> None:
    kind, do = CHANGES[change]
    value = MADE[kind]()
    before = digest(value).hex
    do(value)
    after = digest(value).hex
    flat._known.clear()
    assert after == digest(value).hex != before


def test_what_can_change_is_not_remembered() -> None:
    inner = ["x"]
    value = [*MADE["words"](), inner]
    before = digest(value).hex
    inner.append("y")
    assert digest(value).hex != before
    assert content_of(value) is None
    assert content_of([(1, ["x"])] * COUNT) is None


@pytest.mark.parametrize("kind", ["texts", "hands", "frozen"])
def test_the_order_of_a_set_does_not_count(kind: str) -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from tests.analysis.test_flat import MADE\n"
        "from milepost.analysis.digest import digest\n"
        "print(digest(MADE[sys.argv[1]]()).hex)"
    )
    command = [sys.executable, "-c", code, kind, *sys.path]
    found = {
        subprocess.run(command, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout
        for seed in ("1", "2")
    }
    assert found == {digest(MADE[kind]()).hex + "\n"}


def test_what_nobody_else_holds_is_let_go() -> None:
    kept, texts = MADE["words"](), MADE["tuple"]()
    for value in (kept, MADE["counts"](), texts):
        digest(value)
    del value, texts
    forget_unused()
    assert [known.container is kept for known in flat._known.values()] == [True]


@pytest.mark.parametrize("kind", ["words", "counts", "texts"])
def test_what_an_emptied_container_held_is_let_go(kind: str) -> None:
    value = MADE[kind]()
    digest(value)
    value.clear()
    forget_unused()
    assert not flat._known


def test_what_is_no_more_what_it_was_is_let_go() -> None:
    value = MADE["words"]()
    digest(value)
    value[5] = ["other"]
    digest(value)
    assert not flat._known


def test_not_more_than_so_many_are_remembered() -> None:
    values = [MADE["words"]() for _ in range(MOST + 1)]
    for value in values:
        content_of(value)
    assert len(flat._known) == MOST
    assert known_flat(values[0]) is None
    assert known_flat(values[-1]) is not None


def test_what_was_made_for_the_walk_is_not_remembered() -> None:
    np = pytest.importorskip("numpy")
    array = np.array(MADE["words"](), dtype=object)
    assert digest(array).hex == digest(array.copy()).hex
    assert not flat._known


def test_a_container_that_changes_while_it_is_hashed_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    value, make = MADE["words"](), flat._bytes

    def meanwhile(*seen: Any) -> bytes:
        thread = threading.Thread(target=value.append, args=("more",))
        thread.start()
        thread.join()
        return make(*seen)

    monkeypatch.setattr(flat, "_bytes", meanwhile)
    content_of(value)
    assert known_flat(value) is None


def test_a_moment_without_changes_compares_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[Any] = []
    same = flat._same
    value = MADE["words"]()
    digest(value)
    monkeypatch.setattr(flat, "_same", lambda container, held: compared.append(container) or same(container, held))
    with unchanging():
        digest(value)
        digest([value])
    assert len(compared) == 1
    digest(value)
    assert len(compared) == 2


def test_about_how_many_parts() -> None:
    assert about(7) == about(object()) == 1
    assert about([1] * 1000) == 2000
    assert about({"a": [(n, 2) for n in range(100)]}) == 501


def test_what_is_shared_counts_once_and_the_first_few_do_not_stand_for_all() -> None:
    row = [0] * 1000
    assert about([row] * 1000) == 3000
    assert about([[0] * 1000, *range(999)]) < 1_000_000
