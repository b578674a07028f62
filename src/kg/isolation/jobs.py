"""One validation as bytes: what is sent to a process, and what comes back."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from kg.errors import (
    BodyTooLargeError,
    KGError,
    NotFoundError,
    UsageError,
    ValidationMemoryError,
)

_FRAME = struct.Struct(">IQ")
_RAISED = {one.__name__: one for one in (BodyTooLargeError, NotFoundError, UsageError, ValidationMemoryError)}


@dataclass(frozen=True)
class Sent:
    """One text as it was sent: its bytes, its name, its media type if there was one."""

    content: bytes
    name: str
    media_type: str | None = None


@dataclass(frozen=True)
class Job:
    """
    One validation.

    Args:
        profile: A key of `kg.isolation.PROFILES`.
        data: What is validated.
        shapes: Shapes that were sent along.
        documents: Copies of documents: slug to text.
        format: A key of `kg.reporting.FORMATS`.
        version: The version that it is held against, to be told.
    """

    profile: str
    data: Sent
    shapes: Sequence[Sent] = ()
    documents: Mapping[str, str] = field(default_factory=dict)
    format: str = "json"
    version: str = ""

    def to_bytes(self) -> bytes:
        """Return the frame that carries it."""
        texts = [self.data, *self.shapes]
        copies = [text.encode() for text in self.documents.values()]
        header = {
            "profile": self.profile,
            "format": self.format,
            "version": self.version,
            "texts": [[one.name, one.media_type, len(one.content)] for one in texts],
            "documents": [[slug, len(copy)] for slug, copy in zip(self.documents, copies, strict=True)],
        }
        return to_frame(header, b"".join([*(one.content for one in texts), *copies]))

    @classmethod
    def from_frame(cls, header: Mapping[str, Any], body: bytes) -> Job:
        """Read what `to_bytes` wrote."""
        at = 0

        def take(size: int) -> bytes:
            nonlocal at
            at += size
            return body[at - size : at]

        texts = [Sent(take(size), name, media_type) for name, media_type, size in header["texts"]]
        documents = {slug: take(size).decode() for slug, size in header["documents"]}
        data, *shapes = texts
        return cls(header["profile"], data, tuple(shapes), documents, header["format"], header["version"])


@dataclass(frozen=True)
class Answer:
    """
    What a validation gives: a report in the format that was asked for.

    Args:
        body: The report.
        conforms: Whether nothing is refused.
        is_judged: Whether the texts could be read, so that anything could be judged.
    """

    body: bytes
    conforms: bool
    is_judged: bool

    def to_bytes(self) -> bytes:
        """Return the frame that carries it."""
        return to_frame({"conforms": self.conforms, "is_judged": self.is_judged}, self.body)


def error_frame(error: KGError) -> bytes:
    """Return the frame of an error that the one who asked is to be told."""
    return to_frame({"error": type(error).__name__, "message": error.message, "fields": error.fields}, b"")


def read_answer(header: Mapping[str, Any], body: bytes) -> Answer:
    """
    Return the answer of a frame.

    Raises:
        KGError: What the process was told to tell.
    """
    if "error" in header:
        raise _RAISED.get(header["error"], KGError)(header["message"], **header["fields"])
    return Answer(body, header["conforms"], header["is_judged"])


def to_frame(header: Mapping[str, Any], body: bytes) -> bytes:
    """Return the lengths of a header and a body, then both."""
    text = json.dumps(header, default=str).encode()
    return _FRAME.pack(len(text), len(body)) + text + body


def read_frame(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """Read one frame; None where the stream ends before it does."""
    head = stream.read(_FRAME.size)
    if len(head) < _FRAME.size:
        return None
    sizes = _FRAME.unpack(head)
    header, body = (stream.read(size) for size in sizes)
    return (json.loads(header), body) if len(body) == sizes[1] and len(header) == sizes[0] else None


def parse_frame(content: bytes) -> tuple[dict[str, Any], bytes] | None:
    """Return the frame that bytes hold, or None where they are not a whole one."""
    if len(content) < _FRAME.size:
        return None
    header_bytes, body_bytes = _FRAME.unpack_from(content)
    if len(content) != _FRAME.size + header_bytes + body_bytes:
        return None
    start = _FRAME.size + header_bytes
    return json.loads(content[_FRAME.size : start]), content[start:]
