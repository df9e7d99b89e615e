"""The snippets of the README on own parts, with those of the section before: taken from it, and run."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.engine.helpers import WAIT

from milepost import EventKind
from milepost.engine.plugins import ENTRY_POINTS

README = (Path(__file__).parents[2] / "README.md").read_text()


def snippets(heading: str) -> list[str]:
    """The Python of a section, up to the next heading."""
    section = re.split(r"^#+ .*$", README.split(f"{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)


SCRIPT = snippets("## In a script")
ONCE = snippets("### What must not happen twice")
RULES = snippets("### Rules for tasks and runs")
PARTS = snippets("### Your own parts")


def run(*code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own, as the user would."""
    command = [sys.executable, "-W", "error", "-c", "\n".join(code)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WAIT, check=False)


def printed(*code: str, folder: Path) -> list[str]:
    done = run(*SCRIPT, *code, folder=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    first, *rest = done.stdout.splitlines()
    assert first == "[1, 4, 9]"
    return rest


def part(words: str) -> str:
    (found,) = [text for text in PARTS if words in text]
    return found


def test_the_section_is_there() -> None:
    assert len(SCRIPT) == 3
    assert len(ONCE) == 1
    assert len(RULES) == 2
    assert len(PARTS) == 6


def test_maps_in_a_script_are_saved(tmp_path: Path) -> None:
    told = "print([outcome.restored for outcome in runner.state.snapshot().values()])"
    assert printed(told, folder=tmp_path)[-1] == str([False] * 5)
    assert printed(told, folder=tmp_path)[-1] == str([True] * 5)


def test_what_must_not_happen_twice(tmp_path: Path) -> None:
    (paid,) = printed(*ONCE, folder=tmp_path)
    assert re.fullmatch("paid under [0-9a-f]{32}", paid)
    assert printed(*ONCE, folder=tmp_path) == [paid]


def test_rules_for_tasks_and_runs(tmp_path: Path) -> None:
    check = """
print(results["report"].data, results["late"].error, results["poll"].data)
print([text.split("\\n")[0][:12] for text in drawings])
"""
    first, second, *table, last, drawn = printed(*RULES, check, folder=tmp_path)
    ended = {"poll": "success", "extra": "failure", "mail": "skipped", "late": "failure", "report": "success"}
    assert ast.literal_eval(first) == ended
    assert ast.literal_eval(second) <= {"cancelled", "success", "failure", "skipped"}
    assert [row.split()[0] for row in table] == ["task", *ended]
    assert last == "ada: {'poll': 'done', 'extra': None} TaskTimeout: it took longer than its 0.1 s done"
    assert ast.literal_eval(drawn) == ["graph TD", "digraph task", '<svg xmlns="']


def test_a_listener(tmp_path: Path) -> None:
    assert printed(part("lambda event: print(event.task"), folder=tmp_path) == ["fetch success", "total success"]


def test_a_strategy(tmp_path: Path) -> None:
    check = """
from milepost.ports import ExecutionStrategy
assert isinstance(OneAtATime(None), ExecutionStrategy)
free = []
look = lambda: free.append(OneAtATime.turn.locked())
TaskRunnerBuilder().use_strategy(OneAtATime).build().run([Task("a", look), Task("b", look)])
print(free)
"""
    assert printed(part("class OneAtATime"), check, folder=tmp_path) == ["[True, True]"]


def test_a_plugin(tmp_path: Path) -> None:
    assert printed(part("class Alarm"), folder=tmp_path) == ["failed: divide"]


def test_an_executor(tmp_path: Path) -> None:
    check = """
from milepost.ports import Executor
assert isinstance(Cluster(), Executor)
print(runner.snapshot()["far"].data)
"""
    assert printed(part("class Cluster"), check, folder=tmp_path) == ["60"]


def test_the_contract_of_an_executor(tmp_path: Path) -> None:
    (tmp_path / "test_cluster.py").write_text("\n".join([SCRIPT[0], part("class Cluster"), part("ExecutorContract")]))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_cluster.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=WAIT, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\b1\d passed", done.stdout)


def test_logs_and_spans(tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry")
    done = run(*SCRIPT, part("basicConfig"), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["task"] for line in lines if line["event"] == "task_end"] == ["fetch", "total"]


def test_what_it_says_of_events_and_entry_points_is_so() -> None:
    section = README.split("### Your own parts", 1)[1].split("\n## ", 1)[0]
    assert f"`{ENTRY_POINTS}`" in section
    named = re.findall(r"\b(?:task|workflow)_[a-z]+", section)
    assert named
    assert set(named) <= set(EventKind)
