"""Slips of the pen in the text itself, each in its format: marks left out, names and values garbled."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

from tests.corpus.drafts import FORMATS, LAT, write
from tests.corpus.good import make
from tests.corpus.material import load
from tests.corpus.slips import Slip

TIMES = 3
Rows = list[str]
Garble = Callable[[Rows, random.Random], int | tuple[int, ...]]


def _rows(rows: Rows, pattern: str) -> list[int]:
    found = [at for at, row in enumerate(rows) if re.search(pattern, row)]
    assert found, pattern
    return found


def change(pattern: str, old: str, new: str) -> Garble:
    """Make a change of one row that fits: its first `old` (a pattern) becomes `new`."""

    def garble(rows: Rows, rng: random.Random) -> int:
        at = rng.choice(_rows(rows, pattern))
        changed = re.sub(old, new, rows[at], count=1)
        assert changed != rows[at], (pattern, rows[at])
        rows[at] = changed
        return at + 1

    return garble


def drop(pattern: str) -> Garble:
    """Make a change that leaves out one row that fits; its place is the row before or after."""

    def garble(rows: Rows, rng: random.Random) -> tuple[int, ...]:
        at = rng.choice(_rows(rows, pattern))
        del rows[at]
        return (at, at + 1)

    return garble


def insert(pattern: str, row: str) -> Garble:
    """Make a change that writes a row before one that fits."""

    def garble(rows: Rows, rng: random.Random) -> int:
        at = rng.choice(_rows(rows, pattern))
        rows.insert(at, row)
        return at + 1

    return garble


def unused_prefix(rows: Rows, rng: random.Random) -> tuple[int, ...]:
    """Leave out the declaration of a prefix that is used; its places are its uses."""
    del rows[_rows(rows, r'^@prefix lat:|"lat": "|xmlns:lat=')[0]]
    return tuple(at + 1 for at, row in enumerate(rows) if re.search(r'\blat:|"lat:', row))


def brace_too_many(rows: Rows, rng: random.Random) -> tuple[int, ...]:
    """Close a claim twice; either brace is the one too many."""
    at = rng.choice(_rows(rows, r"^}$"))
    rows.insert(at, "}")
    return (at + 1, at + 2)


_LABEL = r'rdfs:label "'
_TURTLE: dict[str, tuple[str, Garble]] = {
    "semicolon left out": ("mark left out", change(r" ;$", r" ;$", "")),
    "dot left out": ("mark left out", change(r"^[^@].* \.$", r" \.$", "")),
    "comma for semicolon": ("mark wrong", change(r'"@en ;$', r" ;$", " ,")),
    "dot for semicolon": ("mark wrong", change(r"^  \S.* ;$", r" ;$", " .")),
    "quote not closed": ("quote not closed", change(_LABEL, r'"@en', "@en")),
    "quote not opened": ("quote not closed", change(_LABEL, r'label "', "label ")),
    "smart quotes": ("smart quotes", change(_LABEL, r'"([^"]*)"', "“\\1”")),
    "single smart quotes": ("smart quotes", change(_LABEL, r'"([^"]*)"', "‘\\1’")),
    "unknown prefix": ("unknown prefix", change(r"lat:evidence", r"lat:", "latt:")),
    "prefix not declared": ("unknown prefix", unused_prefix),
    "no prefix": ("unknown prefix", change(r"lat:statedIn", r"lat:statedIn", "statedIn")),
    "IRI not closed": ("IRI wrong", change(r"<https\S+> a ", r"> a", " a")),
    "IRI with a space": ("IRI wrong", change(r"<https\S+> a ", r"selector|notes", "selec tor")),
    "relative IRI": ("IRI wrong", change(r"lat:statedIn", r"document:\S+", "<quay-notes-2025>")),
    "prefix declaration garbled": ("declaration wrong", change(r"^@prefix oa", r"@prefix", "@prefx")),
    "prefix without dot": ("declaration wrong", change(r"^@prefix oa", r" \.$", "")),
    "bad escape": ("value garbled", change(_LABEL, r'label "', r'label "\\q')),
    "bad language": ("value garbled", change(_LABEL, r"@en", "@en_")),
    "object left out": ("value left out", change(r"lat:statedIn", r" document:\S+", "")),
    "predicate left out": ("value left out", change(r"lat:statedIn", r"lat:statedIn ", "")),
    "datatype with one caret": ("value garbled", change(r"lat:date ", r"\^\^", "^")),
    "text as a subject": (
        "term out of place",
        change(r"^draft-passage:1 a", r"draft-passage:1", '"passage"'),
    ),
    "value without quotes": ("value garbled", change(r"lat:firstWords", r'"([^"]*)"', r"\1")),
    "number with letters": ("value garbled", change(r"lat:wordCount", r"(\d+) ;", r"\1x ;")),
    "latin-1": ("wrong encoding", change(_LABEL, r'label "', 'label "\x80')),
}
_TRIG = {
    "brace not closed": ("bracket not closed", drop(r"^}$")),
    "brace not opened": ("bracket not closed", change(r"^draft:1 {$", r" {", "")),
    "brace too many": ("bracket too many", brace_too_many),
}
_NQUADS: dict[str, tuple[str, Garble]] = {
    "dot left out": ("mark left out", change(r" \.$", r" \.$", "")),
    "quote not closed": ("quote not closed", change(r"label> ", r'"@en', "@en")),
    "smart quotes": ("smart quotes", change(r"label> ", r'"([^"]*)"', "“\\1”")),
    "prefix used": ("unknown prefix", change(r"statedIn>", r"<\S+statedIn>", "lat:statedIn")),
    "IRI not closed": ("IRI wrong", change(r"statedIn>", r"statedIn>", "statedIn")),
    "IRI with a space": ("IRI wrong", change(r"statedIn>", r"statedIn>", "stated In>")),
    "relative IRI": ("IRI wrong", change(r"statedIn>", r"<\S+statedIn>", "<statedIn>")),
    "object left out": ("value left out", change(r"statedIn>", r"(statedIn>) \S+", r"\1")),
    "bad escape": ("value garbled", change(r"label> ", r'> "', r'> "\\q')),
    "bad language": ("value garbled", change(r"label> ", r"@en", "@en_")),
    "two graphs": ("term out of place", change(r"/draft/1> \.$", r" \.$", " <https://example.org/g> .")),
    "text as a subject": ("term out of place", change(r"statedIn>", r"^<\S+>", '"claim"')),
    "number without quotes": ("value garbled", change(r"wordCount>", r'"(\d+)"\S+', r"\1")),
    "datatype with one caret": ("value garbled", change(r"wordCount>", r"\^\^", "^")),
    "line broken": ("mark left out", change(r"statedIn>", r"(statedIn>) ", "\\1\n")),
    "latin-1": ("wrong encoding", change(r"label> ", r'> "', '> "\x80')),
}
_JSONLD: dict[str, tuple[str, Garble]] = {
    "comma left out": ("mark left out", change(r'^ +"lat:\w+": .*,$', r",$", "")),
    "comma too many": ("mark too many", change(r'^ +"lat:\w+": .*[^,\[]$', r"$", ",")),
    "colon left out": ("mark left out", change(r'"lat:statedIn"', r'":', '"')),
    "quote not closed": ("quote not closed", change(r'"lat:firstWords"', r'",$', ",")),
    "smart quotes": ("smart quotes", change(r'"lat:firstWords"', r': "([^"]*)"', ": “\\1”")),
    "single quotes": ("smart quotes", change(r'"lat:firstWords"', r': "([^"]*)"', r": '\1'")),
    "bracket not closed": ("bracket not closed", drop(r"^    },$")),
    "comment": ("term out of place", insert(r'"lat:statedIn"', "      // the document")),
    "remote context": (
        "remote context",
        change(r'^  "@context": {', r'"@context": {', '"@context": "https://schema.org/", "@context": {'),
    ),
    "unknown prefix": ("unknown prefix", change(r'"lat:statedIn"', r"lat:", "latt:")),
    "prefix not declared": ("unknown prefix", unused_prefix),
    "no prefix": ("unknown prefix", change(r'"lat:statedIn"', r"lat:statedIn", "statedIn")),
    "relative IRI": ("IRI wrong", change(r'"lat:statedIn"', r"document:", "")),
    "IRI with a space": ("IRI wrong", change(r'"lat:statedIn"', r"document:quay", "document:quay ")),
    "keyword garbled": ("term out of place", change(r'"@id": "draft-passage:1",', r"@id", "@iid")),
    "value and id": ("term out of place", change(r'"lat:statedIn"', r'"}', '", "@value": "x"}')),
    "language of another form": ("value garbled", change(r'"@language": "en"', r'"en"', "7")),
    "key twice": (
        "term out of place",
        change(r'"lat:statedIn"', r'"lat', '"lat:statedIn": {"@id": "document:wef-2026"}, "lat'),
    ),
    "bad escape": ("value garbled", change(r'"lat:firstWords"', r': "', r': "\\q')),
    "value without quotes": ("value garbled", change(r'"lat:firstWords"', r': "([^"]*)"', r": \1")),
    "True": ("value garbled", change(r'"lat:wordCount"', r": \d+", ": True")),
    "latin-1": ("wrong encoding", change(r'"lat:firstWords"', r': "', ': "\x80')),
}
_RDFXML: dict[str, tuple[str, Garble]] = {
    "tag not closed": ("bracket not closed", change(r"<lat:firstWords>", r"</lat:firstWords>", "")),
    "tag closed by another": (
        "bracket not closed",
        change(r"<lat:firstWords>", r"</lat:firstWords>", "</lat:first>"),
    ),
    "slash left out": ("mark left out", change(r"<lat:statedIn", r"/>", ">")),
    "quote not closed": ("quote not closed", change(r"<lat:statedIn", r'"/>', "/>")),
    "smart quotes": ("smart quotes", change(r"<lat:statedIn", r'"([^"]*)"', "“\\1”")),
    "ampersand": ("value garbled", change(r"<rdfs:label", r"</", " & more</")),
    "less than": ("value garbled", change(r"<rdfs:label", r"</", " < more</")),
    "unknown prefix": ("unknown prefix", change(r"<lat:statedIn", r"lat:", "latt:")),
    "prefix not declared": ("unknown prefix", unused_prefix),
    "relative IRI": ("IRI wrong", change(r"<lat:statedIn", r'"https\S+/(?=quay)', '"')),
    "IRI with a space": ("IRI wrong", change(r"<lat:statedIn", r"quay-", "quay ")),
    "entity not declared": ("value garbled", change(r"<rdfs:label", r"</", " &ndash; more</")),
    "document type": ("document type", insert(r"^<rdf:RDF", '<!DOCTYPE rdf:RDF [ <!ENTITY lamp "lamp"> ]>')),
    "about without prefix": ("term out of place", change(r"<lat:Claim ", r"rdf:about", "about")),
    "resource without prefix": ("term out of place", change(r"<lat:statedIn", r"rdf:resource", "resource")),
    "text beside a resource": (
        "term out of place",
        change(r"<lat:statedIn", r"/>", ">the notes</lat:statedIn>"),
    ),
    "property without prefix": ("unknown prefix", change(r"<lat:statedIn", r"lat:", "")),
    "attribute twice": (
        "term out of place",
        change(r"<lat:statedIn", r"/>", ' rdf:resource="https://x.example/"/>'),
    ),
    "end left out": ("bracket not closed", drop(r"^</rdf:RDF>")),
    "latin-1": ("wrong encoding", change(r"<lat:firstWords", r"s>", "s>\x80")),
    "thing in a thing": ("term out of place", insert(r"<lat:statedIn", "    loose text")),
}
GARBLES = {
    "turtle": _TURTLE,
    "trig": {**_TURTLE, **_TRIG},
    "nquads": _NQUADS,
    "jsonld": _JSONLD,
    "rdfxml": _RDFXML,
}


def of_garbles() -> Iterator[Slip]:
    """Yield each slip of the text several times."""
    leaves = load().leaves()
    assert LAT + "Mediation" in leaves
    for form, garbles in GARBLES.items():
        for at, (note, (kind, garble)) in enumerate(garbles.items()):
            for nth in range(TIMES):
                rng = random.Random(f"{form} {note} {nth}")
                rows = write(make(rng.choice(leaves), 40000 + at * TIMES + nth), form).text.split("\n")
                place = garble(rows, rng)
                lines = frozenset({place} if isinstance(place, int) else place)
                text = "\n".join(rows)
                content = text.encode().replace("\x80".encode(), b"\xe9")
                yield Slip(kind, form, content, lines, frozenset(), frozenset(), note, FORMATS[form])
