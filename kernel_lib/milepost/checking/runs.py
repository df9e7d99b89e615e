"""Runs of a notebook's cells in one kernel, as Run All does it, with a look at what the kernel holds after some."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from milepost.checking.compare import State, TreeOf
from milepost.checking.kernel import CheckKernel, Ran
from milepost.checking.parts import Part
from milepost.checking.source import Cell
from milepost.checking.workplace import Workplace

Trees = Callable[[list[str]], dict[str, Part]]
"""What values are made of, by name."""

Look = Callable[[int, State, Trees], None]
"""Called after a cell: its number, what the kernel holds, and how to ask for more, while the kernel lives."""


@dataclass(slots=True)
class Run:
    """One run: how each cell ended, and by cell what the kernel held after it."""

    cells: dict[int, Ran] = field(default_factory=dict)
    states: dict[int, State] = field(default_factory=dict)
    trees: dict[tuple[str, str], Part] = field(default_factory=dict)
    """What values are made of, by name and what tells their contents apart."""

    @property
    def seconds(self) -> float:
        """Of its cells together."""
        return sum(ran.seconds for ran in self.cells.values())

    def tree(self, number: int) -> TreeOf:
        """What values were made of after a cell."""
        values = self.states[number].values
        return lambda name: self.trees.get((name, _mark(values[name]))) if name in values else None

    def keep(self, number: int, state: State, trees: Trees) -> None:
        """Remember a state with all that its values are made of: the `Look` of who compares later."""
        self.states[number] = state
        new = [name for name, value in state.values.items() if (name, _mark(value)) not in self.trees]
        for name, part in trees(new).items() if new else ():
            self.trees[name, _mark(state.values[name])] = part


@dataclass(frozen=True, slots=True)
class Conductor:
    """Starts kernels in the workplace and runs cells in them."""

    place: Workplace
    kernel: str
    timeout: float
    allow_errors: bool = False
    tell: Callable[[str], None] = lambda words: None
    """Where progress goes."""

    def run(self, run: Run, cells: Iterable[Cell], prelude: Iterable[str], looks: Collection[int], look: Look) -> None:
        """Run cells in a new kernel until one fails; `look` after those with these numbers. The kernel is killed."""
        with CheckKernel(self.place, self.kernel, self.timeout, self.tell) as kernel:
            for code in prelude:
                kernel.prepare(code)
            for cell in cells:
                ran = run.cells[cell.number] = kernel.run(cell)
                if self.ends(cell, ran):
                    break
                if cell.number in looks:
                    self._look(kernel, cell.number, look)

    def ends(self, cell: Cell, ran: Ran) -> bool:
        """Whether Run All stops after this cell."""
        return ran.stops or bool(ran.error and not cell.may_fail and not self.allow_errors)

    def _look(self, kernel: CheckKernel, number: int, look: Look) -> None:
        found = kernel.ask()
        tasks = tuple(found.pop("tasks"))
        state = State(**found, files=self.place.files(), tasks=tasks)
        look(number, state, lambda names: kernel.ask(parts=names))


def _mark(value: list[str]) -> str:
    return "/".join(value[:3])
