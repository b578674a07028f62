"""What is kept of a contribution: state, revisions, who did what when; and which step may follow which."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from kg.errors import WrongStateError

SUBMITTED = "submitted"
SENT_BACK = "sent-back"
ACCEPTED = "accepted"
REJECTED = "rejected"
WITHDRAWN = "withdrawn"
CORRECTED = "corrected"
RETRACTED = "retracted"
STATES = (SUBMITTED, SENT_BACK, ACCEPTED, REJECTED, WITHDRAWN, CORRECTED, RETRACTED)

# What may be done in each state. A correction and a retraction may concern some of the claims only: then the
# contribution stays accepted.
STEPS: dict[str, tuple[str, ...]] = {
    SUBMITTED: ("accept", "send back", "reject", "withdraw"),
    SENT_BACK: ("resubmit", "reject", "withdraw"),
    ACCEPTED: ("correct", "retract"),
    REJECTED: (),
    WITHDRAWN: ("resubmit",),
    CORRECTED: (),
    RETRACTED: (),
}


@dataclass(frozen=True)
class Event:
    """
    One step in the life of a contribution.

    Args:
        number: From 1.
        step: What was done: submitted, resubmitted, sent back, accepted, rejected, withdrawn, corrected,
            retracted.
        by: Who did it, by name.
        on: When, in UTC, to the second.
        remark: What they said.
        state: In what state it was afterwards.
        claims: The claims that a correction or retraction took out.
        corrected_by: The contribution that corrected them.
    """

    number: int
    step: str
    by: str
    on: str
    state: str
    remark: str = ""
    claims: tuple[str, ...] = ()
    corrected_by: str = ""


@dataclass(frozen=True)
class Revision:
    """
    One sending of a contribution.

    Args:
        number: From 1.
        name: The file's name, as sent.
        media_type: As sent; empty if none was.
        path: Where the bytes are kept, below the folder of contributions.
        digest: SHA-256 of the bytes, in hexadecimal digits.
        size: Of the bytes, in bytes.
        quads: Where what it says is kept, as N-Quads with draft names.
        quads_digest: SHA-256 of that.
        on: When it was sent.
        copies: Copies of documents that its passages were proved in, by slug: where each is kept.
        problems: What the verdict told without refusing.
    """

    number: int
    name: str
    media_type: str
    path: str
    digest: str
    size: int
    quads: str
    quads_digest: str
    on: str
    copies: dict[str, str]
    problems: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Contribution:
    """
    A contribution and its life so far.

    Args:
        id: First twelve hexadecimal digits of the SHA-256 of the bytes first sent.
        contributor: Who sent it, by name.
        state: One of `STATES`.
        revisions: What was sent, first to last.
        history: What was done with it, first to last.
        replaces: The published claims that it corrects.
        claims: Its claims in the graph by IRI, once accepted; those that were taken out are not among them.
        is_new: Whether this call made it; not kept.
    """

    id: str
    contributor: str
    state: str
    revisions: tuple[Revision, ...]
    history: tuple[Event, ...]
    replaces: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    is_new: bool = False

    @property
    def current(self) -> Revision:
        """What was sent last."""
        return self.revisions[-1]

    @property
    def steps(self) -> tuple[str, ...]:
        """What may be done with it now."""
        return STEPS[self.state]

    def require(self, step: str) -> None:
        """
        Refuse a step that may not follow.

        Raises:
            WrongStateError: It may not; tells what may.
        """
        if step not in self.steps:
            allowed = ", ".join(self.steps) or "nothing more"
            raise WrongStateError(
                f"contribution {self.id} is {self.state.replace('-', ' ')}: one cannot {step} it. "
                f"Possible now: {allowed}.",
                id=self.id,
                state=self.state,
                allowed=list(self.steps),
            )

    def after(self, step: str, by: str, state: str, *, on: str | None = None, **more: Any) -> Contribution:
        """Return the contribution after one more step."""
        event = Event(len(self.history) + 1, step, by, on or now(), state, **more)
        return replace(self, state=state, history=(*self.history, event), is_new=False)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        values = asdict(self)
        del values["is_new"]
        return values


def now() -> str:
    """Return the time in UTC, to the second, as xsd:dateTime."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_bytes(contribution: Contribution) -> bytes:
    """Write a record: a line for each value, so that a change shows as the lines that changed."""
    text = json.dumps(contribution.as_json(), indent=1, ensure_ascii=False, sort_keys=True, default=str)
    return text.encode() + b"\n"


def from_bytes(content: bytes) -> Contribution:
    """
    Read a record.

    Raises:
        ValueError: It is not one.
    """
    try:
        found = json.loads(content)
        found["revisions"] = tuple(
            Revision(**{**one, "problems": tuple(one["problems"])}) for one in found["revisions"]
        )
        found["history"] = tuple(_event(one) for one in found["history"])
        found["replaces"], found["claims"] = tuple(found["replaces"]), tuple(found["claims"])
        record = Contribution(**found)
        if record.state not in STATES or not record.revisions or not record.history:
            raise ValueError("it has no state, revision or history")
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"it does not read as a record: {error}") from error
    return record


def _event(values: dict[str, Any]) -> Event:
    return Event(**{**values, "claims": tuple(values["claims"])})


def begins_with(longer: Iterable[Event], shorter: Iterable[Event]) -> bool:
    """Tell whether one history goes on from another."""
    whole, start = tuple(longer), tuple(shorter)
    return whole[: len(start)] == start


def record_path(id: str) -> str:
    """Return where the record of a contribution is kept."""
    return f".kept/{id}/record.json"
