"""The check itself: plain runs, a whole run with Milepost, and one that is killed and resumed, compared.

The killed one is a chain: a kernel runs the cells up to the first kill point and is killed; the next one starts from
the top on what that left (store and folder), gets to the kill point, is compared, goes on to the next kill point, is
compared and killed. So each cell is computed once in the chain, and restored once a kill point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from milepost.checking.compare import Difference, State, TreeOf, differences
from milepost.checking.kernel import Ran
from milepost.checking.runs import Conductor, Run, Trees
from milepost.checking.shown import Shown, difference, shown
from milepost.checking.source import Cell, Source
from milepost.checking.tasks import resumed
from milepost.checking.verdict import Finding, Verdict

LOAD = "%load_ext milepost"

Tell = Callable[[str], None]


@dataclass(slots=True)
class Check:
    """One check of one notebook. `kills` are numbers of cells after which the kernel is killed."""

    source: Source
    conductor: Conductor
    kills: Sequence[int]
    tell: Tell
    cells: tuple[Cell, ...] = ()
    verdict: Verdict = field(default_factory=Verdict)
    plain: Run = field(default_factory=Run)
    others: list[Run] = field(default_factory=list)
    """Further plain runs: what differs between them is the notebook's own."""
    whole: Run = field(default_factory=Run)

    def __call__(self) -> Verdict:
        """Run everything; the verdict."""
        self.cells = self.source.cells
        self.plain = self._fresh("plain run")
        self._note_failure()
        self.others.append(self._fresh("second plain run"))
        self.verdict.unsteady = sorted(self._unsteady(max(self.plain.states, default=0)))
        self.whole = self.plain if self.source.prepared else self._fresh("whole run with Milepost", milepost=True)
        if not self.source.prepared:
            self.verdict.changed = [*self._outputs(self.plain, self.whole, 0), *self._states(self.whole)]
        self._chain()
        self._doubt()
        return self.verdict

    # runs

    def _fresh(self, words: str, *, milepost: bool = False) -> Run:
        """All cells in a fresh copy; with Milepost where the notebook cannot run without, or it is asked for."""
        self.conductor.place.fresh()
        run = Run()
        prelude = self._prelude() if milepost or self.source.prepared else ()
        self.conductor.run(run, self.cells, prelude, self._looks(), run.keep)
        self.tell(f"{words}: {len(run.cells)} cells, {run.seconds:.1f} s")
        self.verdict.seconds[words] = run.seconds
        return run

    def _prelude(self) -> tuple[str, ...]:
        return (LOAD,)

    def _looks(self) -> set[int]:
        return {*self.kills, len(self.cells)}

    def _note_failure(self) -> None:
        """What fails in the plain run ends all runs, as it ends Run All."""
        last = self.plain.cells[len(self.plain.cells)]
        self.verdict.cells = len(self.plain.cells)
        if self.conductor.ends(self.cells[last.number - 1], last):
            self.verdict.failure = Finding(last.number, Difference("failure", f"cell {last.number}", last.error))
            self.cells = self.cells[: last.number]

    # the chain

    def _chain(self) -> None:
        self.conductor.place.fresh()
        before: State | None = None
        reached = [number for number in sorted(set(self.kills)) if number in self.whole.states]
        self.verdict.kills = reached
        for killed, stop in zip([0, *reached], [*reached, len(self.cells)], strict=True):
            before = self._link(killed, stop, before)

    def _link(self, killed: int, stop: int, before: State | None) -> State | None:
        """One kernel of the chain; what it held when it was killed."""
        run = Run()

        def look(number: int, state: State, trees: Trees) -> None:
            run.states[number] = state
            self._compare(number, killed, state, lambda name: trees([name]).get(name))

        self.conductor.run(run, self.cells[:stop], self._prelude(), {killed, stop}, look)
        for finding in self._outputs(self.whole, run, killed):
            self.verdict.add_wrong(finding)
        self._count(run, killed, before)
        self.tell(f"killed after cell {killed}, resumed to {stop}: {run.seconds:.1f} s" if killed else "first kernel")
        return run.states.get(stop)

    def _compare(self, number: int, killed: int, state: State, tree: TreeOf) -> None:
        old = self.whole.states.get(number)
        if old is None:
            return
        unsteady = self._places(number)
        for found in differences(old, state, self.whole.tree(number), tree):
            if found.place in unsteady:
                self.verdict.tolerated.add(found.place)
            else:
                self.verdict.add_wrong(Finding(self._culprit(found, state, number), found, killed, number))
        self.verdict.blurred.update(state.blurred)

    def _count(self, run: Run, killed: int, before: State | None) -> None:
        """What ran again of what had run before the kill, and what that cost and saved."""
        again = [ran for number, ran in run.cells.items() if number <= killed]
        self.verdict.runs += len(again)
        self.verdict.again_seconds += sum(ran.seconds for ran in again)
        self.verdict.saved_seconds += sum(self.whole.cells[ran.number].seconds - ran.seconds for ran in again)
        now = run.states.get(killed)
        if now is None or before is None:
            return
        found = resumed(before, now, self.cells, self._unsteady(killed))
        self.verdict.restored += len(found.restored)
        for item in found.again:
            self.verdict.again.setdefault((item.cell, item.task, item.cause), []).append(item)

    # comparing

    def _places(self, number: int) -> set[tuple[str, str]]:
        """What differs between plain runs after a cell."""
        old = self.plain.states.get(number)
        if old is None:
            return set()
        news = [run.states[number] for run in self.others if number in run.states]
        return {found.place for new in news for found in differences(old, new, _no_tree, _no_tree)}

    def _unsteady(self, number: int) -> set[str]:
        return {what for kind, what in self._places(number) if kind == "value"}

    def _states(self, run: Run) -> Iterator[Finding]:
        """Where a whole run holds other things than the plain one."""
        for number, state in run.states.items():
            old, unsteady = self.plain.states.get(number), self._places(number)
            found = differences(old, state, self.plain.tree(number), run.tree(number)) if old else ()
            yield from (Finding(number, item, 0, number) for item in found if item.place not in unsteady)

    def _outputs(self, old: Run, new: Run, killed: int) -> Iterator[Finding]:
        for number, ran in new.cells.items():
            if self.cells[number - 1].ours:
                continue
            fails = bool(ran.error) and not self._fails_plainly(number)
            words = ran.error if fails else self._output(number, old.cells.get(number), ran)
            if words:
                place = Difference("failure" if fails else "output", f"cell {number}", words)
                yield Finding(number, place, killed, max(number, killed))

    def _fails_plainly(self, number: int) -> bool:
        return any(number in run.cells and run.cells[number].error for run in (self.plain, *self.others))

    def _output(self, number: int, old: Ran | None, new: Ran) -> str:
        """How what a cell showed differs; what differs between plain runs counts only as far as it does not there."""
        before, after = shown(old) if old else None, shown(new)
        if before is None:
            return "it ran in one of both only"
        plain = self._plainly_shown(number)
        if len({repr(item) for item in plain}) < 2:
            return difference(before, after)
        if len({repr(item.without_times()) for item in plain}) < 2:
            return difference(before.without_times(), after.without_times())
        self.verdict.tolerated.add(("output", f"cell {number}"))
        return ""

    def _plainly_shown(self, number: int) -> list[Shown]:
        return [shown(run.cells[number]) for run in (self.plain, *self.others) if number in run.cells]

    # doubt

    def _doubt(self) -> None:
        """Two plain runs may agree by chance, on the order of a small set for one: more are made before a verdict.

        The first of them in the folder as it has become: what a cell finds there when it runs again is no restore.
        """
        fresh = (partial(self._fresh, f"{words} plain run") for words in ("third", "fourth", "fifth"))
        makers: list[Callable[[], Run]] = [*fresh] if self.source.prepared else [self._used, *fresh]
        for make in makers:
            if not (self.verdict.wrong or self.verdict.changed):
                return
            self.others.append(make())
            self.verdict.forgive(self._varies)

    def _used(self) -> Run:
        """All cells, plainly, in the folder that the other runs have left."""
        run = Run()
        self.conductor.run(run, self.cells, (), self._looks(), run.keep)
        return run

    def _varies(self, finding: Finding) -> bool:
        """Whether a plain run differs there from the first."""
        found = finding.difference
        if found.kind == "failure":
            return self._fails_plainly(finding.cell)
        if found.kind == "output":
            return len({repr(item.without_times()) for item in self._plainly_shown(finding.cell)}) > 1
        return found.place in self._places(finding.seen)

    def _culprit(self, found: Difference, state: State, number: int) -> int:
        """The cell whose task gave the value, else the one after which it was seen."""
        numbers = {cell.cell_id: cell.number for cell in self.cells}
        giving = [row for row in state.tasks if found.what in row["outputs"] and row["cell_id"] in numbers]
        return numbers[giving[-1]["cell_id"]] if giving else number


def _no_tree(name: str) -> None:
    return None
