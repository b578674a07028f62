"""
The web service: each module translates HTTP into one call; no rule of the project lives here.

    negotiation   which media type a client wants
    responses     headers, conditional requests, problem documents
    transfers     answers on their way; a large one leaves while it is written
    recall        responses to requests that come again, byte for byte
    state         the engine, the contents, the watch for a new version
    protocol      /sparql
    updates       who may update a scratch copy there
    service_description   what /sparql says of itself
    graph_store   /graph-store
    templates     /queries
    tables        answers as workbooks and as RDF
    openapi       /openapi.json
    descriptions  /.well-known/void, /.well-known/sparql-examples
    linked_data   /id, /concept, /claim, /passage, /document, /graph, /data, /ontology
    portraits     what the graph says of one thing
    sending       what a request to /validate carries
    validation    /validate
    pages         /, /search, /page, /documents
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

import kg
from kg.api import (
    descriptions,
    graph_store,
    linked_data,
    negotiation,
    openapi,
    pages,
    protocol,
    templates,
    validation,
)
from kg.api.responses import (
    Envelope,
    add_get,
    allowed_methods,
    problem_document,
    problem_headers,
    problem_response,
    shown_path,
)
from kg.api.state import State
from kg.config import Settings
from kg.engine import Engine
from kg.errors import KGError

__all__ = ["create_app", "create_app_from_environment"]

log = logging.getLogger("kg.api")


class Application(FastAPI):
    """
    The application; queries at `/sparql` go straight to their endpoint.

    Routing, dependencies and the layers around them cost more than a small query: what they would do for this
    one path is done here. The route itself stays, for the API description and for other methods.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_query = scope["type"] == "http" and scope["path"] == "/sparql" and scope["method"] in _QUERYING
        if is_query and not scope.get("root_path"):
            scope["app"] = self
            await _straight(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(settings: Settings, engine: Engine | None = None) -> FastAPI:
    """
    Make the web application.

    Args:
        settings: The settings.
        engine: A started engine, which the caller closes; without one the application starts its own.
    """
    state = State(settings, engine)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await state.start()
        try:
            yield
        finally:
            await state.close()

    app = Application(
        title="Lateral",
        version=kg.__version__,
        description="A knowledge graph of how states cooperate, with the passage behind every triple.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.kg = state
    app.add_middleware(Envelope)
    for module in (protocol, graph_store, templates, openapi, descriptions, linked_data, validation, pages):
        module.add_routes(app)
    add_get(app, "/health", health, summary="How the service is")
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    app.add_exception_handler(KGError, _on_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, _on_fault)
    return app


def create_app_from_environment() -> FastAPI:
    """Make the web application from `KG_*` settings; uvicorn calls this by name."""
    return create_app(Settings.from_environment())


async def _query(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    try:
        response = await _QUERYING[scope["method"]](request)
    except KGError as error:
        response = await _on_error(request, error)
    except ClientDisconnect as error:
        response = await _on_disconnect(request, error)
    except Exception as error:
        response = await _on_fault(request, error)
    await response(scope, receive, send)


_QUERYING = {"GET": protocol.ask_by_get, "POST": protocol.ask_by_post}
_straight = Envelope(_query)


async def health(request: Request) -> Response:
    """Say how the service is."""
    return JSONResponse(State.of(request).status(), headers={"Cache-Control": "no-store"})


def problem(request: Request, document: dict[str, Any], headers: dict[str, str]) -> Response:
    """Answer with a problem: a page for browsers, the document for everyone else."""
    is_started = getattr(State.of(request), "_contents", None) is not None
    if is_started and negotiation.is_browser(request.headers.get("accept")):
        response = pages.render(
            request, "problem.html", status=int(document["status"]), headers=headers, problem=document
        )
        response.headers["Cache-Control"] = "no-store"
        return response
    return problem_response(request, document, headers)


async def _on_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, KGError):
        raise error
    return problem(request, problem_document(error, request), problem_headers(error))


async def _on_disconnect(_request: Request, _error: Exception) -> Response:
    """Answer nobody: the client went before it had sent its body, which is no fault to log."""
    return Response(status_code=400)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    headers = {"Vary": "Accept", **(error.headers or {})}
    detail = str(error.detail)
    if error.status_code == 404:
        detail = f"{shown_path(request)} leads nowhere here. Ways in: /, /queries, /sparql, /ontology."
    if error.status_code == 405:
        headers["Allow"] = ", ".join(allowed_methods(request.scope))
        reason = f" {graph_store.READ_ONLY}" if request.url.path == graph_store.PATH else ""
        detail = f"{request.method} is not taken here. Allowed: {headers['Allow']}.{reason}"
    document = {
        "type": "about:blank",
        "title": "Not found" if error.status_code == 404 else str(error.detail),
        "status": error.status_code,
        "detail": detail,
        "instance": shown_path(request),
    }
    return problem(request, document, headers)


async def _on_validation(request: Request, error: Exception) -> Response:
    reasons = error.errors() if isinstance(error, RequestValidationError) else []
    document = {
        "type": "about:blank",
        "title": "A parameter is wrong",
        "status": 422,
        "detail": "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in reasons),
        "instance": shown_path(request),
    }
    return problem(request, document, {"Vary": "Accept"})


async def _on_fault(request: Request, error: Exception) -> Response:
    log.error("fault at %s", request.url.path, exc_info=error)
    document = {
        "type": "about:blank",
        "title": "Something went wrong",
        "status": 500,
        "detail": "The service met a fault of its own; it has been logged.",
        "instance": shown_path(request),
    }
    return problem_response(request, document, {"Vary": "Accept", "Cache-Control": "no-store"})
