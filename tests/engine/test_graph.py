"""The graph: everything that is wrong in one error, a stable order, drawings that no name can break."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.model.errors import TaskGraphError
from milepost.model.graph import TaskGraph
from milepost.model.task import Task

ODD_NAMES = [
    'say "hi"',
    "two\nlines",
    "a[b](c){d}",
    "end",
    "naïve 日本 🎉",
    "a-->b;%%",
    "&lt;b&gt;",
    "\\N",
    "#quot;",
    "<i>",
    "1. load",
    "- item",
    "__init__",
    "_",
    "`code`",
    "# head",
    "\u202eright to left",
    "[x](http://a.b)",
    " edge ",
]


def graph(edges: Mapping[str, Sequence[str]], priorities: Mapping[str, int] | None = None) -> TaskGraph:
    rank = priorities or {}
    return TaskGraph(Task(name, print, tuple(needs), priority=rank.get(name, 0)) for name, needs in edges.items())


def problems(edges: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    with pytest.raises(TaskGraphError) as caught:
        graph(edges).validate()
    return caught.value.problems


def test_a_good_graph_is_silent() -> None:
    graph({"a": [], "b": ["a"], "c": ["a", "b"]}).validate()
    TaskGraph([]).validate()


def test_everything_that_is_wrong_is_in_one_error() -> None:
    tasks = [
        Task("load", print),
        Task("load", print),
        Task("fit", print, ("laod", "laod")),
        Task("a", print, ("b",)),
        Task("b", print, ("a",)),
        Task("self", print, ("self",)),
        Task("behind", print, ("a",)),
    ]
    with pytest.raises(TaskGraphError) as caught:
        TaskGraph(tasks).validate()
    text = str(caught.value)
    assert len(caught.value.problems) == 4
    assert "2 tasks are named 'load'" in text
    assert "'fit' depends on 'laod', which is no task here; did you mean 'load'?" in text
    assert "a → b → a" in text
    assert "self → self" in text
    assert "behind" not in text


def test_the_path_of_a_circle_follows_the_arrows_of_the_graph() -> None:
    assert "a → b → c → a" in problems({"a": ["c"], "b": ["a"], "c": ["b"]})[0]


def test_a_circle_behind_another_is_found_too() -> None:
    found = problems({"a": ["z", "b"], "b": ["a"], "w": ["z"], "z": ["w"]})
    assert sorted(found) == [
        "these tasks wait for each other in a circle: a → b → a",
        "these tasks wait for each other in a circle: w → z → w",
    ]


def test_a_name_that_is_given_is_not_missing() -> None:
    tasks = [Task("b", print, ("a",))]
    TaskGraph(tasks, given={"a"}).validate()
    with pytest.raises(TaskGraphError, match="'a'"):
        TaskGraph(tasks).validate()


def test_a_chain_of_100_000_needs_no_recursion() -> None:
    names = [f"t{number}" for number in range(100_000)]
    chain = graph({name: [before] if before else [] for before, name in zip([None, *names], names, strict=False)})
    chain.validate()
    assert chain.order() == tuple(names)


def test_a_circle_of_100_000_is_told_shortly() -> None:
    names = [f"t{number}" for number in range(100_000)]
    (problem,) = problems({name: [names[number - 1]] for number, name in enumerate(names)})
    assert "more) →" in problem
    assert len(problem) < 500


def test_many_missing_dependencies_are_told_in_time() -> None:
    start = time.monotonic()
    assert len(problems({f"t{number}": [f"u{number}"] for number in range(20_000)})) == 20_000
    assert time.monotonic() - start < 20


def test_order_is_stable_and_takes_priority_among_what_is_ready() -> None:
    edges = {"c": [], "a": [], "b": ["a"], "z": []}
    assert graph(edges).order() == ("c", "a", "b", "z")
    assert graph(edges, {"z": 2, "b": 1}).order() == ("z", "c", "a", "b")


def test_order_refuses_a_circle() -> None:
    with pytest.raises(TaskGraphError, match="a → b → a"):
        graph({"a": ["b"], "b": ["a"]}).order()


def test_dependents_are_in_order_and_each_once() -> None:
    made = graph({"a": [], "c": ["a", "a"], "b": ["a"]})
    assert made.dependents("a") == ("c", "b")
    assert made.dependents("b") == ()
    assert made.dependencies("c") == ("a",)


@given(st.integers(1, 30), st.data())
def test_every_order_puts_dependencies_first(size: int, data: st.DataObject) -> None:
    edges = {str(n): [str(d) for d in data.draw(st.sets(st.integers(0, n - 1)))] if n else [] for n in range(size)}
    shuffled = dict(data.draw(st.permutations(list(edges.items()))))
    place = {name: index for index, name in enumerate(graph(shuffled).order())}
    assert len(place) == size
    assert all(place[needed] < place[name] for name, needs in edges.items() for needed in needs)


def test_mermaid_is_safe_against_odd_names() -> None:
    text = graph({**{name: [] for name in ODD_NAMES}, "last": ODD_NAMES}).to_mermaid()
    lines = text.splitlines()
    assert lines[0] == "graph TD"
    labels = [line for line in lines[1:] if "-->" not in line]
    assert len(labels) == len(ODD_NAMES) + 1
    plain = r"(?:[^\W_]|#\d+;|(?<=[^\W_])[ _-](?=[^\W_]))*"
    assert all(re.fullmatch(rf'  t\d+\["{plain}"\]', line) for line in labels)
    assert sum("-->" in line for line in lines) == len(ODD_NAMES)
    back = [re.sub(r"#(\d+);", lambda m: chr(int(m[1])), line.split('"')[1]) for line in labels]
    assert back == [*ODD_NAMES, "last"]


def test_mermaid_labels_are_no_markdown() -> None:
    """Rendered once by hand with Mermaid 10.2, 10.9, 11.0, 11.4, 11.8 and 11.17: each name is read back as it is."""
    text = graph({name: [] for name in ("1. load", "- item", "__init__", "snake_case-name 2", "www.x.org", "_")})
    labels = [line.split('"')[1] for line in text.to_mermaid().splitlines()[1:]]
    assert labels == [
        "1#46;#32;load",
        "#45;#32;item",
        "#95;#95;init#95;#95;",
        "snake_case-name 2",
        "www#46;x#46;org",
        "#95;",
    ]


def test_mermaid_cuts_very_long_names() -> None:
    text = graph({f"{'x' * 100_000}{number}": [] for number in range(3)}).to_mermaid()
    assert len(text) < 500
    assert [line[-3] for line in text.splitlines()[1:]] == ["0", "1", "2"]


def test_dot_is_safe_against_odd_names() -> None:
    text = graph({**{name: [] for name in [*ODD_NAMES, "null\0", "half \ud800"]}, "last": ODD_NAMES}).to_dot()
    text.encode()
    assert '[label="say \\"hi\\""]' in text
    assert '[label="two\\nlines"]' in text
    assert '[label="&amp;lt;b&amp;gt;"]' in text
    assert '[label="\\\\N"]' in text


def test_graphviz_reads_the_names_back() -> None:
    text = graph({name: [] for name in ODD_NAMES}).to_dot()
    dot = shutil.which("dot") or f"{sysconfig.get_path('scripts')}/graphviz-pure"
    svg = subprocess.run([dot, "-Tsvg"], input=text.encode(), capture_output=True, check=True).stdout.decode()
    assert svg.count('class="node"') == len(ODD_NAMES)
    assert "&amp;lt;b&amp;gt;" in svg
