"""A kernel without a signing key: its cells run, and what they leave is not saved."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.notebook.conftest import Start

pytestmark = pytest.mark.slow

NEEDS = "%%task second\nsecond = first + 1"


@pytest.mark.parametrize(("held", "words"), [(b"short", "5 bytes"), (None, "milepost key")])
@pytest.mark.parametrize("saved_before", [False, True])
def test_cells_run_without_a_key(
    start: Start, tmp_path: Path, saved_before: bool, held: bytes | None, words: str
) -> None:
    if saved_before:
        kernel = start()
        kernel.run_ok("%%task first\nfirst = 1")
        kernel.close()
    bad = tmp_path / "bad"
    if held is not None:
        bad.write_bytes(held)
        bad.chmod(0o600)
    kernel = start(MILEPOST_KEY_FILE=str(bad))
    reply = kernel.run_ok("%%task first\nfirst = 1")
    assert any("not saved: " in stamp and f"signing key {bad}" in stamp and words in stamp for stamp in reply.stamps)
    assert any("not saved" in stamp for stamp in kernel.run_ok(NEEDS).stamps)
    assert kernel.value("second") == 2
    row = kernel.status()["second"]
    assert (row["state"], row["saved"]) == ("success", False)
    assert bad.exists() == (held is not None)

    bad.write_bytes(b"k" * 32)  # mended
    bad.chmod(0o600)
    kernel.run_ok("%%task third\nthird = 3")
    assert kernel.status()["third"]["saved"]
