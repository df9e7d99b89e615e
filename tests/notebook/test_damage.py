"""Large results are given back at once and verified afterwards; what turns out to be damaged is said and taken back."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.notebook.conftest import Start
from tests.notebook.kernel import Kernel

pytestmark = pytest.mark.slow

LOAD = "%%task load\nimport numpy as np\nprint('loading')\nlarge = np.ones(100_000)"
TOTAL = "%%task total\ntotal = float(large.sum())"
SETTLED = "get_ipython()._milepost_extension.session.store.settle()"
WARNING = "⚠ task 'load' was given back from a checkpoint that is damaged"


@pytest.fixture
def hurt(start: Start, tmp_path: Path) -> Kernel:
    """A new kernel whose store holds a damaged large array."""
    first = start()
    first.run_ok(LOAD)
    assert first.value("get_ipython()._milepost_extension.session.store.flush()")
    (path,) = [path for path in (tmp_path / "nb.milepost" / "objects").rglob("*") if len(path.name) == 64]
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(b"\0" * 8)
    # As a disk does it, behind everybody's back: what was changed otherwise is seen at once.
    first.run_ok(
        f"from milepost.checkpoint.objects import file_of\nimport os\npath = {str(path)!r}\n"
        "get_ipython()._milepost_extension.session.store._mark((), (file_of(os.path.basename(path), os.stat(path)),))"
    )
    first.close()
    return start()


def test_the_status_says_whether_a_result_survives_power_loss(start: Start) -> None:
    kernel = start()
    kernel.run_ok(LOAD)
    assert kernel.value("get_ipython()._milepost_extension.session.store.flush()")
    assert (kernel.status()["load"]["saved"], kernel.status()["load"]["durable"]) == (True, True)
    kernel.close()
    assert start().status()["load"]["durable"]


def test_a_restored_task_is_taken_back_and_computed_anew(hurt: Kernel) -> None:
    restored = hurt.run_ok(LOAD)
    settled = hurt.run_ok(SETTLED)
    stamps = [*restored.stamps, *settled.stamps]
    assert "restored: saved" in stamps[0]
    assert len([stamp for stamp in stamps if stamp.startswith(WARNING)]) == 1
    assert "run the task again" in stamps[-1]
    row = hurt.status()["load"]
    assert (row["state"], row["restored"], row["saved"], row["why"]["kind"]) == ("stale", False, False, "corrupt")
    assert "run the task again" in hurt.run_ok("%tasks why load").stdout
    again = hurt.run_ok(LOAD)
    assert again.stdout == "loading\n"
    row = hurt.status()["load"]
    assert (row["state"], row["restored"], row["saved"]) == ("success", False, True)
    assert hurt.value("float(large.sum())") == 100_000.0


def test_a_value_that_a_plain_cell_got_is_taken_back(hurt: Kernel) -> None:
    hurt.run_ok("large.sum()")
    hurt.run_ok(SETTLED)
    row = hurt.status()["load"]
    assert (row["state"], row["restored"], row["saved"], row["why"]["kind"]) == ("stale", False, False, "corrupt")


def test_what_is_computed_from_it_meanwhile_is_not_saved(hurt: Kernel) -> None:
    replies = [hurt.run_ok(LOAD), hurt.run_ok(TOTAL)]
    stamps = [stamp for reply in replies for stamp in reply.stamps]
    assert any(stamp.startswith(WARNING) for stamp in stamps)
    # Taken back before the second cell began, which says so first, the array is a plain value, by its own content.
    row = hurt.status()["total"]
    if row["saved"]:
        assert any(stamp.startswith(WARNING) for stamp in (*replies[0].stamps, *replies[1].stamps[:1]))
    hurt.run_ok(LOAD)
    assert hurt.run_ok(TOTAL).ok()
    assert hurt.value("total") == 100_000.0
    assert hurt.status()["total"]["restored"] is False


def test_what_was_planned_before_the_damage_was_known_is_not_saved(hurt: Kernel) -> None:
    hurt.run_ok("from milepost.checkpoint.objects import Objects; import threading; gate = threading.Event()")
    hurt.run_ok("real = Objects.check; check = lambda *args: (gate.wait(60), real(*args))[1]")
    hurt.run_ok("from milepost.checkpoint.local import LocalStore; settle = LocalStore.settle")
    # By way of a text: what cells are seen to set on a class would count as an input of the tasks.
    hurt.run_ok("exec('Objects.check = check; LocalStore.settle = lambda self: (gate.set(), settle(self))')")
    hurt.run_ok(LOAD)
    reply = hurt.run_ok(TOTAL)
    assert any("not saved: it was computed from what 'load' had saved, and that is damaged" in s for s in reply.stamps)
    assert reply.stamps[-1].startswith(WARNING)
    row = hurt.status()["total"]
    assert row["saved"] is False
