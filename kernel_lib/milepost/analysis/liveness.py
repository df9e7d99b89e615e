"""Which local variables a suspended piece of code may still read: liveness, as compilers know it, over its bytecode."""

from __future__ import annotations

import dis
import functools
from collections.abc import Iterator
from types import CodeType

_ENDS = frozenset({"RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"})
_ALWAYS_JUMPS = frozenset({"JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"})


@functools.lru_cache(maxsize=1_000)
def live_after(code: CodeType, offset: int) -> frozenset[str]:
    """The local variables that may be read after the instruction at `offset` (bytes) before they are bound anew.

    Those that functions within share may always be read. See Aho, Lam, Sethi and Ullman, "Compilers", 9.2.5.
    """
    steps = list(dis.get_instructions(code))
    following = {step.offset: list(_following(steps, place)) for place, step in enumerate(steps)}
    for entry in getattr(dis.Bytecode(code), "exception_entries", ()):
        for step in steps:
            if entry.start <= step.offset < entry.end:
                following[step.offset].append(entry.target)
    live: dict[int, frozenset[str]] = {step.offset: frozenset() for step in steps}
    changed = True
    while changed:
        changed = False
        for step in reversed(steps):
            reads, binds = _touched(step)
            found = reads | (_after(following[step.offset], live) - binds)
            changed |= found != live[step.offset]
            live[step.offset] = found
    return _after(following.get(offset, []), live) | {*code.co_cellvars, *code.co_freevars}


def _after(following: list[int], live: dict[int, frozenset[str]]) -> frozenset[str]:
    return frozenset[str]().union(*(live[offset] for offset in following))


def _following(steps: list[dis.Instruction], place: int) -> Iterator[int]:
    step = steps[place]
    if step.opcode in dis.hasjrel or step.opcode in dis.hasjabs:
        yield step.argval
    if step.opname not in _ENDS and step.opname not in _ALWAYS_JUMPS and place + 1 < len(steps):
        yield steps[place + 1].offset


def _touched(step: dis.Instruction) -> tuple[frozenset[str], frozenset[str]]:
    """The variables that an instruction reads first, and those that it binds or deletes."""
    parts = step.opname.split("_FAST")
    if len(parts) == 1:
        return frozenset(), frozenset()
    names = step.argval if isinstance(step.argval, tuple) else (step.argval,)
    reads, binds = set[str](), set[str]()
    for word, name in zip(parts, names, strict=False):  # LOAD_FAST, STORE_FAST_LOAD_FAST
        if not word.endswith("LOAD"):
            binds.add(name)
        elif name not in binds:
            reads.add(name)
    return frozenset(reads), frozenset(binds)
