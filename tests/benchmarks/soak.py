"""A soak of the store: processes that save all the time beside one that cleans up all the time.

    python tests/benchmarks/soak.py [--saves 20000] [--processes 2] [--grace 0.5] [--kill-after 8] [--folder FOLDER]

Each saves results of a few tasks, some small, some with buffers, some equal to what others have saved, and now and then
reads one back. In the end nothing may be left over, and every record that stands must open and hold what was saved.
The figures that are printed on the way shall not grow.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.usage import objects
from milepost.checkpoint.verify import verify
from milepost.model.errors import CorruptCheckpointError
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Blob

KEY = Signer(b"s" * 32)
TASKS, KEEP, CONTENTS = 25, 3, 400
SIZES = (100, 3_000, 3_000, 10_000, 100_000)
"""Of the buffers, in bytes; each content has one of them."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is measured on the way: saves so far, bytes and files in the store, and of journals, and memory (bytes)."""

    saves: int
    seconds: float
    nbytes: int
    files: int
    journals: int
    memory: int

    def __str__(self) -> str:
        return (
            f"{self.saves:7} saves {self.seconds:7.1f} s  store {self.nbytes / 1e6:7.2f} MB in {self.files:5} files "
            f"({self.journals} journals)  memory {self.memory / 1e6:6.1f} MB"
        )


def content(number: int) -> bytes:
    """One of the contents that buffers have."""
    return random.Random(number).randbytes(SIZES[number % len(SIZES)])


def blob(key: str) -> Blob:
    """What a record with this key holds."""
    rng = random.Random(key)
    return Blob(rng.randbytes(rng.choice([30, 300, 5_000])), [content(rng.randrange(CONTENTS)) for _ in range(2)])


def save_many(folder: Path, name: str, saves: int, told: Any) -> None:
    """One process: save, read back now and then, and tell how it goes."""
    store, rng, begin = LocalStore(folder, KEY), random.Random(name), time.perf_counter()
    for number in range(saves):
        key = f"{name} {number}"
        record = Record(task=f"task {rng.randrange(TASKS)}", key=key, keep=KEEP, seconds=rng.random())
        saved = store.save(record, {"values": blob(key)})
        if number % 20 == 0:
            check(store, rng.choice(store.records()))
            look_for(LocalStore(folder, KEY) if number % 100 == 0 else store, saved)
        if (number + 1) % max(1, saves // 10) == 0:
            told.put((name, figures(folder, number + 1, time.perf_counter() - begin)))
    if not store.flush(60):
        print(f"{name}: not all is durable", file=sys.stderr)


def check(store: LocalStore, record: Record) -> None:
    """Compare a record with what was saved; one that has been dropped meanwhile may be gone."""
    wanted = blob(record.key)
    try:
        found = store.open(record, "values")
    except CorruptCheckpointError:
        if any(other.saved_at == record.saved_at for other in store.history(record.task)):
            raise
        return
    assert found.stream == wanted.stream, record.key
    assert [bytes(buffer) for buffer in found.buffers] == wanted.buffers, record.key


def look_for(store: LocalStore, saved: Record) -> None:
    """See that nothing hides what was saved just now, but newer versions."""
    history = store.history(saved.task)
    newer = [record for record in history if record.saved_at > saved.saved_at]
    assert len(newer) >= KEEP or any(record.key == saved.key for record in history), f"{saved.key} is hidden"


def clean_all_the_time(folder: Path, grace: float) -> None:
    """Another process: clean up until killed."""
    store = LocalStore(folder, KEY)
    while True:
        cleaned = store.space.clean(grace=grace)
        if cleaned.problems:
            print(cleaned.problems, file=sys.stderr)


def figures(folder: Path, saves: int, seconds: float) -> Figures:
    found = list(sizes(folder))
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if sys.platform == "linux" else 0
    journals = sum(path.suffix == ".jsonl" for path, _ in found)
    return Figures(saves, seconds, sum(size for _, size in found), len(found), journals, pages * 4096)


def sizes(folder: Path) -> Iterator[tuple[Path, int]]:
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                yield path, path.stat().st_size
        except FileNotFoundError:
            continue


def soak(folder: Path, saves: int, processes: int, grace: float, kill_after: float) -> list[str]:
    """Run it; what is wrong in the end, a sentence each."""
    context = multiprocessing.get_context("spawn")
    told, rng = context.Queue(), random.Random(saves)
    names = [f"process {number + 1}" for number in range(processes)]
    savers = [context.Process(target=save_many, args=(folder, name, saves // processes, told)) for name in names]
    cleaners = 0
    for process in savers:
        process.start()
    while any(process.is_alive() for process in savers):
        # One clean-up after the other is killed somewhere.
        cleaner = context.Process(target=clean_all_the_time, args=(folder, grace))
        cleaner.start()
        listen(told, rng.uniform(1.0, kill_after))
        cleaner.kill()
        cleaner.join()
        cleaners += 1
    listen(told, 0.2)
    print(f"{cleaners} clean-ups were killed")
    wrong = [f"{name} ended with {p.exitcode}" for name, p in zip(names, savers, strict=True) if p.exitcode]
    return wrong + left_over(folder)


def listen(told: Any, seconds: float) -> None:
    time.sleep(seconds)
    while not told.empty():
        name, what = told.get()
        print(f"{name}: {what}", flush=True)


def left_over(folder: Path) -> list[str]:
    """What is wrong with a store that nobody uses any more, once it has been cleaned up."""
    store = LocalStore(folder, KEY)
    cleaned = store.space.clean(grace=-60.0)
    records = store.versions()
    for record in records:
        check(store, record)
    needed = {address for record in records for address in objects(record)}
    files = {path.relative_to(folder).as_posix() for path, _ in sizes(folder)}
    expected = {f"objects/{name[:2]}/{name}" for name in needed} | {"format", ".gitignore", "CACHEDIR.TAG", "cleaned"}
    journals = {name for name in files if name.startswith("journal/")}
    # A clean-up that was killed may have left none.
    sessions = {f"sessions/{Path(name).stem}" for name in journals}
    wrong = [*cleaned.problems, *(problem.text for problem in verify(folder, store).problems)]
    wrong += [f"{name} is left over" for name in sorted(files - expected - journals - sessions)]
    wrong += [f"{name} is missing" for name in sorted(expected - files)]
    wrong += [f"there are {len(journals)} journals"] if len(journals) != 1 else []
    wrong += [f"{r.task}: {r.key} is not durable" for r in records if not r.durable]
    wrong += [f"{len(records)} versions of {TASKS} tasks"] if len(records) > TASKS * KEEP else []
    print(f"in the end: {figures(folder, 0, 0.0)}; {len(records)} records, {len(needed)} objects, all looked at")
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--saves", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--grace", type=float, default=0.5)
    parser.add_argument("--kill-after", type=float, default=8.0, help="seconds a clean-up lives, at most")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        wrong = soak(
            Path(folder) / "soak.milepost", options.saves, options.processes, options.grace, options.kill_after
        )
    print(json.dumps({"saves": options.saves, "wrong": wrong}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
