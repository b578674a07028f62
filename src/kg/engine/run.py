"""One query on one worker in one lane: it leaves both tidy, however it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any

from kg.engine.pool import Lane, Pool
from kg.engine.process import TakePart, WorkerProcess

GRACE_S = 0.25


class Run:
    """
    A place in a lane and a worker, held from `async with` to its end.

    Args:
        lane: Where the query runs first.
        client: Who asks.
        take: Waits for a worker.
        keep: Runs something in the background.
        wait_s: How long to wait for the place, in seconds.
    """

    def __init__(
        self,
        lane: Lane,
        client: str,
        *,
        take: Callable[[], Awaitable[tuple[WorkerProcess, Pool]]],
        keep: Callable[[Coroutine[Any, Any, None]], None],
        wait_s: float,
    ) -> None:
        self._lane, self._client, self._wait_s = lane, client, wait_s
        self._take, self._keep = take, keep
        self._task: asyncio.Task[tuple[dict[str, Any], bytes]] | None = None
        self._started = 0.0
        self._ended: float | None = None

    @property
    def pool(self) -> Pool:
        """Whose worker it is."""
        return self._pool

    @property
    def elapsed_s(self) -> float:
        """How long the query has run, in seconds."""
        return (time.monotonic() if self._ended is None else self._ended) - self._started

    async def __aenter__(self) -> Run:
        await self._lane.acquire(self._client, timeout_s=self._wait_s)
        try:
            self._worker, self._pool = await self._take()
        except BaseException:
            self._lane.release(self._client)
            raise
        return self

    def start(self, job: dict[str, Any], take_part: TakePart | None = None) -> None:
        """Send the query."""
        self._started = time.monotonic()
        self._task = asyncio.create_task(self._worker.ask(job, take_part))

    async def wait(self, until_s: float) -> bool:
        """Wait until the query has run so many seconds; say whether it ended."""
        assert self._task is not None
        done, _ = await asyncio.wait({self._task}, timeout=max(until_s - self.elapsed_s, 0))
        return bool(done)

    def move_to(self, lane: Lane) -> bool:
        """Move to another lane, worker and all; say whether it had a place, or was there already."""
        if lane is self._lane:
            return True
        if not lane.try_acquire(self._client):
            return False
        self._lane.release(self._client)
        self._lane = lane
        return True

    def result(self) -> tuple[dict[str, Any], bytes]:
        """
        Return header and body of the answer that came.

        Raises:
            WorkerDiedError: None came.
        """
        assert self._task is not None
        return self._task.result()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = time.monotonic()
        if kind is asyncio.CancelledError and self._task is not None and not self._task.done():
            self._keep(self._drain(self._task))
        else:
            self._leave()

    async def _drain(self, task: asyncio.Task[Any]) -> None:
        """Let a query whose client left end by itself for a moment: most do, and a worker is saved."""
        await asyncio.wait({task}, timeout=GRACE_S)
        self._leave()

    def _leave(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            self._pool.discard(self._worker)
        else:
            if self._task is not None and not self._task.cancelled():
                self._task.exception()
            self._pool.give_back(self._worker)
        self._lane.release(self._client)
