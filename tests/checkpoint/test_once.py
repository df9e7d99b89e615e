"""What a store notes of tasks that happen once: who may start one, who owns it, and what stands after crashes."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from milepost import Task, TaskRunnerBuilder
from milepost.checkpoint import once, owner
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.notes import chain
from milepost.checkpoint.once import SILENT, Attempt
from milepost.checkpoint.owner import is_alive, this_process
from milepost.engine.once import record_of
from milepost.model.errors import StoreUnwritableError, UsageError
from milepost.model.once import OnceKind, OnceNote, OnceState, Owner, Standing
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Blob
from milepost.testing.crash import sample
from milepost.testing.disk import write_tree
from milepost.testing.states import Notes, record

MINE, THEIRS = Signer(b"m" * 32), Signer(b"x" * 32)
_EXACT = ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")
FREE, RUNNING, DONE, IN_DOUBT = Standing.FREE, Standing.RUNNING, Standing.DONE, Standing.IN_DOUBT


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "book.milepost", MINE)


def started(store: LocalStore, *outputs: str) -> Attempt:
    attempt = store.once.begin("a", outputs)
    assert attempt is not None
    return attempt


def left_by_the_dead(store: LocalStore, attempt: Attempt) -> None:
    """As if its process had been killed."""
    once._under_way.discard(attempt.id)
    attempt._over.set()


def saved(store: LocalStore, attempt: str = "", *, signer: Signer = MINE) -> Record:
    return LocalStore(store.path, signer).save(Record(task="a", key="k", once=attempt), {"values": Blob(b"v" * 3000)})


def lost(store: LocalStore, *, before: bool = False) -> str:
    """An attempt ("" for a run of before it happened once) of which the result, which is there, counts as lost."""
    attempt = None if before else started(store, "x")
    saved(store, attempt.id if attempt else "")
    if attempt is not None:
        attempt.end(OnceKind.FINISHED, outputs=["x"])
    store.once.lost("a", "damaged")
    return attempt.id if attempt else ""


def look(store: LocalStore) -> OnceState:
    """As a new process sees it."""
    return LocalStore(store.path, MINE).once.look("a")


class TestTheWayOfATask:
    def test_done(self, store: LocalStore) -> None:
        attempt = started(store, "x")
        assert look(store).standing is RUNNING
        assert LocalStore(store.path, MINE).once.begin("a") is None
        saved(store, attempt.id)
        assert attempt.end(OnceKind.FINISHED, outputs=["x"])
        assert look(store).standing is DONE
        assert store.once.begin("a") is None

    @pytest.mark.parametrize(
        ("kind", "result", "standing"),
        [
            (None, False, IN_DOUBT),
            (None, True, DONE),  # it died between the save and the note
            (OnceKind.FAILED, False, IN_DOUBT),
            (OnceKind.FAILED, True, DONE),  # stopped after the save
            (OnceKind.FINISHED, False, IN_DOUBT),  # what it left could not be saved
            (OnceKind.FINISHED, True, DONE),
            (OnceKind.RELEASED, False, FREE),
        ],
    )
    def test_how_it_ends(self, store: LocalStore, kind: OnceKind | None, result: bool, standing: Standing) -> None:
        attempt = started(store, "x")
        if result:
            saved(store, attempt.id)
        if kind:
            attempt.end(kind, "why")
        left_by_the_dead(store, attempt)
        assert look(store).standing is standing

    def test_nothing_is_lost_of_what_leaves_nothing(self, store: LocalStore) -> None:
        started(store, "x").end(OnceKind.FINISHED, outputs=[])
        assert look(store).standing is DONE

    def test_the_key_stays_until_it_is_forgotten(self, store: LocalStore) -> None:
        first = started(store)
        first.end(OnceKind.RELEASED)
        second = started(store)
        left_by_the_dead(store, second)
        store.once.resolve("a", done=False)
        third = started(store)
        third.end(OnceKind.FINISHED)
        store.forget(["a"])
        assert look(store).standing is FREE
        fourth = started(store)
        assert first.key == second.key == third.key != fourth.key
        fourth.end(OnceKind.RELEASED)

    def test_a_person_decides_only_in_doubt(self, store: LocalStore) -> None:
        with pytest.raises(UsageError, match="it has not started"):
            store.once.resolve("a", done=True)
        attempt = started(store, "x")
        with pytest.raises(UsageError, match="not in doubt: it runs in process"):
            store.once.resolve("a", done=False)
        with pytest.raises(UsageError, match="it runs in process"):
            store.forget(["a"])
        attempt.end(OnceKind.FAILED, "ValueError")
        with pytest.raises(UsageError, match="is in doubt"):
            store.forget(["a"])
        store.once.resolve("a", done=True)
        store.once.resolve("a", done=True, value="1")  # a value may come later
        with pytest.raises(UsageError, match="not in doubt: it was done once"):
            store.once.resolve("a", done=True, value="2")
        assert look(store).standing is DONE

    def test_what_a_person_decided_stands_when_its_process_was_only_thought_dead(self, store: LocalStore) -> None:
        attempt = started(store)
        once._under_way.discard(attempt.id)
        store.once.resolve("a", done=True)
        assert not attempt.end(OnceKind.FAILED, "late")
        assert look(store).standing is DONE

    def test_of_two_decisions_one_counts(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        started(store).end(OnceKind.FAILED)
        number, note = store.once.notes.newest("a")
        store.once.resolve("a", done=True)
        monkeypatch.setattr(store.once.notes, "newest", lambda task: (number, note))
        with pytest.raises(UsageError, match="somebody else has decided meanwhile"):
            store.once.resolve("a", done=False)
        assert look(store).standing is DONE

    def test_a_rerun_that_comes_too_late_takes_nothing_away(
        self, store: LocalStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both saw it in doubt; that it is done was noted first."""
        attempt = lost(store)
        other, real = LocalStore(store.path, MINE), store.once.notes.add

        def after_the_other(number: int, note: OnceNote) -> bool:
            other.once.resolve("a", done=True)
            return real(number, note)

        monkeypatch.setattr(store.once.notes, "add", after_the_other)
        with pytest.raises(UsageError, match="somebody else has decided meanwhile"):
            store.resolve("a", done=False)
        assert look(store).standing is DONE
        assert [record.once for record in LocalStore(store.path, MINE).history("a")] == [attempt]

    @pytest.mark.parametrize("before", [False, True], ids=["of an attempt", "of before it happened once"])
    def test_a_rerun_that_was_killed_halfway_counts(
        self, store: LocalStore, monkeypatch: pytest.MonkeyPatch, before: bool
    ) -> None:
        """What is left of earlier attempts does not stand for the next one, whether it was dropped or not."""
        lost(store, before=before)
        with dying_before_it_drops(store, monkeypatch):
            store.resolve("a", done=False)
        fresh = LocalStore(store.path, MINE)
        assert (look(fresh).standing, len(fresh.history("a"))) == (FREE, 1)
        with dying_before_it_drops(fresh, monkeypatch):
            fresh.once.begin("a")
        assert look(fresh).standing is FREE
        again = started(fresh)
        assert fresh.history("a") == []
        again.end(OnceKind.RELEASED)
        assert look(fresh).standing is FREE

    def test_what_was_set_aside_is_not_what_the_next_attempt_left(
        self, store: LocalStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lost(store)
        monkeypatch.setattr(store.once, "_drop", lambda lines: None)  # another process is as slow as that
        store.resolve("a", done=False)
        started(store).end(OnceKind.FINISHED)
        state = look(store)
        assert (state.standing, record_of(store.history("a"), state.note)) == (DONE, None)

    @pytest.mark.parametrize("kind", ["lost", "unreadable", "before"])
    def test_done_without_a_value_keeps_what_it_left(self, store: LocalStore, kind: str) -> None:
        attempt = started(store, "x") if kind != "before" else None
        left = saved(store, attempt.id if attempt else "")
        if attempt is not None:
            attempt.end(OnceKind.FINISHED, outputs=["x"])
        if kind in ("lost", "before"):
            store.once.lost("a", "damaged")
        if kind == "unreadable":
            store.once.notes.file("a", 2).write_bytes(b"")
        fresh = LocalStore(store.path, MINE)
        assert look(fresh).standing is IN_DOUBT
        fresh.resolve("a", done=True)
        record = record_of(fresh.history("a"), look(fresh).note)
        assert (look(fresh).standing, record and record.identity) == (DONE, left.identity)
        fresh.resolve("a", done=True, value="1")
        assert record_of(fresh.history("a"), look(fresh).note) is None

    def test_a_forget_that_was_killed_halfway_counts(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        attempt = started(store, "x")
        saved(store, attempt.id)
        attempt.end(OnceKind.FINISHED, outputs=["x"])
        with dying_before_it_drops(store, monkeypatch):
            store.forget(["a"])
        assert look(store).standing is FREE

    def test_a_forget_takes_nothing_of_the_run_that_follows_at_once(
        self, store: LocalStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        attempt = started(store, "x")
        saved(store, attempt.id)
        attempt.end(OnceKind.FINISHED, outputs=["x"])
        known, real = store.history("a"), store.once.forget

        def and_another_process_runs_it(tasks: Iterable[str]) -> list[str]:
            found, other = real(tasks), LocalStore(store.path, MINE)
            again = started(other, "x")
            saved(other, again.id)
            again.end(OnceKind.FINISHED, outputs=["x"])
            return found

        monkeypatch.setattr(store.once, "forget", and_another_process_runs_it)
        assert store.forget(["a"]) == 1
        assert look(store).standing is DONE
        assert [record.identity for record in LocalStore(store.path, MINE).history("a")] != [known[0].identity]

    def test_a_forget_that_comes_too_late_takes_nothing_away(
        self, store: LocalStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        attempt = started(store, "x")
        saved(store, attempt.id)
        attempt.end(OnceKind.FINISHED, outputs=["x"])
        other, real = LocalStore(store.path, MINE), store.once.notes.add

        def after_the_other(number: int, note: OnceNote) -> bool:
            other.once.lost("a", "damaged")
            return real(number, note)

        monkeypatch.setattr(store.once.notes, "add", after_the_other)
        with pytest.raises(UsageError, match="somebody else has decided meanwhile"):
            store.forget(["a"])
        assert [record.once for record in LocalStore(store.path, MINE).history("a")] == [attempt.id]

    def test_a_start_that_is_interrupted_as_its_thread_starts_leaves_none(
        self, store: LocalStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = threading.Thread.start

        def interrupted(thread: threading.Thread) -> None:
            real(thread)
            threads.append(thread)
            raise KeyboardInterrupt

        threads: list[threading.Thread] = []
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", interrupted)
            with pytest.raises(KeyboardInterrupt):
                started(store)
        threads[0].join(10)
        assert not threads[0].is_alive()
        assert look(store).standing is FREE

    def test_a_result_of_before_counts(self, store: LocalStore) -> None:
        """`--once` was added to a task that had run."""
        saved(store)
        assert look(store).standing is DONE
        assert store.once.begin("a") is None

    def test_whoever_looks_in_this_process_sees_it_run(
        self, store: LocalStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """From the moment at which its note is there: another thread looks just then."""
        real, seen = store.once.notes.add, []

        def looked_at(number: int, note: OnceNote) -> bool:
            added = real(number, note)
            seen.append(look(store).standing)
            return added

        monkeypatch.setattr(store.once.notes, "add", looked_at)
        started(store).end(OnceKind.FINISHED)
        assert seen == [RUNNING, DONE]

    def test_an_interrupt_while_the_start_is_noted(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        real = store.once.notes.add

        def interrupted(number: int, note: OnceNote) -> bool:
            added = real(number, note)
            if note.kind is OnceKind.STARTED:
                raise KeyboardInterrupt
            return added

        monkeypatch.setattr(store.once.notes, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.once.begin("a")
        assert look(store).standing is FREE


@contextlib.contextmanager
def dying_before_it_drops(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if its process ended just then."""

    def interrupt(*args: object, **facts: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            yield


class TestOwners:
    def test_this_process_lives_and_others_of_its_number_did(self) -> None:
        me = this_process()
        assert is_alive(me)
        assert is_alive(replace(me, began="1")) is False
        assert is_alive(replace(me, machine="another")) is None

    def test_a_killed_process_is_dead_before_anybody_waited_for_it(self) -> None:
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        other = replace(this_process(), pid=process.pid, began=owner._began(process.pid))
        assert is_alive(other)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is still there
        assert not is_alive(other)
        process.communicate()

    def test_a_clock_that_jumps_changes_nothing(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        attempt = started(store)
        for jump in (-86_400 * 400, 86_400 * 400):
            monkeypatch.setattr(time, "time", lambda jump=jump, real=time.time: real() + jump)
            assert look(store).standing is RUNNING
            monkeypatch.undo()
        attempt.end(OnceKind.RELEASED)

    @pytest.fixture
    def elsewhere(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> Attempt:
        """What another machine has started."""
        there = Owner(host="elsewhere", machine="another", pid=1, began="1")
        monkeypatch.setattr(once, "this_process", lambda: there)
        attempt = started(store)
        monkeypatch.undo()
        while not store.once.beat("a").exists():  # by another thread
            pass
        left_by_the_dead(store, attempt)
        return attempt

    def test_another_machine_is_believed_while_it_gives_signs_of_life(
        self, store: LocalStore, elsewhere: Attempt
    ) -> None:
        assert look(store).standing is RUNNING
        self.heard(store, SILENT - 30)
        assert look(store).standing is RUNNING
        self.heard(store, SILENT + 30)
        state = look(store)
        assert state.standing is IN_DOUBT
        assert "gave its last sign of life" in state.why
        assert store.once.begin("a") is None, "silence never lets another run it"

    def test_signs_of_life_from_the_future_tell_nothing(self, store: LocalStore, elsewhere: Attempt) -> None:
        self.heard(store, -86_400)
        assert look(store).standing is IN_DOUBT

    def heard(self, store: LocalStore, seconds: float) -> None:
        """The last sign of life was so many seconds ago, by the clock of the file system."""
        then = time.time() - seconds
        for path in (store.path / "once").iterdir():
            os.utime(path, (then, then))

    def test_signs_of_life_come(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        beats = threading.Semaphore(0)
        monkeypatch.setattr(once, "BEAT", 0.0)
        monkeypatch.setattr(once.os, "utime", lambda path: beats.release())
        attempt = started(store)
        assert all(beats.acquire(timeout=30) for _ in range(3))
        attempt.end(OnceKind.RELEASED)


class TestNothingRunsUnlessItIsNoted:
    def test_where_there_are_no_links(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        refuse(monkeypatch, "link", errno.EPERM)
        with pytest.raises(StoreUnwritableError, match="makes no links, so two processes could start"):
            store.once.begin("a")

    @pytest.mark.parametrize("function", ["write", "link", "fsync"])
    def test_on_a_full_or_broken_disk(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
        with monkeypatch.context() as patch:
            refuse(patch, function, errno.ENOSPC)
            with pytest.raises(StoreUnwritableError, match="cannot be noted"):
                store.once.begin("a")
        assert not list((store.path / "once").glob(".tmp-*"))

    def test_the_answer_to_a_link_got_lost(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        """Over a network the link was made, and its second try meets the first."""
        real = os.link

        def twice(source: Any, target: Any) -> None:
            real(source, target)
            real(source, target)

        monkeypatch.setattr(os, "link", twice)
        started(store).end(OnceKind.RELEASED)
        assert look(store).standing is FREE


def refuse(monkeypatch: pytest.MonkeyPatch, function: str, number: int) -> None:
    def refused(*args: object, **options: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, function, refused)


class TestWhatIsThere:
    def test_a_damaged_note_is_doubt(self, store: LocalStore) -> None:
        attempt = started(store)
        attempt.end(OnceKind.RELEASED)
        (store.path / "once" / f"{chain('a')}.000002").write_bytes(b"\0" * 100)
        state = look(store)
        assert (state.standing, "cannot be read" in state.why) == (IN_DOUBT, True)
        fresh = LocalStore(store.path, MINE)
        assert list(fresh.once.unsettled()) == ["a"]
        assert "is in doubt" in fresh.problems()[0]
        fresh.once.resolve("a", done=False)
        again = started(fresh)
        assert again.key == attempt.key
        again.end(OnceKind.RELEASED)

    def test_a_stranger_may_say_that_it_happened(self, store: LocalStore) -> None:
        """Whoever's note it is, it is not run; but their value is not taken for this user's."""
        theirs = LocalStore(store.path, THEIRS)
        started(theirs).end(OnceKind.FAILED)
        assert look(store).standing is IN_DOUBT
        theirs.once.resolve("a", done=True, value="5")
        state = look(store)
        assert (state.standing, state.note and state.note.mine) == (DONE, False)

    def test_a_result_of_a_stranger_is_lost(self, store: LocalStore) -> None:
        theirs = LocalStore(store.path, THEIRS)
        attempt = started(theirs, "x")
        saved(store, attempt.id, signer=THEIRS)
        attempt.end(OnceKind.FINISHED, outputs=["x"])
        assert "not saved under your key" in look(store).why
        store.trust(store.records())
        assert look(store).standing is DONE

    def test_a_clean_up_drops_neither_the_fact_nor_the_result(self, store: LocalStore) -> None:
        attempt = started(store, "x")
        saved(store, attempt.id)
        attempt.end(OnceKind.FINISHED, outputs=["x"])
        store.save(Record(task="b", key="k", seconds=9e9), {"values": Blob(b"b" * 3000)})
        store.flush()
        cleaned = LocalStore(store.path, MINE).space.clean(keep=1, limit=1, grace=-60.0)
        assert [item.task for item in cleaned.evicted] == ["b"]
        assert look(store).standing is DONE
        assert LocalStore(store.path, MINE).open(store.history("a")[0], "values").stream == b"v" * 3000

    def test_a_store_that_was_deleted_is_forgotten(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Attempt, "_live", lambda self: None)  # it would write into what is being deleted
        for _ in range(3):
            started(store).end(OnceKind.FINISHED)
            assert store.once.look("a").standing is DONE
            shutil.rmtree(store.path)
            assert store.once.look("a").standing is FREE

    def test_notes_of_a_deleted_store_are_not_those_of_the_next_in_its_place(
        self, store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The file system gives the numbers of what was deleted to what is made then."""
        real = os.lstat

        def of_one_number(path: Any) -> os.stat_result:
            found = real(path)
            return os.stat_result((found.st_mode, 7, *found[2:]), {name: getattr(found, name) for name in _EXACT})

        monkeypatch.setattr(os, "lstat", of_one_number)
        started(store).end(OnceKind.FINISHED)
        assert [store.once.notes.newest("a")[0], store.once.look("a").standing] == [2, DONE]
        next_one = LocalStore(tmp_path / "next.milepost", MINE)
        started(next_one).end(OnceKind.FAILED)
        store.path.rename(tmp_path / "deleted")
        next_one.path.rename(store.path)
        assert store.once.look("a").standing is IN_DOUBT

    def test_the_end_of_a_task_is_not_noted_for_another_start(
        self, store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its store was deleted while it ran, and another process has started it in the next one."""
        monkeypatch.setattr(Attempt, "_live", lambda self: None)
        first = started(store)
        shutil.rmtree(store.path)
        second = started(LocalStore(store.path, MINE))
        assert not first.end(OnceKind.FAILED, "of the first")
        assert look(store).standing is RUNNING
        assert second.end(OnceKind.FINISHED)
        assert look(store).standing is DONE

    def test_the_end_of_a_task_is_noted_where_its_store_was_deleted(
        self, store: LocalStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Attempt, "_live", lambda self: None)
        attempt = started(store)
        shutil.rmtree(store.path)
        assert attempt.end(OnceKind.FINISHED)
        assert look(store).standing is DONE

    def test_a_folder_that_was_just_listed_is_listed_again(self, store: LocalStore) -> None:
        """Where two changes come faster than the times of the file system tell apart."""
        other = LocalStore(store.path, MINE)
        for _ in range(3):
            attempt = started(store)
            os.utime(store.path / "once", (1.0, 1.0))
            assert other.once.look("a").standing is RUNNING
            attempt.end(OnceKind.RELEASED)
            os.utime(store.path / "once", (1.0, 1.0))
            assert other.once.look("a").standing is FREE


def test_after_any_crash_what_was_told_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed, or without power: once the body has begun it is never free, and once its end is told it is done."""
    told: dict[str, int] = {}
    top = tmp_path / "recorded"
    top.mkdir()

    def scenario(notes: Notes) -> None:
        before = set(threading.enumerate())
        store = LocalStore(top / "book.milepost", MINE)
        builder = TaskRunnerBuilder().with_store(store).with_executor("main")
        with builder.on("task_start", lambda event: told.update(begun=notes._position)).build() as runner:
            assert runner.run([Task("a", lambda: "v" * 3000, once=True)])["a"].ok
        told["ended"] = notes._position
        for thread in set(threading.enumerate()) - before:
            if thread.name == "milepost-once":
                thread.join()
        store.flush()

    recording = record(top, scenario)
    monkeypatch.setattr(os, "fsync", os.fstat)
    for number, state in enumerate(sample(list(recording.states()), seed=3, count=150)):
        position = int(state.name.split()[0])
        folder = tmp_path / str(number)
        folder.mkdir()
        write_tree(state.tree, folder)
        found = LocalStore(folder / "book.milepost", MINE).once.look("a").standing
        begun, ended = position >= told["begun"], position >= told["ended"]
        allowed = (DONE,) if ended else (IN_DOUBT, DONE) if begun else (FREE, IN_DOUBT)
        assert found in allowed, f"{found} after {state.name}"
