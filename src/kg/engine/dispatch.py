"""Dispatch: brings questions to workers through two lanes, and ends what takes too long."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from kg.config import Settings
from kg.engine.lanes import Lane
from kg.engine.large import LargeAnswer
from kg.engine.outcome import death_error, reply_error, timeout_error
from kg.engine.pool import Pool, RetiredError
from kg.engine.process import WorkerDiedError, WorkerProcess
from kg.engine.question import Question
from kg.engine.run import Deadline, Run
from kg.errors import BusyError

LIGHT_S, PATIENCE_S = 0.05, 0.25
SHARE_S, LOOK_S = 0.06, 0.02
KNOWN_SLOW = 1_000


class VersionChangedError(Exception):
    """The version that is served is not the one that the question is bound to."""


class Dispatcher:
    """
    Two lanes before one pool of workers.

    A query starts in the quick lane. After 50 ms it moves to the slow lane, worker and all, if others wait
    and a place is free there. Once it has had its share, 250 ms with 60 ms of the processor among them, or
    500 ms on a machine with other work, every other process goes before it. If others wait then, or at its
    quick deadline, it moves, or is ended and runs again when there is a place. One that has left in part is
    in the slow lane, which nothing leaves before its end: it never runs again.

    Args:
        counts: Where it counts what happens.
        pool: Gives the workers of the version that is served.
    """

    def __init__(self, settings: Settings, counts: Counter[str], pool: Callable[[], Pool]) -> None:
        self.settings, self.counts, self._pool = settings, counts, pool
        self.quick = Lane(
            "quick",
            settings.quick_workers,
            queue_length=settings.queue_length,
            queue_per_client=settings.queue_per_client,
            retry_after_s=max(1, math.ceil(settings.quick_timeout_s)),
        )
        self.slow = Lane(
            "slow",
            settings.slow_workers,
            queue_length=settings.queue_length,
            queue_per_client=settings.queue_per_client,
            retry_after_s=max(1, math.ceil(settings.timeout_s)),
            per_client=settings.slow_per_client,
        )
        self._known_slow: OrderedDict[str, None] = OrderedDict()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(
        self, question: Question, deadline: Deadline, large: LargeAnswer | None = None
    ) -> tuple[bytes, str]:
        """
        Run a question, and return body and version; the body is empty where it went to a large answer.

        Raises:
            KGError: As `Engine.query`.
            VersionChangedError: It is bound to another version than the one that is served.
        """
        deaths = 0
        while True:
            try:
                return await self._try(question, deadline, large)
            except WorkerDiedError as death:
                deaths += death.has_begun
                is_last = deaths > 1 or (large is not None and large.has_left)
                if is_last or not death.is_from_outside:
                    raise death_error(death, self.settings) from death
                self.counts["tried again"] += 1

    def forget(self) -> None:
        """Forget which queries were slow: another version is served."""
        self._known_slow.clear()

    def keep(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something in the background until it ends, or until `drain` has waited for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self) -> None:
        """Wait for all that runs in the background."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, until_s: float) -> tuple[WorkerProcess, Pool]:
        """Wait for a worker of the version that is served, until a time by the monotonic clock."""
        while True:
            pool = self._pool()
            try:
                worker = pool.take_idle() if time.monotonic() < until_s else None
                if worker is None:
                    worker = await asyncio.wait_for(pool.take(), until_s - time.monotonic())
                return worker, pool
            except RetiredError:
                continue
            except TimeoutError as error:
                reason = f"no worker is ready ({pool.last_failure or 'starting'})"
                raise self.quick.busy_error(reason) from error

    async def _try(
        self, question: Question, deadline: Deadline, large: LargeAnswer | None
    ) -> tuple[bytes, str]:
        client, mark = question.request.client, question.mark
        is_new = mark not in self._known_slow
        if is_new:
            async with self._place(self.quick, client, deadline) as run:
                self._start(run, question, large)
                if await self._run_quick(run, mark, deadline):
                    return self._read(run, question)
                self._remember_slow(mark)
                if deadline.is_past:
                    raise timeout_error(deadline.timeout_s)
                if run.move_to(self.slow):
                    await self._run_slowly(run, mark, deadline)
                    return self._read(run, question)
        try:
            async with self._place(self.slow, client, deadline) as run:
                self._start(run, question, large)
                await self._run_slowly(run, mark, deadline)
                if run.elapsed_s < self.settings.quick_timeout_s:
                    self._known_slow.pop(mark, None)
                return self._read(run, question)
        except BusyError as error:
            if is_new and deadline.is_past:
                raise timeout_error(deadline.timeout_s) from error
            raise

    def _place(self, lane: Lane, client: str, deadline: Deadline) -> Run:
        return Run(lane, client, take=self._take, keep=self.keep, deadline=deadline)

    def _start(self, run: Run, question: Question, large: LargeAnswer | None) -> None:
        version = run.pool.version
        if not question.versions <= {version}:
            raise VersionChangedError
        if large is None:
            run.start(question.job(large_bytes=None))
        else:
            job = question.job(large_bytes=self.settings.large_answer_bytes)
            run.start(job, large.begin(version, lambda: run.move_to(self.slow)))

    async def _run_quick(self, run: Run, mark: str, deadline: Deadline) -> bool:
        """Say whether the query ended before it had to leave its place in the quick lane."""
        until_s = min(deadline.at_s, run.started_s + self.settings.quick_timeout_s)
        patience_s = min(until_s, run.started_s + PATIENCE_S)
        if await run.wait(min(until_s, run.started_s + LIGHT_S)):
            return True
        if await run.wait(patience_s, unless=self.quick.demand):
            return True
        if time.monotonic() < patience_s and run.move_to(self.slow):
            await self._run_slowly(run, mark, deadline)
            return True
        if await self._has_share(run, until_s):
            return True
        run.lower()
        return await run.wait(until_s, unless=self.quick.demand)

    async def _run_slowly(self, run: Run, mark: str, deadline: Deadline) -> None:
        """Let a query in the slow lane run to its end, or end it at its deadline."""
        if await self._has_share(run, deadline.at_s):
            return
        run.lower()
        if not await run.wait(deadline.at_s):
            self._remember_slow(mark)
            raise timeout_error(deadline.timeout_s)

    async def _has_share(self, run: Run, until_s: float) -> bool:
        """Wait until the query has had its share of the processor; say whether it ended."""
        if await run.wait(min(until_s, run.started_s + PATIENCE_S)):
            return True
        until_s = min(until_s, run.started_s + 2 * PATIENCE_S)
        while run.processor_s < SHARE_S and time.monotonic() < until_s:
            if await run.wait(time.monotonic() + LOOK_S):
                return True
        return False

    def _remember_slow(self, mark: str) -> None:
        self.counts["slow"] += mark not in self._known_slow
        self._known_slow[mark] = None
        if len(self._known_slow) > KNOWN_SLOW:
            self._known_slow.popitem(last=False)

    def _read(self, run: Run, question: Question) -> tuple[bytes, str]:
        """Return the body and the version, or raise what went wrong in the worker."""
        header, body = run.result()
        if "ok" in header:
            return body, run.pool.version
        prefixes = run.pool.snapshot.prefixes
        raise reply_error(header, question.examined, question.form, settings=self.settings, prefixes=prefixes)
