"""A process that saves, overwrites, forgets and cleans up without end, and reports each step over its standard output.

`python busy.py FOLDER NAME SEED FIRST`: its tasks' names begin with NAME, and its versions are numbered from FIRST on.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

from milepost.checkpoint.local import LocalStore
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Blob

MINE = Signer(b"m" * 32)
SIZES = (40, 900, 3_000, 9_000, 70_000, 200_000)


def content(task: str, version: int) -> Blob:
    """What a version of a task holds: small, inline, large, or with a buffer that others have, too."""
    draw = random.Random(f"{task} {version}")
    stream = draw.randbytes(draw.choice(SIZES[:4]))
    shared = random.Random(version % 5).randbytes(80_000)
    buffers = [draw.randbytes(draw.choice(SIZES)) for _ in range(draw.randrange(3))]
    return Blob(stream, (*buffers, shared) if version % 3 == 0 else tuple(buffers))


def main(folder: str, name: str, seed: str, first: str) -> None:
    store = LocalStore(Path(folder), MINE)
    draw = random.Random(int(seed))
    version = int(first)
    while True:
        task = f"{name}{draw.randrange(8)}"
        if draw.random() < 0.15:
            tell("forgetting", task)
            store.forget([task])
            tell("forgotten", task)
            continue
        if draw.random() < 0.1:
            store.space.clean(keep=2, grace=0.0)
            continue
        version += 1
        tell("saving", task, version)
        store.save(Record(task=task, key=str(version)), {"values": content(task, version)})
        tell("saved", task, version)


def tell(*facts: object) -> None:
    os.write(1, json.dumps(facts).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
