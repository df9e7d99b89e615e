"""The signing key: created once, private, and never guessed."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from milepost.model.errors import KeyFileError
from milepost.model.trust import Signer, key_path


def test_a_key_is_created_private_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key"
    signature = Signer.load(path).sign(b"data", "test")
    assert Signer.load(path).verify(b"data", "test", signature)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["key"]


def test_a_signature_holds_for_its_data_purpose_and_key_only(tmp_path: Path) -> None:
    signer = Signer(b"k" * 32)
    signature = signer.sign(b"data", "test")
    assert not signer.verify(b"datA", "test", signature)
    assert not signer.verify(b"data", "other", signature)
    assert not Signer(b"K" * 32).verify(b"data", "test", signature)
    assert not signer.verify(b"data", "test", "é")
    assert signer.sign(b"bc", "a") != signer.sign(b"c", "ab")


def test_many_who_create_at_once_get_one_key(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)
    signatures: list[str] = []

    def load() -> None:
        barrier.wait()
        signatures.append(Signer.load(tmp_path / "key").sign(b"", "test"))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(signatures) == 8
    assert len(set(signatures)) == 1


def test_a_short_or_unreadable_key_file_is_a_clear_error(tmp_path: Path) -> None:
    short = tmp_path / "key"
    short.write_bytes(b"short")
    with pytest.raises(KeyFileError, match="holds 5 bytes"):
        Signer.load(short)
    with pytest.raises(KeyFileError, match="MILEPOST_KEY_FILE"):
        Signer.load(tmp_path)


def test_the_environment_names_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILEPOST_KEY_FILE", raising=False)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    assert key_path() == tmp_path / "jupyter" / "milepost" / "key"
    monkeypatch.setenv("MILEPOST_KEY_FILE", str(tmp_path / "mine"))
    assert key_path() == tmp_path / "mine"
