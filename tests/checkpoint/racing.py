"""Two processes that start each task of a store at the same moment: `python racing.py FOLDER TASKS`.

Each body notes who ran it. What the two were given is printed as JSON: for each task the data and whether it was
restored, by process.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

from milepost import Task, TaskRunnerBuilder, task
from milepost.checkpoint.local import LocalStore
from milepost.model.trust import Signer

MINE = Signer(b"m" * 32)


def claim(context: Any) -> list[Any]:
    with open(context, "a") as log:
        log.write(f"{task.key} {os.getpid()}\n")
    return [task.key, os.getpid()]


def race(folder: Path, tasks: int, begin: Any, answers: Any) -> None:
    runner = TaskRunnerBuilder(str(folder / "ran")).with_store(LocalStore(folder / "race.milepost", MINE)).build()
    found = []
    for number in range(tasks):
        name = f"task{number}"
        job = [Task(name, claim, once=True)]
        begin.wait()
        result = runner.run(job)[name]
        found.append((result.data, result.restored))
    answers.put(found)


def main(folder: str, tasks: str) -> None:
    fork = multiprocessing.get_context("fork")
    begin, answers = fork.Barrier(2, timeout=60), fork.Queue()
    both = [fork.Process(target=race, args=(Path(folder), int(tasks), begin, answers)) for _ in range(2)]
    for process in both:
        process.start()
    print(json.dumps([answers.get() for _ in both]))
    for process in both:
        process.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
