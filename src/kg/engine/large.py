"""Large answers: sent while they are written, through a spool, at the pace of their client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from kg.engine.process import TakePart
from kg.engine.question import Question
from kg.engine.spool import Spool, Spools

READ_BYTES = 64_000


class LargeAnswer:
    """
    An answer too large to be held: whoever has it reads its parts, once, and closes it.

    Args:
        question: What it answers; once some of it has left, `has_left`, that must not run again.
        room: Where it is kept meanwhile.
    """

    def __init__(self, question: Question, room: Spools) -> None:
        self.media_type = question.form.media_type
        self.form = question.examined.form
        self.version = ""
        self._question, self._room = question, room
        self._spool = Spool(room, question.request.client)
        self._changed = asyncio.Event()
        self.has_left = False
        self._task: asyncio.Task[Any] | None = None

    @property
    def etag(self) -> str | None:
        """A weak entity tag, quotes included, or none where two runs may differ."""
        return self._question.tag(self.version)

    @property
    def size(self) -> int:
        """How much of it there is by now, in bytes."""
        return self._spool.size

    def begin(self, version: str, may_leave: Callable[[], bool]) -> TakePart:
        """
        Begin, or begin anew as long as nothing has left, and return what takes the parts.

        Args:
            version: The version that answers.
            may_leave: Says whether the run is the last: nothing is read of one that may have to run again.
        """
        assert not self.has_left, "its reader may have read what would come again"
        self._spool.close()
        self._spool = spool = Spool(self._room, self._question.request.client)
        self.version = version

        async def take(part: bytes) -> None:
            await spool.write(part)
            self.has_left = self.has_left or may_leave()
            self._changed.set()

        return take

    async def follow(self, task: asyncio.Task[Any]) -> bool:
        """Wait until parts may leave or the task that runs the query has ended; say if there are any."""
        self._task = task
        task.add_done_callback(self._end)
        while not (self.has_left or task.done()):
            await self._wait()
        return self.size > 0

    async def whole(self) -> int:
        """
        Wait until all of it is there, and return its size in bytes.

        Raises:
            KGError: As `Engine.query`.
        """
        assert self._task is not None
        await asyncio.wait({self._task})
        self._task.result()
        return self.size

    async def parts(self) -> AsyncIterator[bytes]:
        """
        Yield it piece by piece, as it comes.

        Raises:
            KGError: As `Engine.query`: what was yielded is not the whole.
        """
        assert self._task is not None
        start = 0
        while True:
            if start < self.size:
                part = await self._spool.read(start, READ_BYTES)
                assert part, "read after it was closed"
                start += len(part)
                yield part
            elif self._task.done():
                self._task.result()
                return
            else:
                await self._wait()

    def close(self) -> None:
        """End the query if it still runs, and free what was kept."""
        if self._task is not None:
            self._task.cancel()
        self._spool.close()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _end(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            task.exception()  # else asyncio logs what nobody asked for
        self._changed.set()
