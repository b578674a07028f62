"""
Transfers: answers of the engine on their way to clients; a large one leaves while it is written.

A client that leaves ends its query. One that does not read is cut off. A transfer that fails after its
first bytes ends without the mark of its end, so that no part of an answer looks like the whole.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kg.api.recall import Recorder
from kg.api.responses import is_held, respond, usual_headers, with_charset
from kg.api.state import State
from kg.engine import Engine, LargeAnswer, QueryRequest
from kg.errors import KGError

log = logging.getLogger("kg.api")

UNWATCHED_S = 0.02  # most queries end sooner, and are spared the watch over their client

T = TypeVar("T")


async def give(
    request: Request,
    wanted: QueryRequest,
    media_type: str,
    *,
    headers: Mapping[str, str] | None = None,
    is_recallable: bool = False,
) -> Response:
    """
    Ask the engine and make the response, or 304 where the client holds the same answer.

    Args:
        request: What came over HTTP.
        wanted: What it asks.
        media_type: The type to name, where it is not the engine's own.
        headers: Headers beyond the usual ones.
        is_recallable: The same bytes may get the same response as long as this version is served.

    Raises:
        KGError: As `Engine.stream`.
        ClientDisconnect: The client left first.
    """
    state = State.of(request)
    held = request.headers.get("if-none-match", "")
    if 'W/"' in held:  # a weak tag: ours are made of the question, so that nothing need run
        tag = await state.engine.tag(wanted)
        if tag and is_held(held.replace("*", ""), tag):
            version = {"KG-Version": state.engine.pool.version}
            all_headers = usual_headers(tag, {**(headers or {}), **version})
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=all_headers)
    answer = await while_connected(request, state.engine.stream(wanted))
    all_headers = {**(headers or {}), "KG-Version": answer.version}
    if not isinstance(answer, LargeAnswer):
        if is_recallable and answer.cached:
            _allow_recall(request, state.engine, answer.version)
        return respond(request, answer.body, media_type, etag=answer.etag, headers=all_headers)
    all_headers = {**usual_headers(answer.etag, all_headers), "Content-Type": with_charset(media_type)}
    if request.method == "HEAD":
        answer.close()
        return _Unmeasured(headers=all_headers)
    if request.scope["http_version"] == "1.0":
        # no chunks there: only its length shows whether an answer is whole
        try:
            all_headers["Content-Length"] = str(await while_connected(request, answer.whole()))
        except BaseException:
            answer.close()
            raise
    return Transfer(
        answer, all_headers, path=request.url.path, client_timeout_s=state.settings.client_timeout_s
    )


def _allow_recall(request: Request, engine: Engine, version: str) -> None:
    """Let the response to the same bytes be recalled; each use counts as the query that it stands for."""

    def use() -> bool:
        if not engine.serves(version):
            return False
        engine.counts.update(("queries", "recalled"))
        return True

    if recorder := Recorder.of(request.scope):
        recorder.allow(use)


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """
    Do some work for a client, and cancel it when the client leaves.

    Raises:
        ClientDisconnect: It left.
    """
    working = asyncio.current_task()
    assert working is not None
    watch: asyncio.Task[None] | None = None
    has_left = is_over = False

    def begin() -> None:
        nonlocal watch
        watch = asyncio.create_task(_left(request.receive))
        watch.add_done_callback(end)

    def end(_: asyncio.Task[None]) -> None:
        nonlocal has_left
        if not is_over:
            has_left = True
            working.cancel()

    timer = asyncio.get_running_loop().call_later(UNWATCHED_S, begin)
    try:
        return await work
    except asyncio.CancelledError:
        if has_left and working.uncancel() == 0:
            raise ClientDisconnect from None
        raise
    finally:
        is_over = True
        timer.cancel()
        if watch is not None:
            await _end(watch)


async def _end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel the tasks that have not ended, and wait until they have."""
    left = [one for one in tasks if not one.done()]
    for task in left:
        task.cancel()
    if left:
        await asyncio.gather(*left, return_exceptions=True)


async def _left(receive: Receive) -> None:
    """Wait until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


class _Unmeasured(Response):
    """The headers of an answer whose length is not known yet."""

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Set the headers, with a Content-Length only where one is given."""
        super().init_headers(headers)
        if "Content-Length" not in (headers or {}):
            del self.headers["Content-Length"]


class Transfer(_Unmeasured):
    """
    A large answer as a response, sent as fast as it is written and read.

    Args:
        answer: Closed at the end, however that comes.
        headers: All headers.
        path: For the log.
        client_timeout_s: How long a client may leave a piece of it untaken, in seconds.
    """

    def __init__(
        self, answer: LargeAnswer, headers: Mapping[str, str], *, path: str, client_timeout_s: float
    ) -> None:
        super().__init__(headers=dict(headers))
        self.answer, self.path, self.client_timeout_s = answer, path, client_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, until it ends, fails, or its client leaves or does not read on."""
        giving, leaving = asyncio.create_task(self._give(send)), asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({giving, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(giving, leaving)
            self.answer.close()
        if not giving.cancelled():
            giving.result()

    async def _give(self, send: Send) -> None:
        sent = 0
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for part in self.answer.parts():
                await self._send(send, part, more=True)
                sent += len(part)
            await self._send(send, b"", more=False)
        # else the last message is not sent, and the server closes the connection in the middle of the body
        except KGError as error:
            log.warning("%s: broken off after %d bytes: %s", self.path, sent, error)
        except TimeoutError:
            timeout_s = self.client_timeout_s
            log.warning("%s: cut off after %d bytes: nothing taken for %g s", self.path, sent, timeout_s)

    async def _send(self, send: Send, body: bytes, *, more: bool) -> None:
        async with asyncio.timeout(self.client_timeout_s):
            await send({"type": "http.response.body", "body": body, "more_body": more})
