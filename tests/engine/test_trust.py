"""The signing key: created once, private, and never guessed."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from milepost.model.errors import KeyFileError, KeyFileWarning
from milepost.model.trust import Signer, UserSigner, key_path, make_key


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
    with pytest.raises(KeyFileError, match="MILEPOST_KEY_FILE"):
        Signer.load(short / "key")


@pytest.mark.parametrize("place", ["pipe", "device", "dangling", "long"])
def test_what_is_no_key_file_keeps_nobody_waiting(tmp_path: Path, place: str) -> None:
    path = tmp_path / "key"
    if place == "pipe":
        os.mkfifo(path)
    elif place == "long":
        path.write_bytes(bytes(1_000_000))
        path.chmod(0o600)
    else:
        path.symlink_to("/dev/zero" if place == "device" else tmp_path / "nothing")
    with pytest.raises(KeyFileError, match=str(path)):
        Signer.load(path)


def test_the_folder_of_a_new_key_is_private(tmp_path: Path) -> None:
    Signer.load(tmp_path / "deep" / "key")
    assert stat.S_IMODE((tmp_path / "deep").stat().st_mode) == 0o700


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own key, where it lies by default."""
    monkeypatch.delenv("MILEPOST_KEY_FILE", raising=False)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    Signer.load()
    return tmp_path / "milepost" / "key"


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_a_private_key_is_fine(key: Path, mode: int, recwarn: pytest.WarningsRecorder) -> None:
    key.chmod(mode)
    Signer.load()
    assert not recwarn.list


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644])
def test_a_key_that_others_can_read_is_warned_of(key: Path, mode: int) -> None:
    key.chmod(mode)
    with pytest.warns(KeyFileWarning, match="chmod 600"):
        Signer.load()


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_key_that_others_can_change_is_refused(key: Path, mode: int) -> None:
    key.chmod(mode)
    with pytest.raises(KeyFileError, match=r"others can change.*chmod 600"):
        Signer.load()


def test_a_key_of_somebody_else_is_refused(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: key.stat().st_uid + 1)
    owner = key.stat().st_uid
    if owner == 0:
        os.chown(key, 12345, -1)
    with pytest.raises(KeyFileError, match="belongs to another user"):
        Signer.load()
    monkeypatch.setenv("MILEPOST_KEY_FILE", str(key))
    assert Signer.load().sign(b"", "test")


def test_a_shared_key_may_be_read_by_its_group(
    key: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setenv("MILEPOST_KEY_FILE", str(key))
    key.chmod(0o660)
    Signer.load()
    assert not recwarn.list
    key.chmod(0o644)
    with pytest.warns(KeyFileWarning, match="chmod 640"):
        Signer.load()
    key.chmod(0o662)
    with pytest.raises(KeyFileError, match="others can change"):
        Signer.load()


def test_the_environment_names_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILEPOST_KEY_FILE", raising=False)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    assert key_path() == tmp_path / "jupyter" / "milepost" / "key"
    monkeypatch.setenv("MILEPOST_KEY_FILE", str(tmp_path / "mine"))
    assert key_path() == tmp_path / "mine"


@pytest.fixture
def absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `MILEPOST_KEY_FILE` names, and is not there."""
    path = tmp_path / "mistyped folder" / "key"
    monkeypatch.setenv("MILEPOST_KEY_FILE", str(path))
    return path


def test_a_named_key_that_is_not_there_is_told_and_not_made(absent: Path) -> None:
    user = UserSigner()
    for ask in (Signer.load, lambda: user.sign(b"", "test"), lambda: user.verify(b"", "test", "")):
        with pytest.raises(KeyFileError, match=rf"no signing key {absent}.*`milepost key '{absent}'`"):
            ask()
    assert not absent.parent.exists()


def test_to_check_a_signature_makes_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILEPOST_KEY_FILE", raising=False)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    user = UserSigner()
    assert not user.verify(b"data", "test", Signer(b"k" * 32).sign(b"data", "test"))
    assert not (tmp_path / "jupyter").exists()
    other = UserSigner().sign(b"data", "test")
    assert user.verify(b"data", "test", other)


def test_a_key_is_never_made_in_the_place_of_another(tmp_path: Path) -> None:
    assert make_key(tmp_path / "key")
    before = (tmp_path / "key").read_bytes()
    assert not make_key(tmp_path / "key")
    assert (tmp_path / "key").read_bytes() == before
