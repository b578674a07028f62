"""One query on one worker in one lane: it leaves both tidy, however it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from kg.config import Settings
from kg.engine.lanes import Lane
from kg.engine.pool import Pool
from kg.engine.process import TakePart, WorkerProcess
from kg.engine.question import QueryRequest

GRACE_S = 0.25


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a query must have its answer: by the monotonic clock, and from its arrival, both in seconds."""

    at_s: float
    timeout_s: float

    @classmethod
    def of(cls, request: QueryRequest, settings: Settings, *, arrived_s: float | None = None) -> Deadline:
        """Return the deadline of a request that came at a time by the monotonic clock, or now."""
        timeout_s = min(request.timeout_s or settings.timeout_s, settings.timeout_s)
        return cls((time.monotonic() if arrived_s is None else arrived_s) + timeout_s, timeout_s)

    @property
    def is_past(self) -> bool:
        """Say whether it is over."""
        return time.monotonic() >= self.at_s


class Run:
    """
    A place in a lane and a worker, held from `async with` to its end.

    Args:
        lane: Where the query runs first.
        client: Who asks.
        take: Waits for a worker.
        keep: Runs something in the background.
        deadline: When to give up waiting for place and worker.
    """

    def __init__(
        self,
        lane: Lane,
        client: str,
        *,
        take: Callable[[float], Awaitable[tuple[WorkerProcess, Pool]]],
        keep: Callable[[Coroutine[Any, Any, None]], object],
        deadline: Deadline,
    ) -> None:
        self._lane, self._client, self._until_s = lane, client, deadline.at_s
        self._take, self._keep = take, keep
        self._task: asyncio.Task[tuple[dict[str, Any], bytes]] | None = None
        self._started = 0.0
        self._ended: float | None = None

    @property
    def pool(self) -> Pool:
        """Whose worker it is."""
        return self._pool

    @property
    def started_s(self) -> float:
        """When the query began, by the monotonic clock."""
        return self._started

    @property
    def elapsed_s(self) -> float:
        """How long the query has run, in seconds."""
        return (time.monotonic() if self._ended is None else self._ended) - self._started

    @property
    def processor_s(self) -> float:
        """How long it has had the processor, in seconds; where nobody says, how long it has run."""
        if self._processor_s is None or (used_s := self._worker.processor_s()) is None:
            return self.elapsed_s
        return used_s - self._processor_s

    async def __aenter__(self) -> Run:
        await self._lane.acquire(self._client, timeout_s=self._until_s - time.monotonic())
        try:
            self._worker, self._pool = await self._take(self._until_s)
        except BaseException:
            self._lane.release(self._client)
            raise
        return self

    def start(self, job: dict[str, Any], take_part: TakePart | None = None) -> None:
        """Send the query."""
        self._started = time.monotonic()
        self._processor_s = self._worker.processor_s()
        self._task = asyncio.create_task(self._worker.ask(job, take_part))

    async def wait(self, until_s: float, *, unless: asyncio.Event | None = None) -> bool:
        """Wait until a time, by the monotonic clock, or until an event; say whether the query ended."""
        assert self._task is not None
        timeout_s = max(until_s - time.monotonic(), 0)
        if unless is None:
            await asyncio.wait({self._task}, timeout=timeout_s)
            return self._task.done()
        event = asyncio.create_task(unless.wait())
        try:
            await asyncio.wait({self._task, event}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            event.cancel()
        return self._task.done()

    def lower(self) -> None:
        """Let every other query go first from now on."""
        self._worker.lower()

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
