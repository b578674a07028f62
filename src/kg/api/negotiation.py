"""
Negotiation: which of our media types a client wants most.

Source: RFC 9110, section 12.5.1, https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kg.errors import NotAcceptableError

HTML = "text/html"
PROBLEM = "application/problem+json"
_QUALITY = re.compile(r"(0(\.[0-9]{0,3})?|1(\.0{0,3})?)\Z")
_MAX_RANGES = 100


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One entry of an Accept header."""

    type: str
    subtype: str
    parameters: Mapping[str, str]
    quality: float

    @property
    def specificity(self) -> int:
        """Return how narrow the range is: 0 for */*, 1 for type/*, 2 for a type, more with parameters."""
        return (self.type != "*") + (self.subtype != "*") + len(self.parameters)

    def covers(self, media_type: str) -> bool:
        """
        Say whether a media type falls in the range; a charset of UTF-8 and a version are taken as met.

        >>> parse_accept("text/*")[0].covers("text/turtle")
        True
        """
        kind, _, subtype = media_type.split(";")[0].strip().partition("/")
        if self.type not in ("*", kind) or self.subtype not in ("*", subtype):
            return False
        return all(
            name in ("version", "profile") or (name == "charset" and value.lower() in ("utf-8", "utf8"))
            for name, value in self.parameters.items()
        )


def parse_accept(header: str | None) -> list[MediaRange]:
    """
    Read an Accept header; what cannot be read is passed over, and no header accepts everything.

    >>> [(one.subtype, one.quality) for one in parse_accept("text/turtle;q=0.5, */*;q=0.1")]
    [('turtle', 0.5), ('*', 0.1)]
    """
    if header is None or not header.strip():
        return [MediaRange("*", "*", {}, 1.0)]
    ranges = [_parse_range(part) for part in header.split(",")[:_MAX_RANGES]]
    return [one for one in ranges if one is not None]


def _parse_range(text: str) -> MediaRange | None:
    first, *rest = (part.strip() for part in text.split(";"))
    kind, slash, subtype = first.lower().partition("/")
    if not slash or not kind or not subtype or (kind == "*" and subtype != "*"):
        return None
    parameters: dict[str, str] = {}
    quality = 1.0
    for part in rest:
        name, _, value = part.partition("=")
        if name.strip().lower() == "q":
            if not _QUALITY.match(value.strip()):
                return None
            quality = float(value)
            break
        if name:
            parameters[name.strip().lower()] = value.strip().strip('"')
    return MediaRange(kind, subtype, parameters, quality)


def quality_of(media_type: str, ranges: Sequence[MediaRange]) -> float:
    """
    Return how much a media type is wanted, from 0 (not at all) to 1: the narrowest range decides.

    >>> quality_of("text/turtle", parse_accept("text/*;q=0.8, text/turtle;q=0"))
    0.0
    """
    covering = [one for one in ranges if one.covers(media_type)]
    return max(covering, key=lambda one: (one.specificity, one.quality)).quality if covering else 0.0


def choose(header: str | None, offered: Sequence[str]) -> str | None:
    """
    Return the offered media type that the client wants most, the earliest of equals, or None.

    >>> choose("text/html,*/*;q=0.8", ["text/turtle", "text/html"])
    'text/html'
    >>> choose("image/png", ["text/turtle"]) is None
    True
    """
    ranges = parse_accept(header)
    best = max(offered, key=lambda one: quality_of(one, ranges), default=None)
    return best if best is not None and quality_of(best, ranges) > 0 else None


def require(header: str | None, offered: Sequence[str]) -> str:
    """
    Return what `choose` returns.

    Raises:
        NotAcceptableError: Nothing fits; field `available` lists what there is.
    """
    chosen = choose(header, offered)
    if chosen is None:
        available = list(dict.fromkeys(offered))
        raise NotAcceptableError(
            f"nothing here is {header!r}. Available: {', '.join(available)}.", available=available
        )
    return chosen


def is_browser(header: str | None) -> bool:
    """Say whether the client would rather read a page than a problem document."""
    return bool(header) and choose(header, [PROBLEM, "application/json", HTML]) == HTML
