"""The engine: takes a query, bounds it, runs it in a worker, keeps the answer."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kg.config import Settings
from kg.engine.cache import Answer, AnswerCache
from kg.engine.dispatch import Dispatcher, VersionChangedError
from kg.engine.large import LargeAnswer
from kg.engine.loader import Snapshot
from kg.engine.outcome import timeout_error
from kg.engine.pool import Pool
from kg.engine.question import QueryRequest, Question, read_question
from kg.engine.run import Deadline
from kg.engine.spool import Spools
from kg.errors import KGError, MissingPartError, QueryTimeoutError

if TYPE_CHECKING:
    from kg.engine.federation import Federation

SPARE_WORKERS = 2


class Engine:
    """
    A pool of worker processes behind two lanes and a cache; it belongs to one event loop.

    `query` gives every answer whole; `stream` is the same, but gives a large one while it is written.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.counts: Counter[str] = Counter()
        self.cache = AnswerCache(settings.cache_bytes)
        self.spools = Spools(settings.build_path, settings.spool_bytes)
        self.dispatcher = Dispatcher(settings, self.counts, lambda: self.pool)
        self._pool: Pool | None = None
        self._retiring: list[Pool] = []
        self._switching = asyncio.Lock()
        self._federation: Federation | None = None

    @property
    def pool(self) -> Pool:
        """The workers of the version that is served."""
        if self._pool is None:
            raise MissingPartError("The engine is not running: start it with a snapshot.", part="engine")
        return self._pool

    def serves(self, version: str) -> bool:
        """Say whether a version is the one that is served."""
        return self._pool is not None and self._pool.version == version

    async def start(self, snapshot: Snapshot) -> None:
        """
        Serve a snapshot; return when one worker is ready, start the others in the background.

        Raises:
            DataError: The snapshot does not load.
            MissingPartError: It is not there.
        """
        pool = self._new_pool(snapshot)
        try:
            await pool.start()
        except BaseException:
            await pool.close()
            raise
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
            self.dispatcher.forget()
            self.cache.clear()
            self._retiring = [*[one for one in self._retiring if not one.is_ended], before]
            await before.retire()

    async def close(self) -> None:
        """End every worker; queries that run end with an error."""
        pools = [*self._retiring, *([self._pool] if self._pool else [])]
        self._pool, self._retiring = None, []
        await asyncio.gather(*(pool.close() for pool in pools))
        await self.dispatcher.drain()

    async def query(self, request: QueryRequest) -> Answer:
        """
        Answer one query.

        Cancelling it ends its worker.

        Raises:
            QueryError: The query is not fine (QuerySyntaxError, QueryTooDeepError, UpdateRefusedError).
            NotAcceptableError: The format cannot carry the answer.
            QueryTimeoutError: It passed its deadline.
            QueryMemoryError: Its worker died: twice, if it was killed from outside.
            AnswerTooLargeError: The answer passed its bound.
            EndpointError: Another server, which it asks by SERVICE, failed.
            BusyError: No place was free; the query did not run.
        """
        arrived_s = time.monotonic()
        question = await self._examine(request)
        return self._find(question, arrived_s) or await self._answer(question, arrived_s)

    async def stream(self, request: QueryRequest) -> Answer | LargeAnswer:
        """
        Answer one query: whole if the answer is small, else as soon as its first part may leave.

        Parts leave from the slow lane only, where nothing runs twice: a query of the quick lane moves there
        when its answer turns out large, and where no place is free its parts wait until it ends.
        Cancelling this, or closing the large answer, ends the worker.

        Raises:
            KGError: As `query`; what happens later comes from the parts.
        """
        arrived_s = time.monotonic()
        question = await self._examine(request)
        if found := self._find(question, arrived_s):
            return found
        large = LargeAnswer(question, self.spools)
        task = self.dispatcher.keep(self._answer(question, arrived_s, large))
        try:
            is_large = await large.follow(task)
            if task.done():
                small: Answer = task.result()
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

    def status(self) -> dict[str, Any]:
        """Say how things stand: version, workers, lanes, memory, cache, counts."""
        pool = self._pool
        workers = pool.workers if pool else []
        loader = pool.loader if pool else None
        loader_bytes = loader.memory_bytes if loader else 0
        return {
            "version": pool.version if pool else None,
            "quads": loader.quads if loader else 0,
            "loader": {"pid": loader.pid if loader else None, "memory_bytes": loader_bytes},
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
                for lane in (self.dispatcher.quick, self.dispatcher.slow)
            },
            "memory_bytes": loader_bytes + sum(one.memory_bytes for one in workers),
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

    async def _examine(self, request: QueryRequest) -> Question:
        self.counts["queries"] += 1
        with self._counted_failures():
            return await read_question(request, self.settings)

    def _find(self, question: Question, arrived_s: float) -> Answer | None:
        """Return the answer from the cache, if it is there."""
        if not question.is_repeatable:
            return None
        found = self.cache.find((self.pool.version, question.key))
        return found and replace(found, cached=True, elapsed_s=time.monotonic() - arrived_s)

    async def _answer(self, question: Question, arrived_s: float, large: LargeAnswer | None = None) -> Answer:
        """Run a question; the answer holds nothing where its parts went to a large one."""
        deadline = Deadline.of(question.request, self.settings, arrived_s=arrived_s)
        run = self._run_federated if question.examined.is_federated else self.dispatcher.run
        with self._counted_failures():
            body, version = await run(question, deadline, large)
        answer = Answer(
            body,
            question.form.media_type,
            question.examined.form,
            version,
            question.tag_of(body),
            time.monotonic() - arrived_s,
            cached=False,
        )
        is_whole = not (large and large.size)
        if is_whole and question.is_repeatable:
            self.cache.put((version, question.key), answer, key_bytes=len(question.request.query))
        return answer

    async def _run_federated(
        self, question: Question, deadline: Deadline, large: LargeAnswer | None
    ) -> tuple[bytes, str]:
        """Ask the other servers, then run the query with their rows in it; both over one version."""
        from kg.engine.federation import Federation  # loads an HTTP client, which few need

        self._federation = federation = self._federation or Federation(self.settings)

        async def run(part: Question) -> tuple[bytes, str]:
            return await self.dispatcher.run(part, Deadline.of(part.request, self.settings))

        async with federation.place(question.request.client, deadline=deadline):
            for _ in range(2):
                try:
                    rewritten = await federation.rewrite(question, run, deadline=deadline)
                except QueryTimeoutError as error:
                    raise timeout_error(deadline.timeout_s) from error
                with contextlib.suppress(VersionChangedError):  # nothing has left: it did not start
                    return await self.dispatcher.run(rewritten, deadline, large)
        raise self.dispatcher.quick.busy_error("the data changed twice while the query ran")

    @contextlib.contextmanager
    def _counted_failures(self) -> Iterator[None]:
        try:
            yield
        except (KGError, asyncio.CancelledError) as error:
            self.counts[type(error).__name__] += 1
            raise

    def _new_pool(self, snapshot: Snapshot) -> Pool:
        size = self.settings.quick_workers + self.settings.slow_workers + SPARE_WORKERS
        return Pool(snapshot, self.settings, size=size)


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
