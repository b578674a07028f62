"""
Validation over HTTP: `/validate`, open to all, in processes of its own.

A conforming and a non-conforming text are both answered with 200; 400 is for what cannot be read, so that
nothing can be judged of it: its syntax problems stand in the same report.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from kg.api import negotiation
from kg.api.pages import render
from kg.api.responses import add_get, respond
from kg.api.sending import JSON, MAX_PARTS, MULTIPART, Asked, read_request
from kg.api.state import State
from kg.dataset import find_snapshot
from kg.errors import KGError, MissingPartError, NotAcceptableError
from kg.isolation import MEDIA_TYPES, PROFILES, XLSX, Answer, Job
from kg.reporting import FORMATS

_T = TypeVar("_T")
_OFFERED = {media_type: name for name, media_type in FORMATS.items()} | {negotiation.HTML: "html"}
_MAX_SHOWN = 200
_MAX_LINE = 400
_EXAMPLE = """@prefix draft: <https://w3id.org/lateral/claim/draft/> .
@prefix id: <https://w3id.org/lateral/id/> .
@prefix lat: <https://w3id.org/lateral/ontology#> .

draft:1 { id:malta lat:memberOf id:commonwealth }
"""


def add_routes(app: FastAPI) -> None:
    """Add the routes of validation."""
    add_get(app, "/validate", show, summary="How to validate, and what the bounds are")
    app.add_api_route(
        "/validate",
        validate,
        methods=["POST"],
        summary="Validate RDF or a spreadsheet, as a contribution or against shapes",
        openapi_extra=_described(),
    )


async def show(request: Request) -> Response:
    """Show the form, or say in JSON what is taken."""
    if negotiation.require(request.headers.get("accept"), [JSON, negotiation.HTML]) == negotiation.HTML:
        return _page(request, Asked())
    settings = State.of(request).settings
    told = {
        "profiles": {
            "contribution": "claims with their evidence, held against the graph as it is",
            "shacl": "SHACL alone: the shapes sent along, or ours",
        },
        "accepted": [*MEDIA_TYPES, MULTIPART, JSON],
        "formats": FORMATS,
        "limits": {
            "bytes": settings.max_validate_bytes,
            "seconds": settings.validate_timeout_s,
            "memory_bytes": settings.validate_memory_bytes,
            "parts": MAX_PARTS,
        },
    }
    return respond(request, json.dumps(told, indent=1).encode(), JSON)


async def validate(request: Request) -> Response:
    """Validate what a request carries, and answer with the report in the format that is wanted most."""
    asked = await read_request(request)
    wanted = choose_format(request.headers.get("accept"), asked.format)
    if wanted == "html":
        return await _validate_for_page(request, asked)
    answer = await _answer(request, asked, wanted)
    status = 200 if answer.is_judged else 400
    headers = {"Cache-Control": "no-store"}
    return respond(request, answer.body, FORMATS[wanted], status=status, headers=headers)


def choose_format(accept: str | None, wanted: str) -> str:
    """
    Choose a format: what is named wins over Accept.

    Raises:
        NotAcceptableError: There is no such format; field `available`.

    >>> choose_format("text/turtle", ""), choose_format("*/*", ""), choose_format("*/*", "sarif")
    ('ttl', 'json', 'sarif')
    """
    if not wanted:
        return _OFFERED[negotiation.require(accept, list(_OFFERED))]
    name = wanted if wanted in (*FORMATS, "html") else _OFFERED.get(wanted.split(";")[0].strip().lower())
    if name is None:
        available = [*FORMATS, "html"]
        raise NotAcceptableError(
            f"no format {wanted[:80]!r}. Available: {', '.join(available)}.", available=available
        )
    return name


async def _answer(request: Request, asked: Asked, format_name: str) -> Answer:
    state = State.of(request)
    snapshot = await asyncio.to_thread(find_snapshot, state.settings)
    if snapshot is None:
        raise MissingPartError("nothing is built yet; run `kg build`", part="snapshot")
    job = Job(
        asked.profile,
        asked.data[0],
        tuple(asked.shapes),
        tuple(asked.documents),
        format_name,
        snapshot.version,
    )
    client = request.client.host if request.client else ""
    return await _while_connected(request, state.validator.run(job, snapshot, client=client))


async def _while_connected(request: Request, work: Coroutine[Any, Any, _T]) -> _T:
    """
    Return what some work gives; where the client goes first, the work is cancelled.

    Raises:
        ClientDisconnect: The client has gone.
    """
    working = asyncio.create_task(work)
    gone = asyncio.create_task(_until_gone(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        for one in (working, gone):
            one.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _validate_for_page(request: Request, asked: Asked) -> Response:
    """Show the form again with what was found, or with what went wrong."""
    try:
        answer = await _answer(request, asked, "json")
    except KGError as error:
        return _page(request, asked, problem=error.as_problem(), status=error.outcome.status)
    report = json.loads(answer.body)
    text = _text(asked)
    shown = _with_lines(report["problems"][:_MAX_SHOWN], {asked.data[0].name: text})
    status = 200 if answer.is_judged else 400
    return _page(request, asked, report=report, shown=shown, status=status)


def _with_lines(problems: list[dict[str, Any]], texts: Mapping[str, str]) -> list[dict[str, Any]]:
    """Add to each problem the line that it stands on, in three pieces: before, offending, after."""
    lines = {name: text.split("\n") for name, text in texts.items()}
    shown = []
    for one in problems:
        pieces = None
        found = lines.get(one.get("path", ""), [])
        number = one.get("line", 0)
        if 0 < number <= len(found) and "cell" not in one and "place" not in one:
            line = found[number - 1]
            start = max(0, one.get("column", 1) - 1)
            is_one_line = one.get("end_line") == number
            end = one["end_column"] - 1 if is_one_line and "end_column" in one else len(line)
            pieces = (line[max(0, start - _MAX_LINE) : start], line[start:end], line[end : end + _MAX_LINE])
        shown.append(
            {
                "fix": None,
                "place": "",
                "line": None,
                "column": None,
                "level": "error",
                **one,
                "pieces": pieces,
            }
        )
    return shown


def _page(
    request: Request,
    asked: Asked,
    *,
    report: Mapping[str, Any] | None = None,
    shown: list[dict[str, Any]] | None = None,
    problem: Mapping[str, Any] | None = None,
    status: int = 200,
) -> Response:
    return render(
        request,
        "validate.html",
        status=status,
        headers={"Cache-Control": "no-store"} if asked.data else None,
        text=_text(asked),
        shapes=asked.shapes[0].content.decode("utf-8", errors="replace") if asked.shapes else "",
        profile=asked.profile,
        profiles=list(PROFILES),
        report=report,
        shown=shown or [],
        problem=problem,
        settings=State.of(request).settings,
        accepted=list(MEDIA_TYPES),
    )


def _text(asked: Asked) -> str:
    """Return what was sent as the text that the form shows again; a spreadsheet is none."""
    if not asked.data or asked.data[0].is_table:
        return ""
    return asked.data[0].content.decode("utf-8", errors="replace")


def _described() -> dict[str, Any]:
    """
    Describe the operation.

    Source: OpenAPI 3.1.1, section 4.8.10 (Operation Object)
    """
    text = {"type": "string"}
    test_bed = {
        "type": "object",
        "required": ["contentToValidate"],
        "description": "The request fields of the EU Interoperability Test Bed.",
        "properties": {
            "contentToValidate": text,
            "embeddingMethod": {"enum": ["STRING", "BASE64"], "default": "STRING"},
            "contentSyntax": {"enum": list(MEDIA_TYPES)},
            "validationType": {"enum": list(PROFILES)},
            "reportSyntax": {"enum": list(FORMATS.values())},
            "externalRules": {
                "type": "array",
                "maxItems": MAX_PARTS,
                "items": {
                    "type": "object",
                    "required": ["ruleSet"],
                    "properties": {
                        "ruleSet": text,
                        "embeddingMethod": {"enum": ["STRING", "BASE64"], "default": "STRING"},
                        "ruleSyntax": {"enum": list(MEDIA_TYPES)},
                    },
                },
            },
            "locale": {**text, "description": "Read and not used: messages are in English."},
        },
    }
    file = {"type": "string", "contentMediaType": "application/octet-stream"}
    form = {
        "type": "object",
        "properties": {
            "file": {**file, "description": "RDF, CSV or XLSX; or `text` with RDF."},
            "text": text,
            "shapes": {**file, "description": "Shapes to hold it to; may be repeated."},
            "document": {**file, "description": "A document as text, HTML or PDF; its name is its slug."},
            "profile": {"enum": list(PROFILES)},
            "format": {"enum": [*FORMATS, "html"]},
        },
    }
    report = {
        "type": "object",
        "required": ["conforms", "counts", "problems"],
        "properties": {
            "conforms": {"type": "boolean"},
            "profile": text,
            "version": text,
            "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
            "problems": {"type": "array", "items": {"type": "object"}},
        },
    }
    problem = {negotiation.PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    reports: dict[str, Any] = {kind: {} for kind in [*FORMATS.values(), negotiation.HTML]} | {
        JSON: {"schema": report}
    }
    wrong = {
        404: "There is no such profile.",
        406: "There is no such format.",
        408: "The body did not arrive in time.",
        413: "The body is too large.",
        415: "A type that is not taken.",
        503: "Every place is taken, or the validation passed a bound; Retry-After says when to come back.",
    }
    return {
        "parameters": [
            _parameter("profile", list(PROFILES), "shacl where shapes are sent, else contribution."),
            _parameter("format", [*FORMATS, "html"], "Without it Accept decides."),
        ],
        "requestBody": {
            "required": True,
            "content": {
                **{kind: {"schema": file if kind == XLSX else text} for kind in MEDIA_TYPES},
                "application/trig": {"schema": text, "example": _EXAMPLE},
                MULTIPART: {"schema": form},
                JSON: {
                    "schema": test_bed,
                    "example": {
                        "contentToValidate": _EXAMPLE,
                        "contentSyntax": "application/trig",
                        "validationType": "contribution",
                        "reportSyntax": "text/turtle",
                    },
                },
            },
        },
        "responses": {
            "200": {"description": "The report, of conforming and of other data.", "content": reports},
            "400": {"description": "Not readable: the report of its syntax; or a wrong request."},
            **{str(code): {"description": told, "content": problem} for code, told in wrong.items()},
        },
    }


def _parameter(name: str, values: list[str], description: str) -> dict[str, Any]:
    schema = {"type": "string", "enum": values}
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
