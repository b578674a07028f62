"""
Responses: every answer's headers in one place, conditional requests, and problems as RFC 9457 documents.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kg.api import negotiation
from kg.api.recall import Recorder
from kg.errors import KGError

log = logging.getLogger("kg.api")

CONTENT_SECURITY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'self'"
)
_MAX_SHOWN = 200
ALWAYS = {
    "Content-Security-Policy": CONTENT_SECURITY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Link, ETag, Content-Location, Retry-After, KG-Version",
}

_ALWAYS = [(name.lower().encode(), value.encode()) for name, value in ALWAYS.items()]


def add_get(app: FastAPI, path: str, endpoint: Callable[..., Any], *, summary: str | None = None) -> None:
    """Add a route for GET and HEAD; one with a summary is in the API description."""
    app.add_api_route(path, endpoint, methods=["GET"], summary=summary, include_in_schema=bool(summary))
    app.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)


def respond(
    request: Request,
    body: bytes,
    media_type: str,
    *,
    status: int = 200,
    etag: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """
    Make a response, or 304 where the client holds the same bytes.

    Args:
        request: What was asked.
        body: The bytes.
        media_type: Their type; text gets its charset.
        status: The HTTP status.
        etag: The entity tag, quoted or bare; of the bytes where none is given.
        headers: Headers beyond the usual ones.

    Source: RFC 9110, section 13.1.2 (If-None-Match).
    """
    tag = _quoted(etag or hashlib.sha256(body).hexdigest()[:32])
    all_headers = usual_headers(tag, headers)
    if status == HTTPStatus.OK and is_held(request.headers.get("if-none-match"), tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=all_headers)
    all_headers["Content-Type"] = with_charset(media_type)
    return Response(body, status, headers=all_headers)


def usual_headers(tag: str | None, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the headers of every answer, and more."""
    tagged = {"ETag": tag} if tag else {}
    return {**tagged, "Vary": "Accept", "Cache-Control": "no-cache", **(more or {})}


def with_charset(media_type: str) -> str:
    """
    Say that a textual type is in UTF-8.

    >>> with_charset("text/turtle"), with_charset("application/ld+json")
    ('text/turtle; charset=utf-8', 'application/ld+json')
    """
    is_text = media_type.startswith("text/") and "charset" not in media_type
    return f"{media_type}; charset=utf-8" if is_text else media_type


def _quoted(tag: str) -> str:
    return tag if tag.startswith(('"', 'W/"')) else f'"{tag}"'


def is_held(header: str | None, tag: str) -> bool:
    """
    Say whether a client that sends this If-None-Match holds what the tag stands for.

    >>> is_held('"a", W/"b"', '"b"'), is_held(None, '"b"')
    (True, False)
    """
    if not header:
        return False
    held = {one.strip().removeprefix("W/") for one in header.split(",")}
    return "*" in held or tag.removeprefix("W/") in held


def problem_document(error: KGError, request: Request) -> dict[str, Any]:
    """Return the RFC 9457 document of an error, with the path that it happened at."""
    return {**error.as_problem(), "instance": shown_path(request)}


def shown_path(request: Request) -> str:
    """Return the path of a request as problems tell it: not more than anyone reads."""
    path = request.url.path
    return path if len(path) <= _MAX_SHOWN else path[:_MAX_SHOWN] + "…"


def problem_headers(error: KGError) -> dict[str, str]:
    """Return the headers that the status of an error asks for."""
    headers = {"Vary": "Accept", "Cache-Control": "no-store"}
    if error.outcome.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(max(1, round(float(error.fields.get("retry_after_s", 5)))))
    return headers


def problem_response(request: Request, document: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    """Make the machine's response of a problem document."""
    body = json.dumps(document, ensure_ascii=False, default=str, indent=1).encode("utf-8", "replace")
    return Response(body, int(document["status"]), headers=dict(headers), media_type=negotiation.PROBLEM)


class Envelope:
    """
    What every response obeys: security headers, CORS, HEAD without a body, OPTIONS for every path.

    Source: Fetch, section 3.3 (CORS protocol), https://fetch.spec.whatwg.org/#http-cors-protocol
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"
        recorder = Recorder.of(scope)

        async def send_wrapped(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                more = [pair for pair in _ALWAYS if pair[0] not in own]
                message = {**message, "headers": [*message["headers"], *more]}
            elif is_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            if recorder is not None:
                recorder.take(message)
            await send(message)

        if scope["method"] == "OPTIONS":
            await _options(scope)(scope, receive, send_wrapped)
            return
        await self.app(scope, receive, send_wrapped)


def allowed_methods(scope: Scope) -> list[str]:
    """List the methods that the routes of the application take for a path, OPTIONS included."""
    methods: set[str] = set()
    for route in scope["app"].routes:
        found, _ = route.matches({**scope, "method": "GET"})
        if found is not Match.NONE:
            methods |= set(getattr(route, "methods", None) or {"GET", "HEAD"})
    return sorted(methods | {"OPTIONS"}) if methods else []


def _options(scope: Scope) -> Response:
    methods = allowed_methods(scope)
    if not methods:
        return Response(status_code=HTTPStatus.NOT_FOUND)
    headers = {"Allow": ", ".join(methods)}
    if "access-control-request-method" in Headers(scope=scope):
        headers |= {
            "Access-Control-Allow-Methods": ", ".join(methods),
            "Access-Control-Allow-Headers": "Accept, Content-Type, If-None-Match",
            "Access-Control-Max-Age": "86400",
        }
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
