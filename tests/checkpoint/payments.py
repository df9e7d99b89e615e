"""A payment service, and a program that charges once, killed at named points.

The service is real HTTP on the loopback. `python payments.py` reads jobs, a JSON line each, and forks a process for
each: it runs the program on a store, and dies at the job's point. It answers with what the program came to, or null.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

# Loaded before any process is forked.
import milepost.checkpoint.serializers.notebook
import milepost.engine.strategies.checkpointing  # noqa: F401
from milepost import Snapshot, Task, TaskRunnerBuilder, task
from milepost.checkpoint.durability import Durability
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.notes import Notes
from milepost.model.once import OnceKind
from milepost.model.trust import Signer

MINE = Signer(b"m" * 32)
UNANSWERED = "charged, and not answered"


# the service


class Service(ThreadingHTTPServer):
    """Charges what is posted to /ORDER. With `knows_keys` it charges once for one key, as good services do."""

    def __init__(self, *, knows_keys: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.knows_keys = knows_keys
        self.charges: list[tuple[str, str]] = []
        """Order and key of each."""
        self.lock = threading.Lock()

    def charge(self, order: str, key: str) -> str:
        with self.lock:
            if not self.knows_keys or (order, key) not in self.charges:
                self.charges.append((order, key))
            return self.receipt(order, key)

    def receipt(self, order: str, key: str) -> str:
        return f"{order}-{self.charges.index((order, key))}"

    def of(self, order: str) -> list[str]:
        """The keys under which an order was charged."""
        return [key for charged, key in self.charges if charged == order]


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        receipt = self.server.charge(self.path[1:], self.headers["Idempotency-Key"])
        if victim := self.headers.get("Kill"):
            os.kill(int(victim), signal.SIGKILL)
        with contextlib.suppress(OSError):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(receipt.encode())

    def log_message(self, *args: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def service(*, knows_keys: bool) -> Iterator[Service]:
    with Service(knows_keys=knows_keys) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join()


# the program


@dataclass(frozen=True)
class Job:
    """One run: where it charges, and where (or after how many seconds) it dies."""

    store: str
    port: int
    order: str
    point: str = ""
    seconds: float = 0.0


def charge(context: Any) -> str:
    return post(context, task.key)


def post(job: Job, key: str) -> str:
    headers = {"Idempotency-Key": key, **({"Kill": str(os.getpid())} if job.point == UNANSWERED else {})}
    request = urllib.request.Request(f"http://127.0.0.1:{job.port}/{job.order}", b"", headers)
    with urllib.request.urlopen(request) as answer:
        return str(answer.read().decode())


def tasks() -> list[Task]:
    return [
        Task("charge", charge, once=True),
        Task("mail", lambda charge: f"paid: {charge}", ("charge",)),
    ]


def run(job: Job) -> Snapshot:
    runner = TaskRunnerBuilder(job).with_store(LocalStore(job.store, MINE)).with_executor("main").build()
    with runner, _dying_at(job.point):
        return runner.run(tasks())


# where it dies

Place = tuple[Any, str, str, Callable[[Any], bool]]


def _noting(kind: OnceKind) -> Callable[[Any], bool]:
    return lambda arguments: arguments[-1].kind is kind


def _link(number: int) -> Callable[[Any], bool]:
    left = iter(range(number))
    return lambda arguments: next(left, None) is None


def points() -> dict[str, Place]:
    """What is called there, whether it dies before or after, and for which calls."""
    this = sys.modules[__name__]
    return {
        "the start is not noted": (Notes, "add", "before", _noting(OnceKind.STARTED)),
        "the note of the start has no name": (os, "link", "before", _link(0)),
        "the name of the start's note is not durable": (os, "link", "after", _link(0)),
        "the start is noted": (Notes, "add", "after", _noting(OnceKind.STARTED)),
        "not charged": (this, "post", "before", lambda arguments: True),
        UNANSWERED: (this, "post", "never", lambda arguments: True),
        "charged": (this, "post", "after", lambda arguments: True),
        "the result is not saved": (LocalStore, "save", "before", lambda arguments: bool(arguments[1].once)),
        "the result is not durable": (Durability, "wait", "before", lambda arguments: True),
        "the result is durable": (LocalStore, "save", "after", lambda arguments: bool(arguments[1].once)),
        "the end is not noted": (Notes, "add", "before", _noting(OnceKind.FINISHED)),
        "the note of the end has no name": (os, "link", "before", _link(1)),
        "the name of the end's note is not durable": (os, "link", "after", _link(1)),
        "the end is noted": (Notes, "add", "after", _noting(OnceKind.FINISHED)),
    }


@contextlib.contextmanager
def _dying_at(point: str) -> Iterator[None]:
    if not point:
        yield
        return
    owner, name, when, counts = points()[point]
    real = getattr(owner, name)

    def deadly(*arguments: Any, **options: Any) -> Any:
        its_turn = counts(arguments)
        if its_turn and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        value = real(*arguments, **options)
        if its_turn and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return value

    with mock.patch.object(owner, name, deadly):
        yield


# processes


class Forks:
    """Runs jobs, each in a process of its own, forked from one that has all loaded."""

    def __enter__(self) -> Forks:
        command = [sys.executable, "-m", "tests.checkpoint.payments"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()

    def run(self, job: Job) -> dict[str, Any] | None:
        """What the program came to, by task; None where it was killed."""
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(asdict(job)), file=self._process.stdin, flush=True)
        outcome: dict[str, Any] | None = json.loads(self._process.stdout.readline())
        return outcome


def main() -> None:
    for line in sys.stdin:
        job = Job(**json.loads(line))
        reader, writer = os.pipe()
        pid = os.fork()
        if not pid:
            results = run(job)
            facts = {n: {"status": r.status, "data": r.data, "restored": r.restored} for n, r in results.items()}
            errors = {n: r.error.type for n, r in results.items() if r.error}
            os.write(writer, json.dumps({**facts, "errors": errors}).encode())
            os._exit(0)
        os.close(writer)
        if job.seconds:
            time.sleep(job.seconds)  # any moment will do, so nothing is lost when this takes longer
            os.kill(pid, signal.SIGKILL)
        with open(reader) as answer:
            text = answer.read()
        os.waitpid(pid, 0)
        print(text or "null", flush=True)


def moments(count: int, seed: int = 7) -> Iterator[tuple[str, float]]:
    """Where so many runs die: at each point in turn, and now and then at any moment."""
    draw, names = random.Random(seed), list(points())
    for number in range(count):
        turn = number % (len(names) + 2)
        yield (names[turn], 0.0) if turn < len(names) else ("", draw.uniform(0.001, 0.06))


def stores(folder: Path) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield str(folder / f"{number}.milepost")


if __name__ == "__main__":
    main()
