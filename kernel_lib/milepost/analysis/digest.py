"""Content digests of Python values: equal values, equal digests, in any process and after any restore.

A `Walk` over the value feeds one BLAKE3 hasher. What has no content has no digest: `Digest.opaque` says why, and the
caller falls back to where the value came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from milepost.analysis.adapters import NoContent
from milepost.analysis.walk import Walk


@dataclass(frozen=True, slots=True)
class Digest:
    """The digest of one value.

    `hex` is empty where there is no content, and `opaque` says why; `consumable` that using the value changes it;
    `globals` are the names of the namespace that functions within the value read, and `imports` the modules that they
    import: they count as inputs too. `walked` are the objects that were met and could be met again, where asked for.
    """

    hex: str
    globals: tuple[str, ...] = ()
    opaque: str = ""
    consumable: bool = False
    imports: tuple[str, ...] = ()
    walked: tuple[object, ...] = field(default=(), repr=False, compare=False)


def digest(value: object, namespace: Mapping[str, Any] | None = None, *, walked: bool = False) -> Digest:
    """The content digest of a value; functions whose globals are `namespace` report the names they read."""
    walk = Walk(namespace)
    content, opaque, consumable = "", "", False
    try:
        walk.value(value)
        content = walk.hexdigest()
    except NoContent as reason:
        opaque, consumable = str(reason), reason.consumable
    except RecursionError:
        opaque = "it is nested too deeply"
    except RuntimeError:  # another thread changes it
        raise
    except Exception as error:  # what its class has instead of Python's own attributes
        opaque, consumable = f"it cannot be looked at ({type(error).__name__}: {error})", True
    met = tuple(walk.met) if walked and content else ()
    return Digest(content, tuple(sorted(walk.globals)), opaque, consumable, tuple(sorted(walk.imports)), met)


def outline(value: object, namespace: Mapping[str, Any] | None = None) -> str:
    """A digest of all parts of a value that have content: it tells most changes of one that has none as a whole."""
    walk = Walk(namespace, holes=True)
    try:
        walk.value(value)
    except RecursionError:
        return ""
    except RuntimeError:  # another thread changes it
        raise
    except Exception:  # as in `digest`, which says why nothing is known of it
        return ""
    return walk.hexdigest()
