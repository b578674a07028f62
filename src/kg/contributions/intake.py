"""What is sent with a step: a verdict, bytes, a remark; refused, or kept as sent."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pyoxigraph as ox

from kg import names
from kg.contributions import records
from kg.contributions.journal import Change
from kg.contributions.records import Revision
from kg.errors import BodyTooLargeError, DataError, Problem, UsageError

_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}\Z")
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_MAX_REMARK = 2_000
_PERSON = f"{names.ID}contributor-"


class Judged(Protocol):
    """What a verdict must tell."""

    @property
    def problems(self) -> Sequence[Problem]:
        """All that was found."""

    @property
    def quads(self) -> Sequence[ox.Quad]:
        """What it says, in draft graphs."""

    @property
    def is_accepted(self) -> bool:
        """Whether nothing refuses it."""


def require_fine(content: bytes, verdict: Judged, *, limit: int) -> None:
    """
    Refuse what is too large, what the verdict refuses, and what is no contribution.

    Raises:
        BodyTooLargeError: It has more bytes than the limit.
        DataError: The verdict refuses it; there is no claim; it names contributors.
    """
    if len(content) > limit:
        raise BodyTooLargeError(f"{len(content)} bytes: expected at most {limit}.", max_body_bytes=limit)
    if not verdict.is_accepted:
        raise DataError(verdict.problems)
    if not any(_is_claim(one) for one in verdict.quads):
        raise DataError([Problem("no claim stands in this contribution: expected at least one.")])
    if any(_is_of_a_person(one) for one in verdict.quads):
        raise DataError(
            [Problem(f"{_PERSON}… names who contributes: expected no such thing in a contribution.")]
        )


def take_revision(
    change: Change,
    id: str,
    number: int,
    content: bytes,
    name: str,
    media_type: str,
    verdict: Judged,
    copies: Mapping[str, str],
) -> Revision:
    """
    Keep the bytes as sent, and what they say.

    Raises:
        UsageError: A copy is of no document.
    """
    plain = Path(name.replace("\\", "/")).name[:200] or "contribution"
    suffix = Path(plain).suffix.lower()
    path = f".kept/{id}/sent-{number}{suffix if _SUFFIX.match(suffix) else '.bin'}"
    lines = sorted((ox.serialize(verdict.quads, format=ox.RdfFormat.N_QUADS) or b"").splitlines())
    quads = b"".join(line + b"\n" for line in lines)
    change.write(path, content)
    change.write(f".kept/{id}/says-{number}.nq", quads)
    kept = {}
    for slug, text in copies.items():
        if not _SLUG.match(slug):
            raise UsageError(f"{slug!r} is not the slug of a document: expected lower-case words.")
        kept[slug] = f".copies/{id}/{slug}.txt"
        change.write(kept[slug], text.encode())
    return Revision(
        number=number,
        name=plain,
        media_type=media_type,
        path=path,
        digest=hashlib.sha256(content).hexdigest(),
        size=len(content),
        quads=f".kept/{id}/says-{number}.nq",
        quads_digest=hashlib.sha256(quads).hexdigest(),
        on=records.now(),
        copies=kept,
        problems=tuple(one.as_json() for one in verdict.problems),
    )


def clean(remark: str) -> str:
    """
    Return a remark without needless space.

    Raises:
        UsageError: It is too long.
    """
    text = "\n".join(" ".join(line.split()) for line in remark.strip().splitlines())
    if len(text) > _MAX_REMARK:
        raise UsageError(f"a remark of {len(text)} characters: expected at most {_MAX_REMARK}.")
    return text


def required(remark: str, what: str) -> str:
    """
    Return a remark that must not be empty.

    Raises:
        UsageError: It is empty or too long.
    """
    text = clean(remark)
    if not text:
        raise UsageError(f"{what} must be given: the contributor has to know why.")
    return text


def _is_claim(quad: ox.Quad) -> bool:
    return isinstance(quad.graph_name, ox.NamedNode) and quad.graph_name.value.startswith(names.CLAIM)


def _is_of_a_person(quad: ox.Quad) -> bool:
    return isinstance(quad.subject, ox.NamedNode) and quad.subject.value.startswith(_PERSON)
