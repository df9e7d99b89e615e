"""Why a task ran, was restored, is stale or was not saved: data first, words second."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class ReasonKind(StrEnum):
    """What decided."""

    FIRST_RUN = "first-run"
    RESTORED = "restored"
    CODE_CHANGED = "code-changed"
    INPUT_CHANGED = "input-changed"
    UPSTREAM_RAN = "upstream-ran"
    FORCED = "forced"
    NOT_FINGERPRINTED = "not-fingerprinted"
    NOT_SAVED = "not-saved"
    NOT_RESTORABLE = "not-restorable"
    UNTRUSTED = "untrusted"
    CORRUPT = "corrupt"
    FAILED_BEFORE = "failed-before"
    HYDRATED = "hydrated"
    FORGOTTEN = "forgotten"
    NO_STORE = "no-store"
    SAVED = "saved"
    EVICTED = "evicted"
    IN_DOUBT = "in-doubt"
    DONE_ONCE = "done-once"
    ELSEWHERE = "elsewhere"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class Reason:
    """One decision: its `kind`, a sentence, and the facts that decided (one line each)."""

    kind: ReasonKind
    text: str
    details: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The reason as plain JSON data."""
        return {**asdict(self), "kind": str(self.kind), "details": list(self.details)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Reason:
        """The reason that `to_json` wrote."""
        return cls(ReasonKind(data["kind"]), str(data["text"]), tuple(data.get("details", ())))
