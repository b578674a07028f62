"""
Sending: what a request to `/validate` carries, in any of four ways, as one job.

Source: the request fields of the EU Interoperability Test Bed's RDF validator,
https://www.itb.ec.europa.eu/docs/guides/latest/validatingRDF/
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from kg.api.protocol import FORM, content_type, decode, read_body, read_fields
from kg.api.state import State
from kg.errors import NotFoundError, UnsupportedMediaError, UsageError
from kg.isolation import ALIASES, MEDIA_TYPES, PROFILES, Sent

MULTIPART = "multipart/form-data"
JSON = "application/json"
MAX_PARTS = 20
_REFUSED_FIELDS = {
    "loadImports": "nothing is fetched: send what is imported as externalRules",
    "contentQuery": "nothing is fetched: send the content itself",
}


@dataclass
class Asked:
    """What is asked for, as far as it has been read."""

    profile: str = ""
    format: str = ""
    data: list[Sent] = field(default_factory=list)
    shapes: list[Sent] = field(default_factory=list)
    documents: list[Sent] = field(default_factory=list)

    def settled(self) -> Asked:
        """
        Return the same with its profile chosen.

        Raises:
            UsageError: There is not exactly one text.
            NotFoundError: There is no such profile; field `near`.
        """
        if len(self.data) != 1:
            raise UsageError(f"{len(self.data)} texts to validate; expected exactly one")
        self.profile = self.profile or ("shacl" if self.shapes else "contribution")
        if self.profile not in PROFILES:
            raise NotFoundError(
                f"no profile {self.profile[:80]!r}: expected one of {', '.join(PROFILES)}.",
                name=self.profile[:80],
                near=list(PROFILES),
            )
        return self


async def read_request(request: Request) -> Asked:
    """
    Read what a request asks for.

    Raises:
        UnsupportedMediaError: A type that is not taken; field `accepted`.
        BodyTooLargeError: It is too long.
        UsageError: It cannot be read, or does not say what is to be validated.
        NotFoundError: There is no such profile.
    """
    asked = Asked()
    for name, value in read_fields(request.scope["query_string"]):
        _take_field(asked, name, value)
    header = request.headers.get("content-type", "")
    accepted = [*MEDIA_TYPES, *ALIASES, MULTIPART, FORM, JSON]
    kind = content_type(request, accepted)
    if kind not in accepted:
        raise UnsupportedMediaError(f"a body of type {kind!r} is not taken", accepted=accepted)
    settings = State.of(request).settings
    try:
        async with asyncio.timeout(settings.validate_timeout_s):
            body = await read_body(request, limit=settings.max_validate_bytes)
    except TimeoutError as error:
        raise HTTPException(408, "Request timeout") from error
    if kind == MULTIPART:
        await _take_parts(asked, header, body)
    elif kind == FORM:
        for name, value in read_fields(body):
            _take_field(asked, name, value)
    elif kind == JSON:
        _take_json(asked, body)
    else:
        asked.data.append(Sent.of(body, "", kind, "data"))
    return asked.settled()


def _take_field(asked: Asked, name: str, value: str) -> None:
    """Take one named text; the fields of the Test Bed mean the same here."""
    if not value.strip():
        return
    if name in ("profile", "validationType"):
        asked.profile = value
    elif name in ("format", "reportSyntax"):
        asked.format = value
    elif name in ("text", "file"):
        asked.data.append(Sent.of(value.encode(), "", "", "data"))
    elif name == "shapes":
        asked.shapes.append(Sent.of(value.encode(), "", "", f"shapes-{len(asked.shapes) + 1}"))


async def _take_parts(asked: Asked, header: str, body: bytes) -> None:
    """
    Take the parts of a form with files.

    Raises:
        UsageError: It is not such a form.
    """

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(
        Headers({"content-type": header}),
        stream(),
        max_files=MAX_PARTS,
        max_fields=MAX_PARTS,
        max_part_size=len(body) + 1,
    )
    try:
        form: FormData = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise UsageError(f"the form cannot be read: {error}") from error
    try:
        for name, part in form.multi_items():
            if isinstance(part, UploadFile):
                await _take_file(asked, name, part)
            else:
                _take_field(asked, name, part)
    finally:
        await form.close()


async def _take_file(asked: Asked, name: str, part: UploadFile) -> None:
    content, file_name = await part.read(), PurePath((part.filename or "").replace("\\", "/")).name
    if not content and not file_name:
        return  # a browser sends what was not chosen as a file without a name
    if name == "document":
        asked.documents.append(Sent.copy_of(content, file_name))
    elif name == "shapes":
        told = f"shapes-{len(asked.shapes) + 1}"
        asked.shapes.append(Sent.of(content, file_name, part.content_type or "", told))
    elif name in ("file", "text", "data"):
        asked.data.append(Sent.of(content, file_name, part.content_type or "", "data"))
    else:
        raise UsageError(f"a file named {name!r} is not taken: expected file, shapes or document")


def _take_json(asked: Asked, body: bytes) -> None:
    """
    Take the fields of the Test Bed.

    Raises:
        UsageError: It is not JSON, or a field is missing, of another type, or asks to have something fetched.
    """
    try:
        found = json.loads(decode(body))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the body is not JSON: {error}", fix="send RDF with its own media type") from error
    if not isinstance(found, dict) or "contentToValidate" not in found:
        raise UsageError(
            "contentToValidate is missing: expected an object with the fields of the Interoperability Test "
            "Bed; JSON-LD has the type application/ld+json",
            parameter="contentToValidate",
        )
    for name, reason in _REFUSED_FIELDS.items():
        if found.get(name):
            raise UsageError(f"{name}: {reason}", parameter=name)
    for name in ("validationType", "reportSyntax"):
        _take_field(asked, name, _text(found, name))
    content = _embedded(found, "contentToValidate")
    asked.data.append(Sent.of(content, "", _text(found, "contentSyntax"), "data"))
    rules = found.get("externalRules") or []
    if not isinstance(rules, Sequence) or isinstance(rules, str) or len(rules) > MAX_PARTS:
        raise UsageError(
            f"externalRules is not a list of at most {MAX_PARTS} rule sets", parameter="externalRules"
        )
    for number, one in enumerate(rules, start=1):
        if not isinstance(one, Mapping):
            raise UsageError("a rule set is not an object with ruleSet", parameter="externalRules")
        told = f"shapes-{number}"
        asked.shapes.append(Sent.of(_embedded(one, "ruleSet"), "", _text(one, "ruleSyntax"), told))


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UsageError(f"{name} is not a text", parameter=name)
    return value


def _embedded(found: Mapping[str, Any], name: str) -> bytes:
    """
    Return the content of a field, by its embedding method.

    Raises:
        UsageError: It is to be fetched, or is not what its method says.
    """
    method = _text(found, "embeddingMethod") or "STRING"
    if method == "URL":
        raise UsageError(
            "embeddingMethod URL is not taken: this service fetches nothing that others name, so that nobody "
            "can have it call where they cannot; send the content with STRING or BASE64",
            parameter="embeddingMethod",
        )
    text = _text(found, name)
    if method == "STRING":
        return text.encode("utf-8", "replace")
    if method != "BASE64":
        raise UsageError(
            f"embeddingMethod {method[:40]!r}: expected STRING or BASE64", parameter="embeddingMethod"
        )
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"{name} is not Base64: {error}", parameter=name) from error
