"""Stores that somebody made to do harm: nothing runs, nothing outside the folder is touched, memory stays bounded."""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from milepost.checkpoint.local import LocalStore
from milepost.model.errors import CorruptCheckpointError, UntrustedError
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Blob

from . import peak
from .hostile import LARGE, MINE, STRANGER, Life, add, blob_of, entry, inline, line, live, rest, sealed, watched

pytestmark = pytest.mark.torture

GOOD = {"values": Blob(b"v" * 3000, (LARGE,)), "display": Blob(b"[]")}
ESCAPES = ("../../canary", "/etc/passwd", "..", "a/../../canary", "\0", "x" * 5000, "\ud800", "\x1b]0;x\x07", "con", "")


class Run:
    """Makes files, as code in a pickle could."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._canary / "ran"),)


class Place:
    """A store with one good task, and what lies beside it."""

    def __init__(self, top: Path) -> None:
        self.folder = top / "book.milepost"
        self.canary = top / "canary"
        self.canary.mkdir()
        (self.canary / "file").write_bytes(b"secret")
        store = LocalStore(self.folder, MINE)
        self.record = store.save(Record(task="mine", key="k"), GOOD)
        rest(store)

    def attack(self) -> Life:
        """Use the store; whatever lies beside it must be as it was, and nothing may run."""
        before = self._beside()
        with watched(self.folder) as watch:
            life = live(self.folder)
        assert watch.outside == []
        assert watch.ran == []
        assert self._beside() == before
        assert {task for task, _ in life.opened} <= {"mine", "new0", "new1"}
        return life

    def keeps_mine(self) -> Life:
        """And the user's own result is still there."""
        life = self.attack()
        assert life.listed["mine"]
        assert life.opened["mine", "values"] == b"v" * 3000 + LARGE
        return life

    def _beside(self) -> dict[str, Any]:
        found = {}
        for path in sorted(self.canary.rglob("*")):
            facts = path.lstat()
            data = path.read_bytes() if path.is_file() else b""
            found[str(path)] = (facts.st_mode, facts.st_mtime_ns, facts.st_size, data)
        return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class TestCode:
    @pytest.mark.parametrize("part", ["values", "display", "random", "shared"])
    @pytest.mark.parametrize("where", ["object", "inline"])
    def test_a_strangers_pickle_does_not_run(self, place: Place, part: str, where: str) -> None:
        stream = pickle.dumps(Run(place.canary))
        blob = inline(stream) if where == "inline" else blob_of(stream, place.folder)
        add(place.folder, line(entry(blobs={part: blob})))
        life = place.keeps_mine()
        assert life.listed["theirs"] is False

    @pytest.mark.parametrize(
        "name", ["code", "cell_id", "notes", "extra", "why", "inputs", "outputs", "deleted", "after"]
    )
    def test_nor_in_any_other_field(self, place: Place, name: str) -> None:
        text = pickle.dumps(Run(place.canary), protocol=0).decode("latin-1")
        for value in (text, [text], {"text": text}, [{"name": text, "kind": text, "digest": text}]):
            add(place.folder, line(entry(**{name: value})))
        place.keeps_mine()

    def test_an_object_that_was_exchanged_does_not_run(self, place: Place) -> None:
        evil = pickle.dumps(Run(place.canary)).ljust(3000, b".")
        for path in (place.folder / "objects").glob("*/*"):
            path.unlink()
            path.write_bytes(evil)
        assert ("mine", "values") not in place.attack().opened


class TestSignatures:
    @pytest.mark.parametrize("signature", [b"", b"0" * 64, b"x" * 10_000, "ü".encode(), b"\xff\xfe", b"\0"])
    def test_a_wrong_signature(self, place: Place, signature: bytes) -> None:
        add(place.folder, sealed(signature + b" " + json.dumps(entry()).encode()))
        assert place.keeps_mine().listed.get("theirs") is not True

    def test_another_lines_signature(self, place: Place) -> None:
        own = next((place.folder / "journal").iterdir()).read_bytes()
        signature = own.split(b" ")[2]
        add(place.folder, sealed(signature + b" " + json.dumps(entry()).encode()))
        assert place.keeps_mine().listed["theirs"] is False

    def test_a_signature_for_another_purpose(self, place: Place) -> None:
        body = json.dumps(entry()).encode()
        add(place.folder, sealed(MINE.sign(body, "snapshot").encode() + b" " + body))
        assert place.keeps_mine().listed["theirs"] is False

    @pytest.mark.parametrize("kind", ["forgotten", "dropped", "durable"])
    def test_a_strangers_word_counts_for_nothing(self, place: Place, kind: str) -> None:
        own = next((place.folder / "journal").iterdir()).read_bytes()
        names = ["mine"] + [item.split(b" ")[1].decode() for item in own.splitlines()]
        add(place.folder, line({"at": "2030-01-01T00:00:00.000000+00:00", "sequence": 1, kind: names}))
        place.keeps_mine()

    @pytest.mark.parametrize("at", ["9999-12-31T23:59:59.999999+00:00", "z", "", "\ud800", "-1", "0" * 100_000])
    def test_a_strangers_clock_counts_for_nothing(self, place: Place, at: str) -> None:
        add(place.folder, line(entry(at=at, task="mine")), line(entry(at=at)))
        place.keeps_mine()

    def test_a_forgotten_result_that_is_replayed_stays_forgotten(self, place: Place) -> None:
        journal = next((place.folder / "journal").iterdir())
        old = journal.read_bytes()
        LocalStore(place.folder, MINE).forget(["mine"])
        add(place.folder, old)
        assert "mine" not in place.attack().listed

    def test_a_line_many_times_is_one_result(self, place: Place) -> None:
        add(place.folder, next((place.folder / "journal").iterdir()).read_bytes() * 50)
        place.keeps_mine()
        assert len(LocalStore(place.folder, MINE).history("mine")) == 1

    def test_a_record_from_another_store_has_its_own_objects_or_none(self, place: Place, tmp_path: Path) -> None:
        other = LocalStore(tmp_path / "other.milepost", MINE)
        other.save(Record(task="elsewhere", key="k"), {"values": Blob(b"e" * 5000)})
        rest(other)
        add(place.folder, next((other.path / "journal").iterdir()).read_bytes())
        life = place.keeps_mine()
        assert ("elsewhere", "values") not in life.opened


class TestShapes:
    """Anything may stand in a line of which the sum is right."""

    SHAPES: tuple[Any, ...] = (
        None, True, 0, -1, 1.5, 1e308, 10**400, "", "text", "\ud800", [], [1], {}, {"a": 1}, [[]], [None], float("inf"),
        float("nan"),
    )  # fmt: skip

    @pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape!r:.20}")
    def test_in_every_place(self, place: Place, shape: Any) -> None:
        blob = {"stream": "a" * 64, "stream_bytes": 1, "buffers": ["b" * 64], "buffer_bytes": [1]}
        part = {"name": "n", "kind": "value", "digest": "d"}
        facts = entry(
            blobs={"values": blob}, inputs=[part], outputs=[{"name": "n", "digest": "d"}], code="", cell_id="",
            deleted=["d"], after=["a"], seconds=1.0, peak_bytes=1, saved_at="", notes=["n"], extra={"a": 1},
            why={"kind": "saved", "text": "t", "details": ["d"]},
        )  # fmt: skip
        add(place.folder, *(line(changed, signer) for changed in _everywhere(facts, shape) for signer in (STRANGER,)))
        place.keeps_mine()

    def test_trusted_lines_may_be_odd_as_well(self, place: Place) -> None:
        facts = entry(task="odd", blobs={"values": {"stream": "a" * 64, "stream_bytes": 1}})
        shapes = [changed for shape in self.SHAPES for changed in _everywhere(facts, shape)]
        add(place.folder, *(line(changed, MINE) for changed in shapes if changed != {}))
        place.attack()


def _everywhere(facts: Any, shape: Any) -> list[Any]:
    """Copies of the facts that have `shape` in one place each."""
    found = [shape]
    items = facts.items() if isinstance(facts, dict) else enumerate(facts) if isinstance(facts, list) else ()
    for key, value in items:
        for changed in _everywhere(value, shape):
            copy = facts.copy()
            copy[key] = changed
            found.append(copy)
    return found


class TestPaths:
    @pytest.mark.parametrize("name", ESCAPES, ids=lambda name: repr(name)[:20])
    @pytest.mark.parametrize("signer", [STRANGER, MINE], ids=["theirs", "signed"])
    def test_no_field_leads_out(self, place: Place, name: str, signer: Signer) -> None:
        whole = {"stream": "a" * 64, "stream_bytes": 6, "buffers": [], "buffer_bytes": []}
        blobs = [
            {name: whole},
            {"values": {**whole, "stream": name}},
            {"values": {**whole, "stream": f"../../../{place.canary}/file"}},
            {"values": {**whole, "buffers": [name], "buffer_bytes": [6]}},
            {"values": {"stream": "", "stream_bytes": 6, "inline": f"?{name}"}},
        ]
        lines = [line(entry(task=name, key=name, cell_id=name, code=name, blobs=item), signer) for item in blobs]
        lines += [line({"at": name, "sequence": 1, kind: [name]}) for kind in ("forgotten", "dropped", "durable")]
        add(place.folder, *lines)
        place.keeps_mine()

    @pytest.mark.parametrize("name", ESCAPES, ids=lambda name: repr(name)[:20])
    def test_names_of_logs_stay_in_their_folder(self, place: Place, name: str) -> None:
        path = LocalStore(place.folder, MINE).log(name)
        assert path.parent == place.folder / "logs"
        path.touch()
        assert path in (place.folder / "logs").iterdir()


def names_in(folder: Path) -> list[str]:
    """Every file and folder of a store."""
    LocalStore(folder, MINE).log("mine").touch()
    for name in ("quarantine", "trash"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "file").touch()
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


KINDS: dict[str, Callable[[Path, Path], object]] = {
    "link to a file": lambda path, canary: path.symlink_to(canary / "file"),
    "link to a folder": lambda path, canary: path.symlink_to(canary),
    "dangling link": lambda path, canary: path.symlink_to(canary / "new"),
    "loop": lambda path, canary: path.symlink_to(path),
    "link to a device": lambda path, canary: path.symlink_to("/dev/zero"),
    "pipe": lambda path, canary: os.mkfifo(path),
    "folder": lambda path, canary: path.mkdir(),
    "file": lambda path, canary: path.write_bytes(b"text"),
    "socket": lambda path, canary: _socket(path),
    "device": lambda path, canary: _device(path),
    "hard link": lambda path, canary: os.link(canary / "file", path),
}


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        where = os.open(path.parent, os.O_RDONLY)
        made.bind(f"/proc/self/fd/{where}/{path.name}" if sys.platform == "linux" else str(path))
        os.close(where)


def _device(path: Path) -> None:
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes devices")


class TestOtherThings:
    @pytest.mark.parametrize("kind", KINDS)
    def test_in_the_place_of_each_file_and_folder(self, tmp_path: Path, kind: str) -> None:
        made = Place(_folder(tmp_path / "first"))
        for number, name in enumerate(names_in(made.folder)):
            # Each store has its own names of journals, which sort alike.
            one = Place(_folder(tmp_path / str(number)))
            path = one.folder / names_in(one.folder)[number]
            path.rename(one.folder.parent / "aside")
            KINDS[kind](path, one.canary)
            try:
                life = one.attack()
                if not name.startswith(("journal", "objects")):
                    assert life.listed["mine"]
                    assert life.opened["mine", "values"] == b"v" * 3000 + LARGE
            except BaseException as error:
                raise AssertionError(f"a {kind} for {name}: {type(error).__name__}: {error}") from error

    def test_the_folder_itself_may_be_a_link(self, place: Place, tmp_path: Path) -> None:
        """The user's own choice, for another disk perhaps."""
        place.folder.rename(tmp_path / "elsewhere.milepost")
        place.folder.symlink_to(tmp_path / "elsewhere.milepost")
        store = LocalStore(place.folder, MINE)
        store.save(Record(task="new", key="k"), {"values": Blob(b"n" * 3000)}, durable=True)
        store.space.clean(grace=-60.0)
        found = LocalStore(tmp_path / "elsewhere.milepost", MINE)
        assert {item.task: item.durable for item in found.records()} == {"mine": True, "new": True}
        assert store.problems() == []
        rest(store)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


class TestTrust:
    def test_what_is_signed_is_what_was_listed(self, place: Place) -> None:
        harmless = line(entry(blobs={"values": blob_of(b"harmless" * 500, place.folder)}))
        add(place.folder, harmless)
        store = LocalStore(place.folder, MINE)
        (listed,) = [item for item in store.records() if not item.trusted]
        evil = blob_of(pickle.dumps(Run(place.canary)).ljust(4000), place.folder)
        add(place.folder, line(entry(at="2031-01-01T00:00:00.000000+00:00", blobs={"values": evil})))
        assert store.trust([listed]) == 1
        (trusted,) = [item for item in LocalStore(place.folder, MINE).records() if item.task == "theirs"]
        assert trusted.trusted
        assert store.open(trusted, "values").stream == b"harmless" * 500

    def test_trust_leaves_it_to_this_user_how_many_versions_are_kept(self, place: Place) -> None:
        LocalStore(place.folder, STRANGER).save(Record(task="shared", key="theirs", keep=1), {})
        store = LocalStore(place.folder, MINE)
        listed = [item for item in store.records() if item.task == "shared"]
        for key in ("one", "two"):
            store.save(Record(task="shared", key=key), {})
        assert store.trust(listed) == 1
        assert {item.key for item in store.history("shared")} == {"theirs", "one", "two"}

    def test_trust_says_nothing_new_of_when_it_was_saved(self, place: Place) -> None:
        LocalStore(place.folder, STRANGER).save(Record(task="shared", key="theirs"), {})
        store = LocalStore(place.folder, MINE)
        (listed,) = [item for item in store.records() if item.task == "shared"]
        assert store.trust([listed]) == 1
        (trusted,) = store.history("shared")[:1]
        assert (trusted.trusted, trusted.saved_at, trusted.identity) == (True, listed.saved_at, listed.identity)

    def test_what_is_trusted_already_is_not_signed_again(self, place: Place) -> None:
        store = LocalStore(place.folder, MINE)
        size = sum(path.stat().st_size for path in (place.folder / "journal").iterdir())
        assert store.trust(store.records()) == 0
        assert sum(path.stat().st_size for path in (place.folder / "journal").iterdir()) == size

    def test_trust_does_not_vouch_for_the_bytes(self, place: Place) -> None:
        blob = blob_of(b"harmless" * 500, place.folder)
        add(place.folder, line(entry(blobs={"values": blob})))
        store = LocalStore(place.folder, MINE)
        store.trust([item for item in store.records() if not item.trusted])
        path = place.folder / "objects" / blob["stream"][:2] / blob["stream"]
        path.write_bytes(b"evil" * 1000)
        (trusted,) = [item for item in store.records() if item.task == "theirs"]
        with pytest.raises(CorruptCheckpointError):
            store.open(trusted, "values")

    def test_an_untrusted_record_is_never_opened_whatever_it_claims(self, place: Place) -> None:
        add(place.folder, line(entry(trusted=True, durable=True, blobs={"values": inline(b"x")})))
        store = LocalStore(place.folder, MINE)
        (found,) = [item for item in store.records() if item.task == "theirs"]
        with pytest.raises(UntrustedError):
            store.open(found, "values")


BOMBS: dict[str, Callable[[Place], None]] = {
    "a million empty lines": lambda place: add(place.folder, b"\n" * 1_000_000),
    "a million bad lines": lambda place: add(place.folder, b"mp1 x y z\n" * 1_000_000),
    "many lines": lambda place: add(place.folder, *(line(entry(sequence=n, task=f"t{n}")) for n in range(20_000))),
    "many lines of one task": lambda place: add(place.folder, *(line(entry(sequence=n)) for n in range(20_000))),
    "many names": lambda place: add(place.folder, line({"at": "3", "sequence": 1, "forgotten": ["x"] * 3_000_000})),
    "a long line": lambda place: add(place.folder, line(entry(code="x" * 60_000_000))),
    "a line without end": lambda place: add(place.folder, b"mp1 " + b"x" * 200_000_000),
    "lists in a line": lambda place: add(place.folder, line(b"[" + b"[]," * 15_000_000 + b"[]]")),
    "lists in a record": lambda place: add(place.folder, line(entry(extra={"x": [[]] * 3_000_000}))),
    "deep lists": lambda place: add(place.folder, line(b"[" * 10_000_000)),
    "deep names": lambda place: add(place.folder, line(b'{"record":' * 3_000_000)),
    "a huge number": lambda place: add(place.folder, line(b'{"at":"3","sequence":' + b"9" * 30_000_000 + b"}")),
    "sizes that lie": lambda place: add(
        place.folder, *(line(entry(blobs={"values": _huge(place)}), signer) for signer in (STRANGER, MINE))
    ),
    "sparse terabytes": lambda place: _sparse(place),
}


def _huge(place: Place) -> dict[str, Any]:
    return {**blob_of(b"v", place.folder), "stream_bytes": 1 << 50, "buffers": ["a" * 64], "buffer_bytes": [1 << 60]}


def _sparse(place: Place) -> None:
    for path in [*(place.folder / "objects").glob("*/*"), place.folder / "journal" / "huge.jsonl"]:
        path.unlink(missing_ok=True)
        with path.open("wb") as file:
            file.truncate(1 << 42)


class TestBombs:
    @pytest.mark.parametrize("name", BOMBS)
    def test_memory_stays_bounded(self, place: Place, name: str) -> None:
        base = peak_of(place.folder)
        BOMBS[name](place)
        peak = peak_of(place.folder)
        assert peak < base + 100, f"{peak - base} MiB more than without"


def peak_of(folder: Path) -> int:
    """The most memory (MiB) that a process took that read the store, and saved in it."""
    command = [sys.executable, peak.__file__, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout)
