"""The commands that work on a bare store folder: the real command, in a process of its own."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import milepost as milepost_package
from milepost.checkpoint.layout import Layout, marker, store_path
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.objects import address_of
from milepost.cli.main import main
from milepost.model.errors import CorruptCheckpointError
from milepost.model.record import Output, Record
from milepost.model.trust import Signer
from milepost.ports import Blob

KEY = b"m" * 32
LARGE = bytes(range(256)) * 1024


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a notebook and its store: `load` and `fit`, which share an object, and `load` twice."""
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "study.ipynb").write_text("{}")
    store = LocalStore(tmp_path / "study.milepost", Signer(KEY))
    store.save(Record(task="load", key="old", seconds=60.0), {"values": Blob(b"old", (LARGE[::-1],))})
    outputs = (Output(name="frame", digest="d"), Output(name="return", digest="d"))
    store.save(Record(task="load", key="new", seconds=61.0, outputs=outputs), {"values": Blob(b"new", (LARGE,))})
    store.save(Record(task="fit", key="k", after=("load",)), {"values": Blob(b"fit", (LARGE,))})
    store.flush()
    return tmp_path


def milepost(folder: Path, *arguments: str, code: int = 0, **environment: str) -> str:
    """What the command prints, on standard error where it fails with that code."""
    known = {**os.environ, "MILEPOST_KEY_FILE": str(folder / "key"), **environment}
    command = [sys.executable, "-m", "milepost.cli", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=known, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr if code == 2 or not done.stdout else done.stdout


def listed(folder: Path, place: str = "study.ipynb", **environment: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(milepost(folder, "ls", place, "--json", **environment))
    return found


def break_an_object(folder: Path, nbytes: int) -> str:
    for path in (folder / "study.milepost" / "objects").rglob("*"):
        if path.is_file() and path.stat().st_size == nbytes:
            path.chmod(0o644)
            path.write_bytes(b"\0" * nbytes)
            return path.name
    raise AssertionError("there is no such object")


class TestList:
    @pytest.mark.parametrize("place", ["study.ipynb", "study.milepost", "study.milepost/", "./study.ipynb"])
    def test_names_what_is_saved(self, folder: Path, place: str) -> None:
        assert [row["name"] for row in listed(folder, place)] == ["load", "fit"]

    def test_has_the_fields_of_status_and_sizes(self, folder: Path) -> None:
        row = listed(folder)[0]
        assert {"state": "success", "restored": False, "outputs": ["frame"], "after": [], "seconds": 61.0}.items() <= (
            row.items()
        )
        assert {"saved": True, "error": None, "versions": 2, "bytes": len(LARGE) + 3}.items() <= row.items()
        assert row["why"]["kind"] == "saved"
        assert row["saved_at"].endswith("+00:00")
        assert row["own"] == len(LARGE) + 3 + 3
        assert row["shared"] == len(LARGE)

    def test_draws_a_table(self, folder: Path) -> None:
        table = milepost(folder, "ls", "study.ipynb").splitlines()
        assert table[0].split() == ["task", "state", "time", "size", "own", "shared", "why"]
        assert [line.split()[0] for line in table[1:3]] == ["load", "fit"]
        assert table[3] == "2 saved: 61 s of work"

    def test_a_notebook_without_a_store_has_nothing(self, folder: Path) -> None:
        (folder / "other.ipynb").write_text("{}")
        assert listed(folder, "other.ipynb") == []
        assert "nothing is saved" in milepost(folder, "ls", "other.ipynb")
        assert not (folder / "other.milepost").exists()

    def test_a_store_whose_notebook_is_gone(self, folder: Path) -> None:
        (folder / "study.ipynb").unlink()
        assert len(listed(folder)) == 2

    def test_a_store_in_another_place(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MILEPOST_STORE", str(folder / "elsewhere"))
        (folder / "elsewhere").mkdir()
        (folder / "study.milepost").rename(store_path(folder / "study.ipynb"))
        assert len(listed(folder)) == 2


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["ls", "studdy.ipynb"], "there is no studdy.ipynb (did you mean 'study.ipynb'?)"),
            (["ls", "nowhere/study.ipynb"], "there is no nowhere/study.ipynb"),
            (["ls", "."], ". is a folder, but no store of Milepost"),
            (["ls", "key"], "key is no notebook; name an .ipynb file"),
            (["forget", "study.ipynb", "lod"], "there is no saved task 'lod' (did you mean 'load'?); there are: load,"),
            (["trust", "study.ipynb", "x"], "there is no saved task 'x'; there are: load, fit"),
            (["forget", "study.ipynb"], "required: TASK"),
            (["lss", "study.ipynb"], "invalid choice: 'lss'"),
            ([], "required: COMMAND"),
        ],
    )
    def test_what_is_wrong_is_said(self, folder: Path, arguments: list[str], message: str) -> None:
        assert message in milepost(folder, *arguments, code=2)

    def test_a_newer_store_is_something_wrong(self, folder: Path) -> None:
        (folder / "study.milepost" / "format").write_bytes(marker(99))
        assert "store format 99" in milepost(folder, "ls", "study.ipynb", code=1)

    def test_the_version(self, folder: Path) -> None:
        assert milepost(folder, "--version") == f"milepost {milepost_package.__version__}\n"

    @pytest.mark.parametrize("command", ["gc", "verify"])
    def test_what_is_printed_as_data_has_one_shape(self, folder: Path, command: str) -> None:
        break_an_object(folder, len(LARGE))
        (folder / "study.milepost" / "journal" / "x.jsonl").write_bytes(b"mp9 \n")
        found = json.loads(milepost(folder, command, "study.ipynb", "--json", code=1))
        assert found["place"] == "study.milepost"
        assert {"bytes", "objects"} <= found.keys()
        assert {tuple(problem) for problem in found["problems"]} == {("text", "tasks")}

    def test_nothing_heavy_is_loaded(self) -> None:
        code = "import sys, milepost.cli.main; print(*sorted({name.split('.')[0] for name in sys.modules}))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        heavy = {"numpy", "pandas", "torch", "IPython", "ipywidgets", "anywidget", "dill", "cloudpickle", "matplotlib"}
        assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("command", ["ls", "verify", "gc", "trust"])
def test_names_that_others_chose_steer_no_terminal(folder: Path, command: str, encoding: str) -> None:
    stranger = LocalStore(folder / "study.milepost", Signer(b"x" * 32))
    for name in ("\x1b]0;title\x07", "\ud800", "\u202egnp.exe", "two\nlines", "☃"):
        stranger.save(Record(task=name, key="k", notes=(name,)), {"values": Blob(b"v" * 3000)})
        stranger.flush()
    for path in (folder / "study.milepost" / "objects").rglob("*"):
        if path.is_file() and path.stat().st_size == 3000:
            path.unlink()
    printed = milepost(folder, command, "study.ipynb", code=command == "verify", PYTHONIOENCODING=encoding)
    assert printed.isascii() or encoding != "ascii"
    assert not set("\x1b\x07\ud800\u202e") & set(printed)


def test_a_key_that_others_can_read_is_told_in_a_line(folder: Path) -> None:
    (folder / "key").chmod(0o644)
    known = {**os.environ, "MILEPOST_KEY_FILE": str(folder / "key")}
    command = [sys.executable, "-m", "milepost.cli", "ls", "study.ipynb"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=known, timeout=60)
    assert done.stderr.startswith("milepost: others can read the signing key")
    assert done.stderr.count("\n") == 1


class TestKey:
    @pytest.mark.parametrize("command", ["ls", "verify", "gc", "trust", "forget"])
    def test_one_that_is_not_there_is_told_and_not_made(self, folder: Path, command: str) -> None:
        names = ["load"] * (command == "forget")
        missing = str(folder / "mistyped")
        told = milepost(folder, command, "study.ipynb", *names, code=1, MILEPOST_KEY_FILE=missing)
        assert told.startswith(f"milepost: there is no signing key {missing}")
        assert not os.path.exists(missing)

    @pytest.mark.parametrize("command", ["ls", "verify"])
    def test_who_only_reads_needs_none(self, folder: Path, command: str) -> None:
        milepost(folder, command, "study.ipynb", MILEPOST_KEY_FILE="", JUPYTER_DATA_DIR=str(folder / "jupyter"))
        assert not (folder / "jupyter").exists()

    def test_a_new_one_is_made_once(self, folder: Path) -> None:
        told = milepost(folder, "key", "team key")
        made = folder / "team key"
        assert (made.stat().st_size, made.stat().st_mode & 0o777) == (32, 0o600)
        assert told.rstrip().endswith(f"set MILEPOST_KEY_FILE='{made}'")
        before = made.read_bytes()
        assert "is there already, and is left as it is" in milepost(folder, "key", "team key", code=2)
        assert made.read_bytes() == before
        assert {row["state"] for row in listed(folder, MILEPOST_KEY_FILE=str(made))} == {"untrusted"}


class TestVerify:
    def test_a_good_store(self, folder: Path) -> None:
        assert milepost(folder, "verify", "study.ipynb").startswith("3 results, 2 objects, 524 kB: no problem")

    def test_names_the_task_that_loses_a_result(self, folder: Path) -> None:
        address = break_an_object(folder, len(LARGE))
        report = json.loads(milepost(folder, "verify", "study.ipynb", "--json", code=1))
        (problem,) = report["problems"]
        assert address[:12] in problem["text"]
        assert "load" in problem["tasks"]
        told = milepost(folder, "verify", "study.ipynb", code=1)
        assert address[:12] in told
        assert told.endswith(": 1 problem\n")

    def test_names_a_damaged_line(self, folder: Path) -> None:
        (journal,) = (folder / "study.milepost" / "journal").iterdir()
        journal.write_bytes(journal.read_bytes().replace(b'"seconds":61', b'"seconds":62'))
        assert "line 2 of journal" in milepost(folder, "verify", "study.ipynb", code=1)

    def test_what_was_put_aside_is_a_problem_only_while_it_costs_a_result(self, folder: Path) -> None:
        address = break_an_object(folder, len(LARGE))
        assert milepost(folder, "verify", "study.ipynb", code=1).endswith(": 1 problem\n")
        store = LocalStore(folder / "study.milepost", Signer(KEY))
        with pytest.raises(CorruptCheckpointError):
            store._objects.read(address, len(LARGE))
        store._objects.heal()
        report = json.loads(milepost(folder, "verify", "study.ipynb", "--json", code=1))
        assert ("it is missing" in report["problems"][0]["text"], report["quarantine"]) == (True, [address])
        data = next(data for data in (LARGE, LARGE[::-1]) if address_of(data) == address)
        store.save(Record(task="again", key="k"), {"values": Blob(b"", (data,))}, durable=True)
        told = milepost(folder, "verify", "study.ipynb")
        assert "1 file in quarantine, damaged earlier and put aside for 30 days\n" in told
        assert told.endswith("4 results, 2 objects, 524 kB: no problem\n")

    def test_changes_nothing(self, folder: Path) -> None:
        break_an_object(folder, len(LARGE))
        store = folder / "study.milepost"
        before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
        milepost(folder, "verify", "study.ipynb", code=1)
        assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before


class TestForgetAndTrust:
    def test_forget(self, folder: Path) -> None:
        assert milepost(folder, "forget", "study.ipynb", "load").strip() == "forgotten: load"
        assert [row["name"] for row in listed(folder)] == ["fit"]

    def test_pages_see_what_is_forgotten_and_dropped(self, folder: Path) -> None:
        seen = folder / "study.milepost" / "summary.json"
        tasks, nodes = [{"name": "load"}, {"name": "fit"}], [{"name": "load", "x": 1}, {"name": "fit", "x": 2}]
        graph = {"width": 1, "nodes": nodes, "edges": [{"source": "load", "target": "fit"}]}
        seen.write_text(
            json.dumps({"version": 1, "tasks": tasks, "graph": graph, "sources": {"load": "a", "fit": "b"}})
        )
        milepost(folder, "forget", "study.ipynb", "load")
        left = {"width": 1, "nodes": nodes[1:], "edges": []}
        assert json.loads(seen.read_text()) == {
            "version": 1,
            "tasks": tasks[1:],
            "graph": left,
            "sources": {"fit": "b"},
        }
        milepost(folder, "gc", "study.ipynb", "--max-size", "0")
        assert json.loads(seen.read_text())["tasks"] == []
        for odd in ("", "[]", '{"tasks": 1}', '{"graph": {"nodes": [1], "edges": []}}'):
            seen.write_text(odd)
            milepost(folder, "gc", "study.ipynb", "--max-size", "0")
            assert seen.read_text() == odd

    def test_trust(self, folder: Path) -> None:
        (folder / "key").write_bytes(b"x" * 32)
        assert {row["state"] for row in listed(folder)} == {"untrusted"}
        assert milepost(folder, "trust", "study.ipynb", "load").strip() == "trusted from now on: load"
        assert {row["name"]: row["state"] for row in listed(folder)} == {"load": "success", "fit": "untrusted"}
        assert "fit" in milepost(folder, "trust", "study.ipynb")
        assert "nothing of others" in milepost(folder, "trust", "study.ipynb")


class TestClean:
    def cleaned(self, folder: Path, *options: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(milepost(folder, "gc", "study.ipynb", "--json", *options))
        return found

    def test_a_dry_run_changes_nothing(self, folder: Path) -> None:
        found = self.cleaned(folder, "--keep", "1", "--dry-run")
        assert (found["dry_run"], found["bytes"], found["objects"]) == (True, len(LARGE), 1)
        assert [(row["name"], row["seconds"]) for row in found["displaced"]] == [("load", 60.0)]
        words = milepost(folder, "gc", "study.ipynb", "--keep", "1", "--dry-run")
        assert "would drop 1 older version\n" in words
        assert "would free 262 kB in 1 object\n" in words
        assert listed(folder)[0]["versions"] == 2

    def test_keeps_so_many_versions(self, folder: Path) -> None:
        assert self.cleaned(folder, "--keep", "1")["bytes"] == len(LARGE)
        assert listed(folder)[0]["versions"] == 1
        assert "freed 0 B in 0 objects" in milepost(folder, "gc", "study.ipynb")

    def test_keeps_to_a_size(self, folder: Path) -> None:
        trial = self.cleaned(folder, "--max-size", "300kB", "--dry-run")
        assert [row["versions"] for row in listed(folder)] == [2, 1]
        found = self.cleaned(folder, "--max-size", "300kB")
        assert {name: found[name] for name in ("evicted", "bytes")} == {
            name: trial[name] for name in ("evicted", "bytes")
        }
        assert [row["name"] for row in found["evicted"]] == ["fit", "load"]
        assert [(row["name"], row["versions"]) for row in listed(folder)] == [("load", 1)]
        words = milepost(folder, "gc", "study.milepost", "--max-size", "0")
        assert words.startswith("dropped load, saved 20")
        assert "it saves the least computing for its bytes" in words
        assert listed(folder) == []

    def test_a_problem_is_something_wrong(self, folder: Path) -> None:
        (folder / "study.milepost" / "journal" / "x.jsonl").write_bytes(b"mp9 \n")
        assert "nothing is removed" in milepost(folder, "gc", "study.ipynb", code=1)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--max-size", "much"], "'much' is no size; sizes are such as 500MB"),
            (["--keep", "0"], "'0' is not a number of versions"),
            (["--keep", "x"], "'x' is not a number of versions"),
        ],
    )
    def test_what_is_wrong_is_said(self, folder: Path, options: list[str], message: str) -> None:
        assert message in milepost(folder, "gc", "study.ipynb", *options, code=2)


@pytest.mark.parametrize("command", ["ls", "verify", "gc", "trust", "forget"])
@pytest.mark.parametrize(("linked", "words"), [(False, "is a file"), (True, "is a link to nothing")])
def test_what_is_no_folder_is_told(folder: Path, command: str, linked: bool, words: str) -> None:
    place = folder / "other.milepost"
    (folder / "other.ipynb").write_text("{}")
    place.symlink_to("nowhere") if linked else place.write_text("")
    told = milepost(folder, command, "other.ipynb", *["load"] * (command == "forget"), code=1)
    assert told.startswith(f"milepost: other.milepost {words}, and no folder of a store: mend that")
    assert told.count("\n") == 1
    assert linked or place.read_text() == ""


@pytest.mark.parametrize("command", ["ls", "verify", "gc"])
def test_a_newer_line_is_told_with_what_to_do(folder: Path, command: str) -> None:
    (folder / "study.milepost" / "journal" / "x.jsonl").write_bytes(b"mp9 \n")
    known = {**os.environ, "MILEPOST_KEY_FILE": str(folder / "key")}
    arguments = [sys.executable, "-m", "milepost.cli", command, "study.ipynb"]
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, env=known, timeout=60)
    told = done.stderr if command == "ls" else done.stdout
    assert "journal x.jsonl was written by a newer Milepost (upgrade this one)" in told
    assert done.returncode == (command != "ls")
    assert command != "ls" or "load" in done.stdout


@pytest.mark.parametrize("arguments", [("gc", "--keep", "1"), ("forget", "load"), ("trust",)])
def test_a_store_that_cannot_be_written_is_told_once_and_loses_nothing(
    folder: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    LocalStore(folder / "study.milepost", Signer(b"x" * 32)).save(Record(task="theirs", key="k"), {})
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setenv("MILEPOST_KEY_FILE", str(folder / "key"))

    def refuse(path: Path, line: bytes, *, after: int = 0) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("milepost.checkpoint.local.append_line", refuse)
    command, *more = arguments
    place = str(folder / "study.ipynb")
    assert main([command, place, *more]) == 1
    out = capsys.readouterr()
    assert (out.out + out.err).count(
        " cannot be written (Permission denied), and what was saved before is unharmed"
    ) == 1
    monkeypatch.undo()
    assert milepost(folder, "verify", "study.ipynb").startswith("4 results, 2 objects, 524 kB: no problem")


@pytest.mark.parametrize(
    ("number", "words"), [(errno.EACCES, "cannot be used"), (errno.EROFS, "cannot be written"), (errno.EIO, "used")]
)
def test_what_the_system_refuses_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, words: str
) -> None:
    """Not as root, who may do all, and on no disk that would have to be mounted: the system's answer is made up."""
    path = str(folder / "study.milepost" / "quarantine")

    def refuse(layout: Layout) -> Path:
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setenv("MILEPOST_KEY_FILE", str(folder / "key"))
    monkeypatch.setattr(Layout, "quarantine", property(refuse))
    assert main(["verify", str(folder / "study.ipynb")]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"milepost: {folder / 'study.ipynb'} ")
    assert f"{words} ({path}: {os.strerror(number)}): mend its permissions" in told
