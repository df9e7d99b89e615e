"""This user's signing key: what carries its signature was written by this user, and may be unpickled."""

from __future__ import annotations

import hmac
import os
import secrets
import shlex
import stat
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from milepost.model.errors import KeyFileError, KeyFileWarning

KEY_BYTES = 32
_LONGEST_KEY = 64 * 1024


class Signer:
    """Signs bytes with a secret key, and checks signatures.

    Parameters
    ----------
    key : bytes
        The secret, at least 32 bytes long. `UserSigner` has the user's own.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise KeyFileError(f"a signing key has at least {KEY_BYTES} bytes, not {len(key)}")
        self._key = key
        self._macs: dict[str, hmac.HMAC] = {}
        """By purpose, begun: what is signed is often short."""

    def __repr__(self) -> str:
        return "Signer(<secret>)"

    @classmethod
    def load(cls, path: Path | None = None) -> Signer:
        """As `find`; the user's own key, or one at `path`, is made where there is none."""
        while (found := cls.find(path)) is None:
            with _told(path or key_path()):
                make_key(path or key_path())
        return found

    @classmethod
    def find(cls, path: Path | None = None) -> Signer | None:
        """The signer of the key file at `path` (else `key_path()`), None where there is none yet.

        Warns when others can read the file. One that `MILEPOST_KEY_FILE` names is meant to be shared: anybody may own
        it, and its group may read it. It has to be there, since a new one in its place would be nobody else's.

        Raises
        ------
        KeyFileError
            When the file cannot be read, is no key, or is one that others own or can change.
        """
        shared = path is None and bool(os.environ.get("MILEPOST_KEY_FILE"))
        path = path or key_path()
        with _told(path):
            if _is_there(path):
                return cls(_read(path, shared))
        if shared:
            raise KeyFileError(
                f"there is no signing key {path}, which MILEPOST_KEY_FILE names: mend that name, or make a new key to "
                f"share with `milepost key {shlex.quote(str(path))}`"
            )
        return None

    def sign(self, data: bytes | bytearray | memoryview, purpose: str) -> str:
        """The signature of `data` for one purpose, in hex; another purpose has another signature."""
        begun = self._macs.get(purpose) or self._begin(purpose)
        mac = begun.copy()
        mac.update(data)
        return mac.hexdigest()

    def verify(self, data: bytes | bytearray | memoryview, purpose: str, signature: str) -> bool:
        """Whether `signature` is the one that `sign` gives; takes equally long for each wrong one."""
        given = signature.encode("utf-8", "surrogatepass")
        return hmac.compare_digest(self.sign(data, purpose).encode(), given)

    def _begin(self, purpose: str) -> hmac.HMAC:
        label = purpose.encode("utf-8", "surrogatepass")
        # The length keeps (purpose "a", data "bc") apart from (purpose "ab", data "c").
        begun = hmac.new(self._key, len(label).to_bytes(8, "big") + label, "sha256")
        self._macs[purpose] = begun
        return begun


class UserSigner:
    """This user's signer: the key is read when first asked for, and made only once there is something to sign."""

    def __init__(self) -> None:
        self._found: Signer | None = None

    def sign(self, data: bytes | bytearray | memoryview, purpose: str) -> str:
        """As `Signer.sign`; raises `KeyFileError` as `Signer.load`."""
        self._found = self._found or Signer.load()
        return self._found.sign(data, purpose)

    def verify(self, data: bytes | bytearray | memoryview, purpose: str, signature: str) -> bool:
        """As `Signer.verify`: what could a user without a key have signed? Raises `KeyFileError` as `Signer.find`."""
        self._found = self._found or Signer.find()
        return self._found is not None and self._found.verify(data, purpose, signature)


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


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KeyFileError(
            f"the signing key {path} cannot be read or created ({error.strerror or error}); "
            "mend its permissions, or name another file in MILEPOST_KEY_FILE"
        ) from error


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _read(path: Path, shared: bool) -> bytes:
    with open(path, "rb", opener=_open_at_once) as file:
        _require_private(path, os.fstat(file.fileno()), shared)
        key = file.read(_LONGEST_KEY + 1)
    if not KEY_BYTES <= len(key) <= _LONGEST_KEY:
        raise KeyFileError(
            f"the signing key {path} holds {len(key)} bytes, and a key has at least {KEY_BYTES} and at most "
            f"{_LONGEST_KEY}; restore it from a backup, or delete it for a new key (what the old one signed must then "
            "be trusted again)"
        )
    return key


def _require_private(path: Path, found: os.stat_result, shared: bool) -> None:
    """Who has the key can have this user run anything: refuse one that others made, warn of one that they can read."""
    if not stat.S_ISREG(found.st_mode):
        raise KeyFileError(f"the signing key {path} is no regular file; name another one in MILEPOST_KEY_FILE")
    if os.name == "nt":
        return
    if not shared and found.st_uid not in (0, os.geteuid()):
        raise KeyFileError(
            f"the signing key {path} belongs to another user (number {found.st_uid}); take it over with chown, or name "
            "it in MILEPOST_KEY_FILE if you mean to share it"
        )
    if found.st_mode & (0o002 if shared else 0o022):
        raise KeyFileError(f"others can change the signing key {path}; if they did not, chmod {_fit(shared)} it")
    if found.st_mode & (0o004 if shared else 0o044):
        words = f"others can read the signing key {path}, and with it have you run anything; chmod {_fit(shared)} it"
        warnings.warn(words, KeyFileWarning, stacklevel=5)


def _open_at_once(path: str, flags: int) -> int:
    """Open as ever, but a pipe without a writer keeps nobody waiting."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _fit(shared: bool) -> str:
    return "640" if shared else "600"


def make_key(path: Path) -> bool:
    """Write a new key, which only this user can read, with the folders above it; False where a file was there before.

    It is written beside `path` and linked there: whoever comes first wins, and nobody sees half a key.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(8)}")
    _write_private(draft, secrets.token_bytes(KEY_BYTES))
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:  # no hard links here
        if path.exists():
            return False
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return True


def _write_private(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
