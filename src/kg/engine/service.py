"""The engine: takes a query, bounds it, runs it in a worker, keeps the answer."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from typing import Any

from kg.config import Settings
from kg.engine.cache import Answer, AnswerCache
from kg.engine.large import LargeAnswer
from kg.engine.outcome import death_error, reply_error, timeout_error
from kg.engine.pool import Lane, Pool, RetiredError
from kg.engine.process import Snapshot, TakePart, WorkerDiedError, WorkerProcess
from kg.engine.question import QueryRequest, Question, read_question
from kg.engine.run import Run
from kg.engine.spool import Spools
from kg.errors import KGError, MissingPartError

SPARE_WORKERS = 1
PATIENCE_S = 0.25
KNOWN_SLOW = 1_000


class Engine:
    """
    A pool of worker processes behind two lanes and a cache.

    A query starts in the quick lane. Past the quick deadline, or sooner when others wait, it moves to
    the slow lane: with its worker if a place is free there, else it is ended and runs again when one is.
    One engine belongs to one event loop.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.counts: Counter[str] = Counter()
        self.cache = AnswerCache(settings.cache_bytes)
        self.spools = Spools(settings.build_path, settings.spool_bytes)
        self.quick = Lane(
            "quick",
            settings.quick_workers,
            queue_length=settings.queue_length,
            retry_after_s=max(1, math.ceil(settings.quick_timeout_s)),
        )
        self.slow = Lane(
            "slow",
            settings.slow_workers,
            queue_length=settings.queue_length,
            retry_after_s=max(1, math.ceil(settings.timeout_s)),
            per_client=1,
        )
        self._pool: Pool | None = None
        self._retiring: list[Pool] = []
        self._known_slow: OrderedDict[str, None] = OrderedDict()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._switching = asyncio.Lock()

    @property
    def pool(self) -> Pool:
        """The workers of the version that is served."""
        if self._pool is None:
            raise MissingPartError("The engine is not running: start it with a snapshot.", part="engine")
        return self._pool

    async def start(self, snapshot: Snapshot) -> None:
        """
        Serve a snapshot; return when one worker is ready, start the others in the background.

        Raises:
            DataError: The snapshot does not load.
            MissingPartError: It is not there.
        """
        pool = self._new_pool(snapshot)
        await pool.start()
        self._pool = pool
        pool.fill_later()

    async def switch(self, snapshot: Snapshot) -> None:
        """
        Serve another snapshot: its workers start beside the old ones, which end when idle.

        Raises:
            DataError: The snapshot does not load; the old one is served on.
            MissingPartError: It is not there; the old one is served on.
        """
        async with self._switching:
            before, pool = self.pool, self._new_pool(snapshot)
            try:
                await pool.start()
                await pool.fill()
            except BaseException:
                await pool.close()
                raise
            self._pool = pool
            self._known_slow.clear()
            self.cache.clear()
            self._retiring = [*[one for one in self._retiring if one.busy], before]
            await before.retire()

    async def close(self) -> None:
        """End every worker; queries that run end with an error."""
        pools = [*self._retiring, *([self._pool] if self._pool else [])]
        self._pool, self._retiring = None, []
        await asyncio.gather(*(pool.close() for pool in pools))
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def query(self, request: QueryRequest) -> Answer:
        """
        Answer one query.

        Cancelling it ends its worker.

        Raises:
            QueryError: The query is not fine (QuerySyntaxError, QueryTooDeepError, UpdateRefusedError).
            NotAcceptableError: The format cannot carry the answer.
            QueryTimeoutError: It passed its deadline.
            QueryMemoryError: Its worker died.
            AnswerTooLargeError: The answer passed its bound.
            BusyError: No place was free.
        """
        started = time.monotonic()
        question = await self._examine(request)
        return self._find(question, started) or await self._answer(question, started)

    async def stream(self, request: QueryRequest) -> Answer | LargeAnswer:
        """
        Answer one query: whole if the answer is small, else as soon as its first part may leave.

        Parts leave from the slow lane only, where nothing runs twice: a query of the quick lane moves there
        when its answer turns out large, and where no place is free its parts wait until it ends.
        Cancelling this, or closing the large answer, ends the worker.

        Raises:
            KGError: As `query`; what happens later comes from the parts.
        """
        started = time.monotonic()
        question = await self._examine(request)
        if found := self._find(question, started):
            return found
        large = LargeAnswer(question, self.spools)
        task = asyncio.create_task(self._answer(question, started, large))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            is_large = await large.follow(task)
            if task.done():
                small = task.result()
                return large if is_large else small
        except BaseException:
            large.close()
            raise
        return large

    async def tag(self, request: QueryRequest) -> str | None:
        """
        Return the entity tag that a large answer would have now, without running the query.

        Raises:
            KGError: As `query`, as far as can be seen without running it.
        """
        return (await read_question(request, self.settings)).tag(self.pool.version)

    async def _examine(self, request: QueryRequest) -> Question:
        self.counts["queries"] += 1
        with self._counted_failures():
            return await read_question(request, self.settings)

    def _find(self, question: Question, started: float) -> Answer | None:
        """Return the answer from the cache, if it is there."""
        if question.examined.is_volatile:
            return None
        found = self.cache.find((self.pool.version, question.key))
        return found and replace(found, cached=True, elapsed_s=time.monotonic() - started)

    async def _answer(self, question: Question, started: float, large: LargeAnswer | None = None) -> Answer:
        """Run a question; the answer holds nothing where its parts went to a large one."""
        with self._counted_failures():
            body, version = await self._run(question, large)
        form, examined = question.form, question.examined
        is_whole = not (large and large.size)
        etag = f'"{hashlib.sha256(form.name.encode() + b" " + body).hexdigest()[:32]}"'
        elapsed_s = time.monotonic() - started
        answer = Answer(body, form.media_type, examined.form, version, etag, elapsed_s, cached=False)
        if is_whole and not examined.is_volatile:
            self.cache.put((version, question.key), answer, key_bytes=len(question.request.query))
        return answer

    @contextlib.contextmanager
    def _counted_failures(self) -> Iterator[None]:
        try:
            yield
        except (KGError, asyncio.CancelledError) as error:
            self.counts[type(error).__name__] += 1
            raise

    def status(self) -> dict[str, Any]:
        """Say how things stand: version, workers, lanes, memory, cache, counts."""
        pool = self._pool
        workers = pool.workers if pool else []
        return {
            "version": pool.version if pool else None,
            "quads": workers[0].quads if workers else 0,
            "workers": [
                {"pid": one.pid, "busy": one in pool.busy, "memory_bytes": one.memory_bytes}
                for one in workers
                if pool
            ],
            "wanted_workers": pool.size if pool else 0,
            "restarts": pool.restarts if pool else 0,
            "last_failure": pool.last_failure if pool else None,
            "lanes": {
                lane.name: {"size": lane.size, "running": len(lane.running), "waiting": lane.waiting}
                for lane in (self.quick, self.slow)
            },
            "memory_bytes": sum(one.memory_bytes for one in workers),
            "cache": {
                "entries": len(self.cache),
                "used_bytes": self.cache.used_bytes,
                "max_bytes": self.cache.max_bytes,
                "hits": self.cache.hits,
                "misses": self.cache.misses,
            },
            "spools": {"used_bytes": self.spools.used_bytes, "max_bytes": self.spools.max_bytes},
            "counts": dict(self.counts),
        }

    async def take(self) -> tuple[WorkerProcess, Pool]:
        """Wait for a worker of the version that is served."""
        while True:
            pool = self.pool
            try:
                return await asyncio.wait_for(pool.take(), self.settings.timeout_s), pool
            except RetiredError:
                continue
            except TimeoutError as error:
                raise self.quick.busy_error(
                    f"no worker is ready ({pool.last_failure or 'starting'})"
                ) from error

    def keep(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something in the background until it ends or the engine closes."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _new_pool(self, snapshot: Snapshot) -> Pool:
        size = self.settings.quick_workers + self.settings.slow_workers + SPARE_WORKERS
        return Pool(snapshot, self.settings, size=size)

    async def _run(self, question: Question, large: LargeAnswer | None) -> tuple[bytes, str]:
        request = question.request
        timeout_s = min(request.timeout_s or self.settings.timeout_s, self.settings.timeout_s)
        job = question.job(large_bytes=self.settings.large_answer_bytes if large else None)
        mark = hashlib.sha256(request.query.encode()).hexdigest()
        left_s = timeout_s
        if mark not in self._known_slow:
            async with self._place(self.quick, request.client) as run:
                if await self._run_quick(run, job, timeout_s, large):
                    return self._read(run, question)
                self._remember_slow(mark)
                if run.elapsed_s >= timeout_s:
                    raise timeout_error(timeout_s)
                if run.move_to(self.slow):
                    if await run.wait(timeout_s):
                        return self._read(run, question)
                    raise timeout_error(timeout_s)
            left_s = max(timeout_s - run.elapsed_s, 0.1)
        async with self._place(self.slow, request.client) as run:
            run.start(job, self._outlet(run, large))
            if not await run.wait(left_s):
                raise timeout_error(timeout_s)
            if run.elapsed_s < self.settings.quick_timeout_s:
                self._known_slow.pop(mark, None)
            return self._read(run, question)

    def _outlet(self, run: Run, large: LargeAnswer | None) -> TakePart | None:
        return large.begin(run.pool.version, lambda: run.move_to(self.slow)) if large else None

    async def _run_quick(
        self, run: Run, job: dict[str, Any], timeout_s: float, large: LargeAnswer | None
    ) -> bool:
        """Say whether the query ended in the quick lane; with others waiting it has less time."""
        run.start(job, self._outlet(run, large))
        deadline_s = min(timeout_s, self.settings.quick_timeout_s)
        limit_s = min(deadline_s, PATIENCE_S)
        while not await run.wait(limit_s):
            if limit_s >= deadline_s or self.quick.waiting:
                return False
            limit_s = min(deadline_s, limit_s + PATIENCE_S / 5)
        return True

    def _remember_slow(self, mark: str) -> None:
        self.counts["slow"] += 1
        self._known_slow[mark] = None
        if len(self._known_slow) > KNOWN_SLOW:
            self._known_slow.popitem(last=False)

    def _place(self, lane: Lane, client: str) -> Run:
        return Run(lane, client, take=self.take, keep=self.keep, wait_s=self.settings.timeout_s)

    def _read(self, run: Run, question: Question) -> tuple[bytes, str]:
        """Return the body and the version, or raise what went wrong in the worker."""
        try:
            header, body = run.result()
        except WorkerDiedError as death:
            raise death_error(death, self.settings) from death
        if "ok" in header:
            return body, run.pool.version
        prefixes = run.pool.snapshot.prefixes
        raise reply_error(header, question.examined, question.form, settings=self.settings, prefixes=prefixes)


async def _ask_once(snapshot: Snapshot, settings: Settings, request: QueryRequest) -> Answer:
    engine = Engine(replace(settings, quick_workers=1, slow_workers=1, quick_timeout_s=settings.timeout_s))
    pool = Pool(snapshot, engine.settings, size=1)
    engine._pool = pool
    try:
        await pool.start()
        return await engine.query(request)
    finally:
        await engine.close()


def run_query(snapshot: Snapshot, settings: Settings, request: QueryRequest) -> Answer:
    """
    Answer one query with one worker, for callers without an event loop.

    Raises:
        KGError: As `Engine.query` and `Engine.start`.
    """
    return asyncio.run(_ask_once(snapshot, settings, request))
