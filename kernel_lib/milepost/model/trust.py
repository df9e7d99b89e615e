"""This user's signing key: what carries its signature was written by this user, and may be unpickled."""

from __future__ import annotations

import hmac
import os
import secrets
import sys
from pathlib import Path

from milepost.model.errors import KeyFileError

KEY_BYTES = 32


class Signer:
    """Signs bytes with a secret key, and checks signatures.

    Parameters
    ----------
    key : bytes
        The secret, at least 32 bytes long. `Signer.load()` reads, or first creates, the user's own.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise KeyFileError(f"a signing key has at least {KEY_BYTES} bytes, not {len(key)}")
        self._key = key

    def __repr__(self) -> str:
        return "Signer(<secret>)"

    @classmethod
    def load(cls, path: Path | None = None) -> Signer:
        """The signer of the key file at `path` (else `key_path()`), which is created when there is none.

        Raises
        ------
        KeyFileError
            When the file cannot be read or created, or is too short to be a key.
        """
        path = path or key_path()
        try:
            return cls(_read_or_create(path))
        except OSError as error:
            raise KeyFileError(
                f"the signing key {path} cannot be read or created ({error.strerror or error}); "
                "mend its permissions, or name another file in MILEPOST_KEY_FILE"
            ) from error

    def sign(self, data: bytes | bytearray | memoryview, purpose: str) -> str:
        """The signature of `data` for one purpose, in hex; another purpose has another signature."""
        label = purpose.encode("utf-8", "surrogatepass")
        # The length keeps (purpose "a", data "bc") apart from (purpose "ab", data "c").
        mac = hmac.new(self._key, len(label).to_bytes(8, "big") + label, "sha256")
        mac.update(data)
        return mac.hexdigest()

    def verify(self, data: bytes | bytearray | memoryview, purpose: str, signature: str) -> bool:
        """Whether `signature` is the one that `sign` gives; takes equally long for each wrong one."""
        given = signature.encode("utf-8", "surrogatepass")
        return hmac.compare_digest(self.sign(data, purpose).encode(), given)


def key_path() -> Path:
    """Where the key lies: `$MILEPOST_KEY_FILE`, else in the user's Jupyter data folder."""
    named = os.environ.get("MILEPOST_KEY_FILE")
    return Path(named).expanduser() if named else _jupyter_data_dir() / "milepost" / "key"


def _jupyter_data_dir() -> Path:
    named = os.environ.get("JUPYTER_DATA_DIR")
    if named:
        return Path(named).expanduser()
    try:
        from jupyter_core.paths import jupyter_data_dir
    except ImportError:
        return _platform_data_dir()
    return Path(jupyter_data_dir())


def _platform_data_dir() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Jupyter"
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", Path.home())) / "jupyter"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "jupyter"


def _read_or_create(path: Path) -> bytes:
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(path)
    key = path.read_bytes()
    if len(key) < KEY_BYTES:
        raise KeyFileError(
            f"the signing key {path} holds {len(key)} bytes, and a key has at least {KEY_BYTES}; restore it from a "
            "backup, or delete it for a new key (what the old one signed must then be trusted again)"
        )
    return key


def _create(path: Path) -> None:
    """Write a new key beside `path` and link it there: whoever comes first wins, and nobody sees half a key."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(8)}")
    _write_private(draft, secrets.token_bytes(KEY_BYTES))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    except OSError:  # no hard links here
        if not path.exists():
            os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _write_private(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
