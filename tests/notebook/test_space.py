"""How many versions are kept, and what has to make room: said in the cell, in `why` and in the status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.notebook.conftest import Start

pytestmark = pytest.mark.slow

KEPT = "len(get_ipython()._milepost_extension.session.store.history('a'))"
ARRAY = "%%task {0} --keep 2\nimport time\ntime.sleep({1})\n{0} = bytes(range(256)) * 400 + b'{0}'"


def test_versions_and_room(start: Start, tmp_path: Path) -> None:
    kernel = start()
    for number in range(4):
        kernel.run_ok(f"%%task a --keep 2\na = {number}")
    assert kernel.value(KEPT) == 2
    assert kernel.run_ok("%tasks config").stdout.startswith("size-limit=off")
    assert kernel.run_ok("%tasks config size-limit=250kB").stdout.startswith("size-limit=250 kB")
    kernel.run_ok(ARRAY.format("quick", 0))
    kernel.run_ok(ARRAY.format("slow", 0.2))
    reply = kernel.run_ok(ARRAY.format("slower", 0.3))
    stamps = [*reply.stamps, *kernel.run_ok("1").stamps]
    assert any("task 'quick', saved" in stamp and "had to make room" in stamp for stamp in stamps)
    row = kernel.status()["quick"]
    assert (row["state"], row["saved"]) == ("success", False)
    assert "make room" in row["why"]["text"]
    assert kernel.status()["slow"]["saved"]

    reply = kernel.run_ok(ARRAY.format("least", 0))
    assert any("not saved: task 'least' has 102 kB" in stamp for stamp in reply.stamps)
    assert kernel.value("len(least)") == 102_405

    again = start()
    assert again.run_ok("%tasks config").stdout.startswith("size-limit=250 kB")
    again.run_ok(ARRAY.format("quick", 0))
    (why,) = json.loads(again.run_ok("%tasks why quick --json").stdout)
    assert why["why"]["kind"] == "evicted"
    assert "had to make room" in why["why"]["text"]


def test_what_is_wrong_is_said(start: Start) -> None:
    kernel = start()
    for line, message in {
        "%tasks config size_limit=5GB": "did you mean 'size-limit'?",
        "%tasks config size-limit": "takes KEY=VALUE, such as size-limit=5GB",
        "%tasks config size-limit=much": "'much' is no size",
        "%%task x --keep 0\nx = 1": "'0' is not a number of versions",
    }.items():
        assert message in kernel.run(line).traceback
