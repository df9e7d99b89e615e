"""Bad input: one clear error or warning, and nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.notebook.conftest import Start
from tests.notebook.kernel import Kernel, Reply

from milepost.checkpoint.layout import marker

pytestmark = pytest.mark.slow


def refused(reply: Reply, name: str, *words: str) -> None:
    """The cell was refused with one message of our own, which holds these words, and no traceback."""
    assert reply.status == "error"
    assert reply.ename == name, reply.traceback
    assert all(word in reply.evalue for word in words), reply.evalue
    assert "line" not in reply.traceback or "magics.py" not in reply.traceback


def intact(kernel: Kernel) -> None:
    """What was there before still is, and new tasks run and are saved."""
    assert kernel.status()["first"]["saved"] is True
    assert kernel.value("first") == 1
    kernel.run_ok("%%task other\nother = first + 1")
    assert kernel.status()["other"]["saved"] is True


@pytest.fixture
def kernel(start: Start) -> Kernel:
    kernel = start()
    kernel.run_ok("%%task first\nfirst = 1", "cell-a")
    return kernel


def test_a_cycle(kernel: Kernel) -> None:
    kernel.run_ok("%%task second --after first\nsecond = 2", "cell-b")
    reply = kernel.run("%%task first --after second\nfirst = 5", "cell-a")
    refused(reply, "TaskGraphError", "circle", "first → second → first")
    intact(kernel)


def test_two_cells_with_one_name(kernel: Kernel) -> None:
    reply = kernel.run("%%task first\nfirst = 'another'", "cell-b")
    refused(reply, "TaskGraphError", "'first'", "cell-a", "cell-b", "first = 1", "first = 'another'")
    intact(kernel)
    kernel.run_ok("%%task first\nfirst = 1\n# edited", "cell-a")


def test_two_cells_with_one_name_without_ids(start: Start, tmp_path: Path) -> None:
    sources = ["%load_ext milepost", "%%task first\nfirst = 1", "%%task first\nfirst = 'another'"]
    cells = [
        {"cell_type": "code", "source": s, "metadata": {}, "outputs": [], "execution_count": None} for s in sources
    ]
    (tmp_path / "nb.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    kernel = start(notebook="")
    kernel.run_ok(sources[1])
    refused(kernel.run(sources[2]), "TaskGraphError", "'first'", "first = 1", "first = 'another'")
    intact(kernel)


def test_a_cell_and_a_function_with_one_name(kernel: Kernel) -> None:
    reply = kernel.run("from milepost import task\n@task\ndef first():\n    return 2")
    refused(reply, "TaskGraphError", "'first'")
    intact(kernel)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%%task x --afer first", ("--afer", "did you mean --after")),
        ("%%task x --retry 3", ("--retry", "did you mean --retry-on or --retries")),
        ("%%task x --retries many", ("--retries", "many")),
        ("%%task x --retries -1", ("--retries",)),
        ("%%task x --delay soon", ("--delay", "soon")),
        ("%%task x --backoff weekly", ("--backoff", "weekly", "exponential")),
        ("%%task x --save maybe", ("--save", "maybe", "always")),
        ("%%task x y", ("one name", "'y'")),
        ("%%task 'x", ("quotation",)),
        ("%%task x --after", ("--after",)),
        ("%%task x --if 1+", ("--if", "1+")),
    ],
)
def test_options(kernel: Kernel, line: str, words: tuple[str, ...]) -> None:
    refused(kernel.run(f"{line}\nx = 1"), "UsageError", *words)
    assert kernel.value("'x' in globals()") is False
    assert list(kernel.status()) == ["first"]
    intact(kernel)


def test_after_names_nothing(kernel: Kernel) -> None:
    refused(kernel.run("%%task x --after frist\nx = 1"), "TaskGraphError", "'frist'", "did you mean 'first'")
    assert kernel.value("'x' in globals()") is False
    intact(kernel)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%tasks stats", ("'stats'", "did you mean 'status'")),
        ("%tasks xyz", ("'xyz'", "status", "restore")),
        ("%tasks why", ("why", "name")),
        ("%tasks why nobody", ("nobody",)),
        ("%tasks forget", ("forget", "name")),
        ("%tasks forget frist", ("frist", "'first'", "did you mean")),
        ("%tasks pause --json", ("--json",)),
        ("%tasks status --jsn", ("--jsn",)),
    ],
)
def test_commands(kernel: Kernel, line: str, words: tuple[str, ...]) -> None:
    reply = kernel.run(line)
    refused(reply, "UsageError", *(word.strip("'") for word in words))
    intact(kernel)


def test_a_parameter_that_nothing_provides(kernel: Kernel) -> None:
    kernel.run_ok("from milepost import task\n@task\ndef second(frist):\n    return 2")
    reply = kernel.run("second.result()")
    assert "needs 'frist'" in reply.evalue
    assert "did you mean 'first'?" in reply.evalue
    intact(kernel)


def test_a_store_that_cannot_be_written(start: Start, tmp_path: Path) -> None:
    (tmp_path / "nb.milepost").write_text("not a folder")
    kernel = start()
    reply = kernel.run_ok("%%task first\nfirst = 1\nprint('ran')")
    assert reply.stdout == "ran\n"
    assert any("not saved" in text and "nb.milepost" in text for text in reply.stamps)
    row = kernel.status()["first"]
    assert (row["state"], row["saved"]) == ("success", False)
    assert kernel.run_ok("%%task second\nsecond = first + 1\nprint(second)").stdout == "2\n"
    assert kernel.run_ok("print(second)").stdout == "2\n"
    kernel.run_ok("%tasks status")
    assert (tmp_path / "nb.milepost").read_text() == "not a folder"


def test_a_store_of_a_newer_format(kernel: Kernel, start: Start, tmp_path: Path) -> None:
    kernel.kill()
    version = tmp_path / "nb.milepost" / "format"
    old = version.read_text()
    version.write_bytes(marker(99))
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    newer = start()
    reply = newer.run_ok("%%task first\nfirst = 1\nprint('ran')")
    assert reply.stdout == "ran\n"
    assert any("newer" in text and "99" in text for text in reply.stamps)
    assert newer.status()["first"]["saved"] is False
    newer.run_ok("print(first)")
    newer.kill()
    assert {path: path.read_bytes() for path in files} == files, "the newer store was changed"
    version.write_text(old)
    again = start()
    assert any("restored" in text for text in again.run_ok("%%task first\nfirst = 1").stamps)
