"""The engine: takes a query, bounds it, runs it in a worker, keeps the answer."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kg.config import Settings
from kg.engine.cache import Answer, AnswerCache
from kg.engine.formats import Format, choose_format
from kg.engine.limits import Examined, examine
from kg.engine.loader import Snapshot
from kg.engine.outcome import death_error, reply_error, timeout_error
from kg.engine.pool import Lane, Pool, RetiredError
from kg.engine.process import WorkerDiedError, WorkerProcess
from kg.engine.run import Deadline, Run
from kg.errors import BusyError, KGError, MissingPartError, QueryTimeoutError

if TYPE_CHECKING:
    from kg.engine.federation import Federation

SPARE_WORKERS = 2
LIGHT_S, PATIENCE_S = 0.05, 0.25
KNOWN_SLOW = 1_000
LARGE_QUERY = 8_000


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """
    One question.

    Args:
        query: SPARQL 1.1 Query.
        format: A name of `FORMATS`.
        default_graphs: IRIs; with `named_graphs` they replace FROM and FROM NAMED.
        named_graphs: IRIs.
        base: The IRI that relative ones are resolved against.
        timeout_s: Seconds to its answer, waiting included; the setting bounds it.
        client: Who asks, for the share of long queries; empty is nobody in particular.
    """

    query: str
    format: str = "json"
    default_graphs: tuple[str, ...] = ()
    named_graphs: tuple[str, ...] = ()
    base: str | None = None
    timeout_s: float | None = None
    client: str = ""


class Engine:
    """
    A pool of worker processes behind two lanes and a cache.

    A query starts in the quick lane. After 50 ms every other process goes before it on the processor, and
    it moves to the slow lane, worker and all, if others wait and a place is free there. If none is it has
    its quick deadline, or 250 ms when others wait; then it is ended and runs again when there is a place.
    One engine belongs to one event loop.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.counts: Counter[str] = Counter()
        self.cache = AnswerCache(settings.cache_bytes)
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
        self._pool: Pool | None = None
        self._retiring: list[Pool] = []
        self._known_slow: OrderedDict[str, None] = OrderedDict()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._switching = asyncio.Lock()
        self._federation: Federation | None = None

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
            self._known_slow.clear()
            self.cache.clear()
            self._retiring = [*[one for one in self._retiring if not one.is_ended], before]
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
            QueryMemoryError: Its worker died: twice, if it was killed from outside.
            AnswerTooLargeError: The answer passed its bound.
            EndpointError: Another server, which it asks by SERVICE, failed.
            BusyError: No place was free; the query did not run.
        """
        started = time.monotonic()
        self.counts["queries"] += 1
        try:
            if len(request.query) > LARGE_QUERY:
                examined = await asyncio.to_thread(examine, request.query, self.settings)
            else:
                examined = examine(request.query, self.settings)
            form = choose_format(request.format, examined.form)
            key = (request.query, request.default_graphs, request.named_graphs, form.name, request.base)
            is_kept = not (examined.is_volatile or examined.is_federated)
            cached = None if not is_kept else self.cache.find((self.pool.version, key))
            if cached is not None:
                return replace(cached, cached=True, elapsed_s=time.monotonic() - started)
            run = self._run_federated if examined.is_federated else self._run
            body, version = await run(request, examined, form, started)
        except (KGError, asyncio.CancelledError) as error:
            self.counts[type(error).__name__] += 1
            raise
        etag = f'"{hashlib.sha256(form.name.encode() + b" " + body).hexdigest()[:32]}"'
        etag = f"W/{etag}" if examined.is_federated else etag
        elapsed_s = time.monotonic() - started
        answer = Answer(body, form.media_type, examined.form, version, etag, elapsed_s, cached=False)
        if is_kept:
            self.cache.put((version, key), answer, key_bytes=len(request.query))
        return answer

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
                for lane in (self.quick, self.slow)
            },
            "memory_bytes": loader_bytes + sum(one.memory_bytes for one in workers),
            "cache": {
                "entries": len(self.cache),
                "used_bytes": self.cache.used_bytes,
                "max_bytes": self.cache.max_bytes,
                "hits": self.cache.hits,
                "misses": self.cache.misses,
            },
            "counts": dict(self.counts),
        }

    async def take(self, until_s: float) -> tuple[WorkerProcess, Pool]:
        """Wait for a worker of the version that is served, until a time by the monotonic clock."""
        while True:
            pool = self.pool
            try:
                return await asyncio.wait_for(pool.take(), until_s - time.monotonic()), pool
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

    async def _run_federated(
        self, request: QueryRequest, examined: Examined, form: Format, started: float
    ) -> tuple[bytes, str]:
        """Ask the other servers, then run the query with their rows in it; both over one version."""
        from kg.engine.federation import Federation  # loads an HTTP client, which few need

        self._federation = federation = self._federation or Federation(self.settings)
        timeout_s = min(request.timeout_s or self.settings.timeout_s, self.settings.timeout_s)
        deadline = started + timeout_s
        async with federation.place(request.client, deadline=deadline):
            for _ in range(2):
                try:
                    rewritten, versions = await federation.rewrite(
                        request, examined, self._run, deadline=deadline
                    )
                    left_s = max(deadline - time.monotonic(), 0.1)
                    answer = await self._run(replace(request, timeout_s=left_s), rewritten, form)
                except QueryTimeoutError as error:
                    raise timeout_error(timeout_s) from error
                if versions <= {answer[1]}:
                    return answer
        raise self.quick.busy_error("the data changed twice while the query ran")

    async def _run(
        self, request: QueryRequest, examined: Examined, form: Format, started: float | None = None
    ) -> tuple[bytes, str]:
        """Run a query that came at a time by the monotonic clock, or now."""
        started = time.monotonic() if started is None else started
        timeout_s = min(request.timeout_s or self.settings.timeout_s, self.settings.timeout_s)
        deadline = Deadline(started + timeout_s, timeout_s)
        deaths = 0
        while True:
            try:
                return await self._try(request, examined, form, deadline)
            except WorkerDiedError as death:
                deaths += death.has_begun
                if deaths > 1 or not death.is_from_outside:
                    raise death_error(death, self.settings) from death
                self.counts["tried again"] += 1

    async def _try(
        self, request: QueryRequest, examined: Examined, form: Format, deadline: Deadline
    ) -> tuple[bytes, str]:
        job = _job(request, examined, form)
        mark = hashlib.sha256(request.query.encode()).hexdigest()
        is_new = mark not in self._known_slow
        if is_new:
            async with self._place(self.quick, request.client, deadline) as run:
                if await self._run_quick(run, job, mark, deadline):
                    return self._read(run, examined, form)
                self._remember_slow(mark)
                if deadline.is_past:
                    raise timeout_error(deadline.timeout_s)
                if run.move_to(self.slow) and await self._end_slowly(run, mark, deadline):
                    return self._read(run, examined, form)
        try:
            async with self._place(self.slow, request.client, deadline) as run:
                run.start(job)
                await self._end_slowly(run, mark, deadline)
                if run.elapsed_s < self.settings.quick_timeout_s:
                    self._known_slow.pop(mark, None)
                return self._read(run, examined, form)
        except BusyError as error:
            if is_new and deadline.is_past:
                raise timeout_error(deadline.timeout_s) from error
            raise

    async def _run_quick(self, run: Run, job: dict[str, Any], mark: str, deadline: Deadline) -> bool:
        """Say whether the query ended before it had to leave its place in the quick lane."""
        run.start(job)
        now_s = time.monotonic()
        until_s = min(deadline.at_s, now_s + self.settings.quick_timeout_s)
        patience_s = min(until_s, now_s + PATIENCE_S)
        if await run.wait(min(until_s, now_s + LIGHT_S)):
            return True
        run.lower()
        while not await run.wait(until_s, unless=self.quick.demand):
            if time.monotonic() >= patience_s and (self.quick.waiting or time.monotonic() >= until_s):
                return False
            if self.quick.waiting and run.move_to(self.slow):
                return await self._end_slowly(run, mark, deadline)
            if await run.wait(patience_s):
                return True
        return True

    async def _end_slowly(self, run: Run, mark: str, deadline: Deadline) -> bool:
        """Let a query that has moved to the slow lane run to its end, or end it at its deadline."""
        if not await run.wait(deadline.at_s):
            self._remember_slow(mark)
            raise timeout_error(deadline.timeout_s)
        return True

    def _remember_slow(self, mark: str) -> None:
        self.counts["slow"] += mark not in self._known_slow
        self._known_slow[mark] = None
        if len(self._known_slow) > KNOWN_SLOW:
            self._known_slow.popitem(last=False)

    def _place(self, lane: Lane, client: str, deadline: Deadline) -> Run:
        return Run(lane, client, take=self.take, keep=self.keep, deadline=deadline)

    def _read(self, run: Run, examined: Examined, form: Format) -> tuple[bytes, str]:
        """Return the body and the version, or raise what went wrong in the worker."""
        header, body = run.result()
        if "ok" in header:
            return body, run.pool.version
        prefixes = run.pool.snapshot.prefixes
        raise reply_error(header, examined, form, settings=self.settings, prefixes=prefixes)


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


def _job(request: QueryRequest, examined: Examined, form: Format) -> dict[str, Any]:
    return {
        "query": examined.text,
        "base": request.base,
        "format": form.name,
        "default_graphs": request.default_graphs,
        "named_graphs": request.named_graphs,
        "prologue": examined.prologue,
        "from_default": examined.from_default,
        "from_named": examined.from_named,
    }
