"""
Canon 1: the words of a text, in a form that every copy of the text agrees on, and their digest.

White space, line ends, case, quotes, dashes, emphasis marks, ligatures, soft hyphens, Unicode normal form and
superscript note calls never matter; a word broken by a hyphen at the end of a line is one word.

Source: ontology-notes.md, section 3.2; design.md, section 5.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable
from typing import Literal, NamedTuple

SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_APOSTROPHES = "'’‘‛ʼ"
_HYPHENS = "-‐"
_IGNORED = (
    "\u00ad\u200b\u200c\u200d\u2060\ufeff"  # soft hyphen, zero-width space and joiners, byte order mark
)
_NEWLINES = "\n\r\f\v\x1c\x1d\x1e\x85\u2028\u2029"

# One letter a character: l lower-case letter, u other letter, d number, m mark, ' apostrophe, - hyphen,
# ~ ignored, n line end, s space, ^ superscript digit, . anything else.
_PART = re.compile(r"[lud](?:~*[ludm])*(?:'~*[lud](?:~*[ludm])*)*")
_BREAK = re.compile(r"(?<=[lum])~*[-~]s*n[sn]*(?=l)")
_HYPHEN = re.compile(r"~*-(?:s*n[sn]*)?(?=[lud])")
_GAP = re.compile(r"~*-s+(?=[lu])")

Link = Literal["", "break", "hyphen", "gap"]


class Word(NamedTuple):
    """A canonical word; `start` and `end` in code points of the text it was read from, half-open."""

    text: str
    start: int
    end: int


class Part(NamedTuple):
    """
    A word or a piece of one; `link` tells what ties it to the next part.

    "break": a hyphen at a line's end, which canon 1 joins; "hyphen": a hyphen that canon 1 takes as a space;
    "gap": a hyphen and a space, as where lines were run together after a word was broken.
    """

    text: str
    start: int
    end: int
    link: Link


def words(text: str) -> list[Word]:
    """
    List the canonical words of a text.

    >>> [one.text for one in words("The “well-kept” cas-\\ntle’s **ﬁrst**\u00a0gate.⁷")]
    ['the', 'well', 'kept', "castle's", 'first', 'gate']
    >>> words("\N{OTTER} Ahoy")
    [Word(text='ahoy', start=2, end=6)]
    """
    return join_parts(parts(text))


def join_parts(pieces: Iterable[Part]) -> list[Word]:
    """Make words of parts: what a line's end broke is joined."""
    found: list[Word] = []
    is_open = False
    for piece in pieces:
        if is_open:
            last = found[-1]
            found[-1] = Word(last.text + piece.text, last.start, piece.end)
        else:
            found.append(Word(piece.text, piece.start, piece.end))
        is_open = piece.link == "break"
    return found


def parts(text: str) -> list[Part]:
    """
    List the parts of a text: its words, with words broken at a line's end still in pieces.

    >>> [(one.text, one.link) for one in parts("Re-\\npair the sea-wall")]
    [('re', 'break'), ('pair', ''), ('the', ''), ('sea', 'hyphen'), ('wall', '')]
    """
    characters, kinds, starts, ends = _scan(text)
    found: list[Part] = []
    for match in _PART.finditer(kinds):
        first, last = match.span()
        link: Link = ""
        if _BREAK.match(kinds, last):
            link = "break"
        elif _HYPHEN.match(kinds, last):
            link = "hyphen"
        elif _GAP.match(kinds, last):
            link = "gap"
        letters = "".join(characters[first:last])
        found.append(Part(_fold(letters), starts[first], ends[last - 1], link))
    return found


def digest(these: Iterable[Word]) -> str:
    """
    Return the digest of canonical words: SHA-256 of the words joined by one space, in UTF-8.

    >>> digest(words("Mind the  GAP")) == digest(words("mind—the “gap”"))
    True
    """
    return digest_texts([one.text for one in these])


def digest_texts(texts: Iterable[str]) -> str:
    """Return the digest of words given as strings that are canonical already."""
    return "sha256:" + hashlib.sha256(" ".join(texts).encode()).hexdigest()


def digest_file_text(text: str) -> str:
    """Return the digest of a text as a UTF-8 file holds it: that of a document's reference file."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


class Lines:
    """Where the lines of a text begin: offsets to line numbers, from 1."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(found.end() for found in re.finditer(r"\r\n?|\n|\f", text))]

    def number(self, offset: int) -> int:
        """
        Return the number of the line that holds an offset, from 1.

        >>> Lines("one\\ntwo").number(4)
        2
        """
        return bisect_right(self._starts, offset)

    def start(self, number: int) -> int:
        """Return the offset at which a line begins."""
        return self._starts[number - 1]


def _fold(letters: str) -> str:
    if letters.isascii():
        return letters.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", letters).casefold())


def _kind(character: str) -> str:
    if character in _APOSTROPHES:
        return "'"
    if character in _HYPHENS:
        return "-"
    if character in _NEWLINES:
        return "n"
    category = unicodedata.category(character)
    if category == "Ll":
        return "l"
    return {"L": "u", "N": "d", "M": "m", "Z": "s"}.get(category[0], "s" if character == "\t" else ".")


_ASCII_KINDS = {chr(code): _kind(chr(code)) for code in range(128)}


def _scan(text: str) -> tuple[list[str], str, list[int], list[int]]:
    """Return the characters after NFKC, their kinds, and where each begins and ends in the text."""
    characters: list[str] = []
    kinds: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    position, length = 0, len(text)
    while position < length:
        character, end = text[position], position + 1
        if character < "\x80" and (end == length or text[end] < "\u0300"):
            cluster = [("'" if character == "'" else character, _ASCII_KINDS[character])]
        else:
            while end < length and unicodedata.category(text[end])[0] == "M":
                end += 1
            cluster = _read_cluster(text[position:end])
        for letter, kind in cluster:
            characters.append(letter)
            kinds.append(kind)
            starts.append(position)
            ends.append(end)
        position = end
    return characters, "".join(kinds), starts, ends


def _read_cluster(cluster: str) -> list[tuple[str, str]]:
    """Return the characters and kinds of one character with its marks."""
    if cluster[0] in SUPERSCRIPTS:
        return [("", "^")]
    if cluster[0] in _IGNORED:
        return [("", "~")] + [(mark, "m") for mark in cluster[1:]]
    plain = "".join(one for one in cluster if not "\ufe00" <= one <= "\ufe0f")  # variation selectors
    if plain and plain[0] in _APOSTROPHES:
        return [("'", "'")]
    return [(one, _kind(one)) for one in unicodedata.normalize("NFKC", plain)] or [("", "~")]
