"""Every executor keeps the contract, one of a user's own too."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from milepost.executors.main import MainExecutor
from milepost.executors.processes import ProcessesExecutor
from milepost.executors.threads import ThreadsExecutor
from milepost.ports import TaskCall
from milepost.testing.executor import ExecutorContract


class TestMain(ExecutorContract):
    def make_executor(self) -> MainExecutor:
        return MainExecutor()


class TestThreads(ExecutorContract):
    def make_executor(self) -> ThreadsExecutor:
        return ThreadsExecutor()


class TestProcesses(ExecutorContract):
    def make_executor(self) -> ProcessesExecutor:
        return ProcessesExecutor(2)


class Cluster(ThreadsExecutor):
    """As in the README."""

    name = "cluster"
    client = ThreadPoolExecutor(2)

    def invoke(self, call: TaskCall, arguments: Mapping[str, Any]) -> Any:
        return self.client.submit(call.task.run, **arguments).result()


class TestOwn(ExecutorContract):
    def make_executor(self) -> Cluster:
        return Cluster()
