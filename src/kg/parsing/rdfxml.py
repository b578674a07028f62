"""RDF/XML: without DOCTYPE and entities; slips of tags, quotes and ampersands found with what mends them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html.entities import html5
from xml.parsers import expat

import pyoxigraph as ox

from kg.names import Prefixes
from kg.parsing.agreement import agree
from kg.parsing.mending import tell
from kg.parsing.reading import Change, Fault, Lines, Reading, Source
from kg.parsing.striping import Frame, Striping, XMLFault
from kg.turtle import Places

_ENCODING = re.compile(r"""<\?xml[^>]*?encoding\s*=\s*["']([^"']+)["']""")
_AMPERSAND = re.compile(r"&(?!(?:[A-Za-z][\w.-]*|#[0-9]+|#x[0-9A-Fa-f]+);)")
_ENTITY = re.compile(r"&([A-Za-z][\w.-]*);")
_COMMENT = re.compile(r"[^<>\s]\s*(<!--.*?-->)", re.DOTALL)
_QUOTED = re.compile(r"'([^']+)'|`([^`]+)`")
_SMART = "“”„‟«»"
_Repair = tuple[Change, ...]


def read_rdfxml(source: Source, prefixes: Prefixes) -> Reading:
    """Read RDF/XML."""
    striping = Striping(source.text, prefixes)
    try:
        striping.read()
        quads = _parse(source.text)
    except (XMLFault, expat.ExpatError, SyntaxError):
        return source.reading(problems=tell(source.text, source.path, _diagnosis(prefixes)))
    first = striping.lines.span(0, 0)
    placed = agree(striping.found, quads, Places(None, first, first, first))
    return source.reading(placed, striping.declared)


def _parse(text: str) -> list[ox.Quad]:
    return list(ox.parse(text.encode("utf-8"), format=ox.RdfFormat.RDF_XML))


def _diagnosis(prefixes: Prefixes) -> Callable[[str], list[Fault]]:
    def diagnose(text: str) -> list[Fault]:
        declared = _ENCODING.match(text)
        if declared and declared[1].upper() not in ("UTF-8", "UTF8"):
            return [_encoding(declared)]
        striping = Striping(text, prefixes)
        try:
            striping.read()
        except XMLFault as error:
            return [error.fault]
        except expat.ExpatError as error:
            return [_fault(error, striping)]
        try:
            _parse(text)
        except SyntaxError as error:
            return [_refused(str(error.msg), text)]
        return []

    return diagnose


def _encoding(declared: re.Match[str]) -> Fault:
    return Fault(
        declared.start(1),
        declared.end(1),
        f"the text is UTF-8 and says that it is {declared[1]}: expected UTF-8.",
        "not-utf8",
        'write encoding="UTF-8".',
        "UTF-8",
        ((Change(declared.start(1), declared.end(1), "UTF-8"),),),
    )


def _fault(error: expat.ExpatError, striping: Striping) -> Fault:
    """Tell what is no XML, with what may mend it."""
    text = striping.text
    at = min(Lines(text).offset(error.lineno, error.offset + 1), len(text))
    reason = expat.ErrorString(error.code)
    names = [frame.name for frame in striping.frames]
    if error.code == expat.errors.codes[expat.errors.XML_ERROR_TAG_MISMATCH]:
        return _mismatched(text, at, names, striping.frames[-1])
    if error.code in (
        expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
        expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
    ):
        return _ended(text, at, names)
    if error.code == expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]:
        entity = _ENTITY.match(text, at)
        if entity:
            return _unknown_entity(entity, striping.prefixes)
    ampersand = _last(_AMPERSAND, text, at)
    if ampersand is not None:
        return Fault(
            ampersand,
            ampersand + 1,
            "an ampersand stands on its own: expected &amp;.",
            fix="write &amp;.",
            expected="&amp;",
            repairs=((Change(ampersand, ampersand + 1, "&amp;"),),),
            is_last=True,
        )
    quote = re.compile(r"=\s*(\"[^\"<>]*)/?>\s*\Z").search(text, text.rfind("<", 0, at), at)
    if quote and text[at : at + 1] == "<":
        stop = quote.end(1) - (text[quote.end(1) - 1] == "/")
        return Fault(
            quote.start(1),
            quote.end(1),
            'the value that opens here is not closed: expected ".',
            "unclosed-string",
            'write " where the value ends.',
            '"',
            ((Change(stop, stop, '"'),),),
            is_last=True,
        )
    return Fault(
        at,
        min(at + 1, len(text)),
        f"{reason}: expected XML 1.0.",
        fix="write &lt; for <, quotes around each attribute's value, and no control characters.",
        repairs=tuple(_guesses(text, at)),
        is_last=True,
    )


def _last(pattern: re.Pattern[str], text: str, at: int) -> int | None:
    """Return where a pattern last stands in the line of a place, up to it."""
    start = text.rfind("\n", 0, at) + 1
    found = [match.start() for match in pattern.finditer(text, max(start, at - 200), at + 1)]
    return found[-1] if found else None


def _mismatched(text: str, at: int, names: list[str], frame: Frame) -> Fault:
    """An end tag is not that of the element that is open."""
    opened = names[-1] if names else ""
    match = re.compile(r"(?:</)?([^\s<>/]*)\s*>?").match(text, at)
    tag = re.compile(r"</([^\s<>]*)\s*>").match(text, text.rfind("</", 0, at + 2))
    repairs: list[_Repair] = []
    start, end = at, match.end() if match else at
    found = match[1] if match else ""
    if tag:
        start, end, found = tag.start(), tag.end(), tag[1]
        close = (Change(tag.start(), tag.start(), f"</{opened}>"),)
        rename = (Change(tag.start(1), tag.end(1), opened),)
        cut = (Change(tag.start(), tag.end(), ""),)
        repairs = [close, rename, cut] if found in names[:-1] else [rename, cut]
    if found in names[:-1]:
        start, end = frame.start, frame.inside
        return Fault(
            start,
            end,
            f"<{opened}> is not closed: expected </{opened}> before </{found}>.",
            "unclosed-tag",
            f"write </{opened}>, or end the element with />.",
            f"</{opened}>",
            tuple(repairs),
            is_last=True,
        )
    return Fault(
        start,
        end,
        f"</{found}> closes nothing here: <{opened}> is open; expected </{opened}>.",
        "unclosed-tag",
        f"write </{opened}> before it." if found in names[:-1] else f"write </{opened}>.",
        f"</{opened}>",
        tuple(repairs),
        is_last=True,
    )


def _ended(text: str, at: int, names: list[str]) -> Fault:
    """The text ends inside elements, or inside a tag."""
    missing = "".join(f"</{name}>" for name in reversed(names))
    stop = len(text.rstrip())
    if not names:
        return Fault(
            at, at, "no element stands here: expected RDF/XML.", fix="begin with <rdf:RDF xmlns:rdf=…>."
        )
    return Fault(
        stop,
        stop,
        f"the text ends while <{names[-1]}> is open: expected {missing}.",
        "unclosed-tag",
        f"end it with {missing}.",
        missing,
        ((Change(stop, stop, missing),), (Change(stop, stop, ">" + missing),)),
        is_last=True,
    )


def _unknown_entity(entity: re.Match[str], prefixes: Prefixes) -> Fault:
    name = entity[1]
    meant = prefixes.get(name) or html5.get(f"{name};")
    return Fault(
        entity.start(),
        entity.end(),
        f"&{name}; is not known, and entities are not taken: expected the "
        + ("namespace itself." if name in prefixes else "character itself."),
        "entity",
        f"write {meant}" if meant else "write what it stands for.",
        meant,
        ((Change(entity.start(), entity.end(), meant),),) if meant else (),
        is_last=True,
    )


def _guesses(text: str, at: int) -> Iterator[_Repair]:
    character = text[at : at + 1]
    if character and character in _SMART:
        closing = re.search(f'[{_SMART}"]', text[at + 1 : at + 400])
        if closing:
            stop = at + 1 + closing.start()
            yield (Change(at, at + 1, '"'), Change(stop, stop + 1, '"'))
        return
    before = text.rfind("<", 0, at)
    if before >= 0 and (
        ">" not in text[before:at] or not re.match(r"</?[A-Za-z_?!]", text[before : before + 3])
    ):
        if not re.match(r"</?[A-Za-z_?!]", text[before : before + 3]):
            yield (Change(before, before + 1, "&lt;"),)
        bare = re.compile(r"=\s*([^\s\"'<>]+)").search(text, before, text.find(">", at) + 1 or len(text))
        if bare and bare.start() <= at <= bare.end() and bare[1][:1] not in _SMART:
            yield (Change(bare.start(1), bare.start(1), '"'), Change(bare.end(1), bare.end(1), '"'))
        open_quote = text.rfind('="', before, at)
        if open_quote >= 0:
            yield (Change(at, at, '"'),)
            stop = text.rfind(">", before, at)
            if stop > open_quote:
                yield (Change(stop, stop, '"'),)
        if character == "<":
            yield (Change(len(text[:at].rstrip()), len(text[:at].rstrip()), ">"),)
    if character == "<":
        yield (Change(at, at + 1, "&lt;"),)
    if character and ord(character) < 32:
        yield (Change(at, at + 1, ""),)


def _refused(message: str, text: str) -> Fault:
    """Tell what the parser says, at the thing that it names if that is found."""
    comment = _COMMENT.search(text) if "text event" in message else None
    if comment:
        return Fault(
            comment.start(1),
            comment.end(1),
            "a comment stands inside a value: expected text only.",
            fix="delete the comment, or move it before the element.",
            repairs=((Change(comment.start(1), comment.end(1), ""),),),
            is_last=True,
        )
    start, end = 0, min(1, len(text))
    for match in _QUOTED.finditer(message):
        word = match[1] or match[2]
        at = text.find(word) if len(word) > 3 else -1
        if at >= 0:
            start, end = at, at + len(word)
            break
    code = "not-an-iri" if "IRI" in message else "syntax"
    return Fault(start, end, f"{message.rstrip('.')}: expected RDF/XML 1.1.", code, is_last=True)
