"""Cached answers: the least recently used leave when the bytes pass a bound."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

ENTRY_OVERHEAD_BYTES = 1_000
LARGEST_SHARE = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """
    One answer, already serialised.

    Args:
        body: The bytes to send.
        media_type: Their media type.
        form: SELECT, ASK, CONSTRUCT or DESCRIBE.
        version: The version of the dataset that answered.
        etag: A strong entity tag, quotes included.
        elapsed_s: From question to answer, in seconds.
        cached: The answer was in the cache.
    """

    body: bytes
    media_type: str
    form: str
    version: str
    etag: str
    elapsed_s: float
    cached: bool


class AnswerCache:
    """
    Answers by key, bounded in bytes.

    Args:
        max_bytes: All entries together, keys and an allowance for each included, in bytes; 0 keeps nothing.

    >>> cache = AnswerCache(10_000)
    >>> cache.put("key", Answer(b"{}", "application/json", "SELECT", "1", '"x"', 0.1, False), key_bytes=3)
    >>> cache.find("key").body
    b'{}'
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.used_bytes = 0
        self.hits = 0
        self.misses = 0
        self._entries: OrderedDict[Hashable, tuple[Answer, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: Hashable) -> Answer | None:
        """Return the answer under a key, and count the hit or the miss."""
        entry = self._entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: Hashable, answer: Answer, *, key_bytes: int) -> None:
        """Keep an answer, unless it alone would take more than an eighth of the bound; let the oldest go."""
        size = len(answer.body) + key_bytes + ENTRY_OVERHEAD_BYTES
        if size > self.max_bytes // LARGEST_SHARE:
            return
        self._drop(key)
        self._entries[key] = (answer, size)
        self.used_bytes += size
        while self.used_bytes > self.max_bytes:
            self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        """Forget every answer."""
        self._entries.clear()
        self.used_bytes = 0

    def _drop(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.used_bytes -= entry[1]
