"""The workers of one dataset version."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from kg.config import Settings
from kg.engine.loader import Loader, Snapshot, start_loader
from kg.engine.process import WorkerProcess
from kg.errors import KGError

RESTART_PAUSES_S = (0.0, 0.5, 2.0, 10.0)


class RetiredError(Exception):
    """This pool no longer hands out workers: ask the one that followed it."""


class Pool:
    """
    The workers of one version: all alike, forked from one loader, one query each, replaced when they die.

    A loader that dies is replaced too, in the background; the workers that it forked go on.

    Args:
        snapshot: What is loaded.
        size: How many there should be.
    """

    def __init__(self, snapshot: Snapshot, settings: Settings, *, size: int) -> None:
        self.snapshot, self.settings, self.size = snapshot, settings, size
        self.busy: set[WorkerProcess] = set()
        self.idle: list[WorkerProcess] = []
        self.restarts = 0
        self.last_failure: str | None = None
        self.loader: Loader | None = None
        self._is_retired = False
        self._loading = asyncio.Lock()
        self._waiting: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting: set[asyncio.Task[None]] = set()

    @property
    def version(self) -> str:
        """The version that these workers answer from."""
        return self.snapshot.version

    @property
    def workers(self) -> list[WorkerProcess]:
        """All workers that are ready or at work."""
        return [*self.busy, *self.idle]

    @property
    def is_ended(self) -> bool:
        """Say whether it has no process left."""
        return self._is_retired and not (self.busy or self._tasks)

    async def start(self) -> None:
        """Load the snapshot and start one worker; raise if it does not load."""
        await self._add()

    async def fill(self) -> None:
        """Start the missing workers; raise if one does not start."""
        missing = self.size - len(self.workers)
        await asyncio.gather(*(self._add() for _ in range(missing)))

    def fill_later(self) -> None:
        """Start the missing workers in the background."""
        for _ in range(self.size - len(self.workers)):
            self._start_one()

    async def take(self) -> WorkerProcess:
        """
        Wait for an idle worker.

        Raises:
            RetiredError: The pool retired first.
        """
        while (worker := self.take_idle()) is None:
            changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(changed)
            await changed
        return worker

    def take_idle(self) -> WorkerProcess | None:
        """
        Take the worker that worked last, whose memory is its own already; None where all are busy.

        Raises:
            RetiredError: The pool retired.
        """
        if self._is_retired:
            raise RetiredError
        while self.idle:
            worker = self.idle.pop()
            if worker.is_alive:
                self.busy.add(worker)
                return worker
            self.discard(worker)
        return None

    def give_back(self, worker: WorkerProcess) -> None:
        """Return a worker after its query: to the idle, or to its end if it is spent or the pool retired."""
        self.busy.discard(worker)
        worker.restore()
        if self._is_retired or not worker.is_alive:
            self.discard(worker)
        else:
            self.idle.append(worker)
            self._notify()

    def discard(self, worker: WorkerProcess) -> None:
        """End a worker at once and start another in the background."""
        self.busy.discard(worker)
        worker.kill()
        self._spawn(worker.close())
        if not self._is_retired:
            self.restarts += 1
            self._start_one()
        self._close_loader_if_unused()

    async def retire(self) -> None:
        """Hand out no more workers; end the idle ones now, each busy one after its query."""
        self._is_retired = True
        self._notify()
        idle, self.idle = self.idle, []
        await asyncio.gather(*(worker.close() for worker in idle))
        self._close_loader_if_unused()

    async def close(self) -> None:
        """End every worker, busy or not, and wait until they are gone."""
        await self.retire()
        for worker in self.busy:
            worker.kill()
        for task in self._starting:
            task.cancel()
        while self.busy:
            await asyncio.sleep(0.001)
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._close_loader_if_unused()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _load(self) -> Loader:
        """Return the loader; the first who misses it starts it."""
        async with self._loading:
            if self.loader is None or not self.loader.is_alive:
                self.loader = await start_loader(self.snapshot, self.settings)
                self._watch(self.loader)
            return self.loader

    def _watch(self, loader: Loader) -> None:
        async def replace() -> None:
            await loader.wait()
            if not self._is_retired:
                self.restarts += 1
                self._start(self._retry(self._load))
            await loader.close()  # which waits for the workers that it left behind

        self._spawn(replace())

    def _close_loader_if_unused(self) -> None:
        if self._is_retired and not self.busy and self.loader is not None:
            loader, self.loader = self.loader, None
            self._spawn(loader.close())

    async def _add(self) -> None:
        worker = await (await self._load()).fork()
        if self._is_retired:
            # in a task of its own, since this one may be cancelled while the process ends
            self._spawn(worker.close())
            return
        self.idle.append(worker)
        self._notify()
        worker.tell_end(lambda: self._replace_idle(worker))

    def _replace_idle(self, worker: WorkerProcess) -> None:
        """Replace a worker that died while nothing was asked of it: the last of them is asked first."""
        if worker in self.idle:
            self.idle.remove(worker)
            self.discard(worker)

    async def _retry(self, work: Callable[[], Awaitable[Any]]) -> None:
        attempt = 0
        while not self._is_retired:
            try:
                await work()
            except (KGError, OSError) as error:
                self.last_failure = str(error)
                attempt += 1
                await asyncio.sleep(RESTART_PAUSES_S[min(attempt, len(RESTART_PAUSES_S) - 1)])
            else:
                return

    def _notify(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    def _start_one(self) -> None:
        self._start(self._retry(self._add))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._spawn(work)
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
