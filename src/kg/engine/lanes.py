"""The lanes that queries wait in."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from kg.errors import BusyError

NO_PLACE = "no place was free before the deadline (setting KG_TIMEOUT_S)"


class Lane:
    """
    Places for running queries, and a bounded queue before them.

    Args:
        name: For messages.
        size: Queries that run at once.
        queue_length: Queries that wait.
        queue_per_client: Queries of one client that wait; the client `""` is nobody.
        retry_after_s: What to tell whom it sends away, in seconds.
        per_client: Places that one client may hold, or `None` for all.
    """

    def __init__(
        self,
        name: str,
        size: int,
        *,
        queue_length: int,
        queue_per_client: int,
        retry_after_s: int,
        per_client: int | None = None,
    ) -> None:
        self.name, self.size, self.queue_length = name, size, queue_length
        self.queue_per_client = queue_per_client
        self.retry_after_s, self.per_client = retry_after_s, per_client
        self.running: list[str] = []
        self.demand = asyncio.Event()
        self._waiting: deque[tuple[str, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        """How many queries wait."""
        return len(self._waiting)

    def try_acquire(self, client: str) -> bool:
        """Take a place if one is free now and nobody waits for it."""
        if self._waiting or not self._has_place(client):
            return False
        self.running.append(client)
        return True

    async def acquire(self, client: str, *, timeout_s: float) -> None:
        """
        Wait for a place: the client with the fewest running comes first, then who came first.

        Raises:
            BusyError: The queue is full, or the wait took too long.
        """
        if self._has_place(client) and not any(self._has_place(one) for one, _ in self._waiting):
            self.running.append(client)
            return
        if len(self._waiting) >= self.queue_length:
            raise self.busy_error(f"{self.queue_length} queries wait already (setting KG_QUEUE_LENGTH)")
        share = self.queue_per_client
        if client and sum(one == client for one, _ in self._waiting) >= share:
            raise self.busy_error(f"{share} of your queries wait already (setting KG_QUEUE_PER_CLIENT)")
        entry = (client, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self.demand.set()
        try:
            await asyncio.wait_for(asyncio.shield(entry[1]), timeout_s)
        except BaseException as error:
            self._leave(entry)
            if isinstance(error, TimeoutError):
                raise self.busy_error(NO_PLACE) from error
            raise

    def release(self, client: str) -> None:
        """Give a place back; the next in the queue has it."""
        self.running.remove(client)
        self._admit()

    def busy_error(self, reason: str) -> BusyError:
        """Make the error for a query that is sent away."""
        return BusyError(
            f"The {self.name} lane is full: {reason}. Your query did not run. "
            f"Try again in {self.retry_after_s} s.",
            retry_after_s=self.retry_after_s,
            lane=self.name,
        )

    def _has_place(self, client: str) -> bool:
        share = self.per_client if client else None
        return len(self.running) < self.size and (share is None or self.running.count(client) < share)

    def _leave(self, entry: tuple[str, asyncio.Future[None]]) -> None:
        if entry[1].done():
            self.release(entry[0])
            return
        with contextlib.suppress(ValueError):
            self._waiting.remove(entry)
        entry[1].cancel()
        self._admit()

    def _admit(self) -> None:
        """Give free places to who waits: first to the client with the fewest running, then by arrival."""
        while fitting := [entry for entry in self._waiting if self._has_place(entry[0])]:
            entry = min(fitting, key=lambda one: self.running.count(one[0]))
            self._waiting.remove(entry)
            self.running.append(entry[0])
            entry[1].set_result(None)
        if not self._waiting:
            self.demand.clear()
