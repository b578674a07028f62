"""The protocol: tools and resources over standard input and output, or over HTTP on this machine."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import mcp.types as types
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

import kg
from kg.api.state import State
from kg.config import Settings
from kg.errors import KGError
from kg.mcp import answers, receipts, resources, texts, things
from kg.mcp.arguments import Arguments
from kg.mcp.results import Told
from kg.mcp.tools import few_tools, general_tools, question_tool, tool_name
from kg.templates import Template

log = logging.getLogger("kg.mcp")

HOST = "127.0.0.1"
PATH = "/mcp"
ALL, FEW = "all", "few"
# One assistant asks at a time; what it could not read is not worth serialising.
_QUICK_WORKERS = 1
_SLOW_WORKERS = 1
_MAX_ANSWER_BYTES = 5_000_000
_INSTRUCTIONS = """\
Lateral is a knowledge graph of how states cooperate (mediation, coalitions, chairing, litigation, treaties),
built from source documents. It holds claims in words of its own; each claim rests on passages of a document,
given by section, page or footnote, first and last words, and a link where the document has an address. The
text of the documents is not held: never quote it from here.

Start with an ask_ tool that fits (or list_questions and ask), else search for a name, then describe it.
Things may be named as people write them ("Singapore"); a wrong name is answered with near ones. query takes
SPARQL.

Cite the passages that come with an answer. "named": the row names its claim. "speaks": claims that speak of
what stands in the row; check with receipt what they say. "none": nothing was found; say so. A claim's status
(stated, attributed, hedged, estimated, predicted, recommended) belongs to what you say of it."""


_CALLS: Mapping[str, Callable[[State, Arguments], Awaitable[Told]]] = {
    "search": things.search,
    "describe": things.describe,
    "receipt": receipts.receipt,
    "query": answers.query,
    "list_questions": answers.list_questions,
    "ask": answers.ask_by_key,
}


def make_server(state: State, toolset: str = ALL) -> Server[Any]:
    """
    Make the server over a started state.

    Args:
        state: What is served; somebody else starts and closes it.
        toolset: `all` has one tool per question, `few` two for them all.
    """

    async def list_tools(_: Any, __: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=_tools(state.contents.templates, toolset))

    async def call_tool(_: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        return await _call(state, params.name, params.arguments or {})

    async def list_resources(_: Any, __: Any) -> types.ListResourcesResult:
        found = [
            types.Resource(
                uri=one.uri,
                name=one.name,
                title=one.title,
                description=one.description,
                mime_type=resources.MARKDOWN,
            )
            for one in resources.list_readable(state)
        ]
        return types.ListResourcesResult(resources=found)

    async def read_resource(_: Any, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        try:
            text = await resources.read(state, params.uri)
        except KGError as error:
            raise MCPError(types.INVALID_PARAMS, error.message, error.fields) from error
        content = types.TextResourceContents(uri=params.uri, mime_type=resources.MARKDOWN, text=text)
        return types.ReadResourceResult(contents=[content])

    return Server(
        "lateral",
        version=kg.__version__,
        title="Lateral",
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_read_resource=read_resource,
    )


def _tools(templates: Mapping[str, Template], toolset: str) -> list[types.Tool]:
    if toolset == FEW:
        return [*general_tools(), *few_tools(templates)]
    return [*general_tools(), *(question_tool(one) for one in templates.values())]


async def _call(state: State, name: str, arguments: Mapping[str, Any]) -> types.CallToolResult:
    """
    Call a tool; what is wrong with the call comes back as its result, so that a model can mend it.

    Raises:
        MCPError: There is no such tool.
    """
    template = {tool_name(one.key): one for one in state.contents.templates.values()}.get(name)
    if template is None and name not in _CALLS:
        raise MCPError(types.INVALID_PARAMS, f"no tool {name!r}: tools/list lists them")
    try:
        told = await (answers.ask(state, template, arguments) if template else _CALLS[name](state, arguments))
    except KGError as error:
        return _failed(error.as_problem())
    except Exception as error:  # the outer edge: one bad call must not end the others
        log.exception("the tool %s failed", name)
        problem = KGError(
            f"unexpected {type(error).__name__}. This is a fault of kg itself; its log says more."
        )
        return _failed(problem.as_problem())
    content: list[types.ContentBlock] = [types.TextContent(text=told.text)]
    return types.CallToolResult(content=content, structured_content=told.values)


def _failed(problem: dict[str, Any]) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(text=texts.problem(problem))], structured_content=problem, is_error=True
    )


@asynccontextmanager
async def _started(settings: Settings) -> AsyncIterator[State]:
    """Start what is served, and leave no worker behind."""
    state = State(_for_one(settings))
    try:
        await state.start()
        yield state
    finally:
        await state.close()


def _for_one(settings: Settings) -> Settings:
    return replace(
        settings,
        quick_workers=min(settings.quick_workers, _QUICK_WORKERS),
        slow_workers=min(settings.slow_workers, _SLOW_WORKERS),
        max_answer_bytes=min(settings.max_answer_bytes, _MAX_ANSWER_BYTES),
    )


def serve_stdio(settings: Settings, toolset: str = ALL) -> None:
    """
    Serve the current version to the program at the other end of standard input, until that closes.

    Raises:
        MissingPartError: Nothing has been built.
    """
    asyncio.run(_serve_stdio(settings, toolset))


async def _serve_stdio(settings: Settings, toolset: str) -> None:
    # stdio_server keeps what anything else prints away from standard output, so it comes first
    async with stdio_server() as (reading, writing), _started(settings) as state:
        _leave_on_signal(state)
        server = make_server(state, toolset)
        await server.run(reading, writing, server.create_initialization_options())


def _leave_on_signal(state: State) -> None:
    """End at a signal at once: the thread that waits for the next line cannot be woken."""
    tasks = []

    async def leave() -> None:
        await state.close()
        os._exit(0)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: tasks.append(asyncio.ensure_future(leave())))


def serve_http(settings: Settings, taken: socket.socket, toolset: str = ALL) -> None:
    """
    Serve the current version over HTTP on this machine, until told to stop.

    Requests whose Host or Origin is not this machine are refused, against pages that rebind a name to it.

    Raises:
        MissingPartError: Nothing has been built.
    """
    asyncio.run(_serve_http(settings, taken, toolset))


async def _serve_http(settings: Settings, taken: socket.socket, toolset: str) -> None:
    # uvicorn sends a signal on once it has stopped: SIGTERM is to end this as Ctrl-C does, workers first
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    async with _started(settings) as state:
        app = make_server(state, toolset).streamable_http_app(
            streamable_http_path=PATH, json_response=True, stateless_http=True, host=HOST
        )
        config = uvicorn.Config(app, log_level="warning", lifespan="on", server_header=False)
        await uvicorn.Server(config).serve(sockets=[taken])
