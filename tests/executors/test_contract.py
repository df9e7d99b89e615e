"""Every executor keeps the contract; tests/engine/test_own_parts.py runs it for the one in the README."""

from __future__ import annotations

from milepost.executors.main import MainExecutor
from milepost.executors.processes import ProcessesExecutor
from milepost.executors.threads import ThreadsExecutor
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
