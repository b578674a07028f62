"""One validation as bytes: what is sent to a process, and what comes back."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, BinaryIO

from kg.errors import (
    BodyTooLargeError,
    KGError,
    MissingPartError,
    NotFoundError,
    UnsupportedMediaError,
    UsageError,
    ValidationMemoryError,
)

# What is taken, with the suffix that a text without a name gets.
MEDIA_TYPES = {
    "text/turtle": ".ttl",
    "application/trig": ".trig",
    "application/n-triples": ".nt",
    "application/n-quads": ".nq",
    "application/ld+json": ".jsonld",
    "application/rdf+xml": ".rdf",
    "text/csv": ".csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
}
_CSV, XLSX = list(MEDIA_TYPES)[-2:]
TABLES = (_CSV, XLSX)
ALIASES = {
    "application/x-turtle": "text/turtle",
    "application/x-trig": "application/trig",
    "application/csv": _CSV,
    "text/tab-separated-values": _CSV,
}
_BY_SUFFIX = {suffix: media_type for media_type, suffix in MEDIA_TYPES.items()}
# an old workbook, or one with macros, is told what to save it as
_BY_SUFFIX |= {".tsv": _CSV, ".xls": XLSX, ".xlsm": XLSX}
# the last is what browsers under Windows send a CSV file as
_UNTOLD = ("", "application/octet-stream", "text/plain", "binary/octet-stream", "application/vnd.ms-excel")
_COPIES = (".txt", ".md", ".text", ".htm", ".html", ".xhtml", ".pdf")
_FRAME = struct.Struct(">IQ")
_RAISABLE = (BodyTooLargeError, MissingPartError, NotFoundError, UsageError, ValidationMemoryError)
_RAISED = {one.__name__: one for one in _RAISABLE}


@dataclass(frozen=True)
class Sent:
    """One text as it was sent: its bytes, its name, its media type if there was one."""

    content: bytes
    name: str
    media_type: str | None = None

    @classmethod
    def of(cls, content: bytes, file_name: str, media_type: str, told: str) -> Sent:
        """
        Return a text with its name and type: as said, else by its suffix, else by how it begins.

        Args:
            content: Its bytes.
            file_name: Its name, or nothing.
            media_type: Its type as sent, or nothing.
            told: What it is called where it has no name.

        Raises:
            UnsupportedMediaError: Its type is none that is taken; field `accepted`.

        >>> Sent.of(b"", "a.nq", "", "data").media_type
        'application/n-quads'
        """
        kind = media_type.split(";")[0].strip().lower()
        kind = ALIASES.get(kind, kind)
        suffix = PurePath(file_name).suffix.lower()
        if kind in _UNTOLD:
            kind = _BY_SUFFIX.get(suffix, "") if suffix else _guess(content)
        if kind not in MEDIA_TYPES:
            raise UnsupportedMediaError(
                f"{(media_type or file_name)[:80]!r} is not taken. Accepted: {', '.join(MEDIA_TYPES)}.",
                accepted=list(MEDIA_TYPES),
            )
        name = file_name if suffix in _BY_SUFFIX else (file_name or told) + MEDIA_TYPES[kind]
        return cls(content, name, kind)

    @classmethod
    def copy_of(cls, content: bytes, file_name: str) -> Sent:
        """
        Return a copy of a document; its text is taken out of it where it is validated.

        Raises:
            UnsupportedMediaError: It is neither text nor HTML nor PDF; field `accepted`.

        >>> Sent.copy_of(b"%PDF-1.7", "Harbour notes").name
        'Harbour notes.pdf'
        """
        suffix = PurePath(file_name).suffix.lower()
        if content.startswith(b"%PDF") and suffix != ".pdf":
            return cls(content, file_name + ".pdf")
        if suffix and suffix not in _COPIES:
            raise UnsupportedMediaError(
                f"a copy {file_name[:80]!r} is not taken. Accepted: {', '.join(_COPIES)}.",
                accepted=list(_COPIES),
            )
        return cls(content, file_name if suffix else (file_name or "document") + ".txt")

    @property
    def is_table(self) -> bool:
        """Whether it is a spreadsheet."""
        return self.media_type in TABLES


def _guess(content: bytes) -> str:
    """Tell the type of a text without one: TriG reads Turtle and N-Triples too."""
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return XLSX
    start = content[:200].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith((b'{"', b"{\n", b"{\r", b"{ ", b"[{", b"[\n")) and b'"' in start:
        return "application/ld+json"
    if start.startswith((b"<?xml", b"<rdf:RDF", b"<!DOCTYPE")):
        return "application/rdf+xml"
    return "application/trig"


@dataclass(frozen=True)
class Job:
    """
    One validation.

    Args:
        profile: A key of `kg.isolation.PROFILES`.
        data: What is validated.
        shapes: Shapes that were sent along.
        documents: Copies of documents: a file name says the slug.
        format: A key of `kg.reporting.FORMATS`.
        version: The version that it is held against, to be told.
    """

    profile: str
    data: Sent
    shapes: Sequence[Sent] = ()
    documents: Sequence[Sent] = ()
    format: str = "json"
    version: str = ""

    def to_bytes(self) -> bytes:
        """Return the frame that carries it."""
        texts = [self.data, *self.shapes, *self.documents]
        header = {
            "profile": self.profile,
            "format": self.format,
            "version": self.version,
            "texts": [[one.name, one.media_type, len(one.content)] for one in texts],
            "shapes": len(self.shapes),
        }
        return to_frame(header, b"".join(one.content for one in texts))

    @classmethod
    def from_frame(cls, header: Mapping[str, Any], body: bytes) -> Job:
        """Read what `to_bytes` wrote."""
        at = 0

        def take(size: int) -> bytes:
            nonlocal at
            at += size
            return body[at - size : at]

        texts = [Sent(take(size), name, media_type) for name, media_type, size in header["texts"]]
        data, *rest = texts
        shapes, documents = rest[: header["shapes"]], rest[header["shapes"] :]
        return cls(
            header["profile"], data, tuple(shapes), tuple(documents), header["format"], header["version"]
        )


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
