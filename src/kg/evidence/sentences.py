"""Sentences of a text: prose, headings, items and footnotes; what page layout broke stays in fragments."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kg.evidence.passages import Span

# What ends in a full stop without ending a sentence, when more follows.
_ABBREVIATION_LIST = (
    "adm al amb approx art arts assoc ave bros capt cf ch chap co col corp dept dr ed eds e.g eg "
    "esp est et fig figs fn gen gov hon i.e ibid inc jr lt ltd maj messrs mr mrs ms mt nat no "
    "nos n.b op p para paras ph.d pp pres prof rep rev sec sen ser sgt sr st ste supp trans "
    "univ v viz vol vols vs jan feb mar apr jun jul aug sept sep oct nov dec"
)
_ABBREVIATIONS = frozenset(_ABBREVIATION_LIST.split())
_STOP = re.compile(
    r"(?P<mark>[.!?…]+)(?P<close>[\"”’')\]*_]*)(?P<note>[⁰¹²³⁴⁵⁶⁷⁸⁹]+|(?<=[\"”’'.])\d{1,3})?(?P<gap>\s+)"
    r"(?=[\"“‘'(\[*_•]*[^\W_a-zß-öø-ÿ])"
)
_LAST_TOKEN = re.compile(r"[^\s\"“‘'(\[*_]+\Z")
_INITIAL = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]\Z")
_ITEM = re.compile(r"\s*(?:[•*\-–>]\s|\d{1,2}[.)]\s|[⁰¹²³⁴⁵⁶⁷⁸⁹]+\s|\d{1,3}\s+[\"“A-Z])")
_LINE = re.compile(r"[^\n\r\f]+")


def split_sentences(text: str) -> list[Span]:
    """
    Cut a text into sentences; each span begins and ends with something that is not white space.

    >>> text = "Dr. Otter of St. Ives, U.S. envoy, spoke.⁴ No one slept\\nuntil noon, p. 3 says. Why?\\nNo"
    >>> [text[one.start : one.end] for one in split_sentences(text)]
    ['Dr. Otter of St. Ives, U.S. envoy, spoke.⁴', 'No one slept\\nuntil noon, p. 3 says.', 'Why?', 'No']
    """
    found = []
    for block in _blocks(text):
        begin = block.start
        for stop in _STOP.finditer(text, block.start, block.end):
            if stop.start("mark") >= begin and _ends_sentence(text, begin, stop):
                found.append(_strip(text, begin, stop.start("gap")))
                begin = stop.end()
        found.append(_strip(text, begin, block.end))
    return [one for one in found if any(letter.isalnum() for letter in text[one.start : one.end])]


def _blocks(text: str) -> Iterator[Span]:
    """Yield stretches that no sentence crosses: lines, with those that plainly go on run together."""
    begin = end = None
    for line in _LINE.finditer(text):
        if begin is None or end is None:
            begin, end = line.span()
        elif _goes_on(text, end, line):
            end = line.end()
        else:
            yield Span(begin, end)
            begin, end = line.span()
    if begin is not None and end is not None:
        yield Span(begin, end)


def _goes_on(text: str, end: int, line: re.Match[str]) -> bool:
    """Tell whether a line goes on with the sentence before it: no blank line, no stop, no new item."""
    gap = text[end : line.start()]
    if gap not in ("\n", "\r\n", "\r") or _ITEM.match(line.group()):
        return False
    return text[end - 1] not in ".!?:;…" and line.group().lstrip()[:1].islower()


def _ends_sentence(text: str, begin: int, stop: re.Match[str]) -> bool:
    if stop.group("mark") != "." or stop.group("close") or stop.group("note"):
        return True
    token = _LAST_TOKEN.search(text, begin, stop.start("mark"))
    if token is None:
        return False
    word = token.group().lower()
    is_numbering = token.start() == begin and word.isdigit()
    return not (is_numbering or word in _ABBREVIATIONS or _INITIAL.match(word))


def _strip(text: str, start: int, end: int) -> Span:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end)
