"""Contributions in which nothing is wrong: as the graph speaks, of other things, from another document."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from functools import cache

import pyoxigraph as ox

from tests.corpus.drafts import (
    BASE,
    DESCRIPTION,
    DRAFT,
    FORMATS,
    ID,
    LABEL,
    LAT,
    OA,
    PASSAGE,
    SKOS,
    TYPE,
    WITH_GRAPHS,
    XSD,
    Draft,
    Triple,
)
from tests.corpus.material import DOCUMENT, SECTION, SENTENCES, SLUG, TEXT, canonical, digest, load, local

GOOD = 100
DOCUMENTS = {SLUG: TEXT}

_NAMES = [
    "amber",
    "bramble",
    "copper",
    "dapple",
    "ember",
    "fennel",
    "garnet",
    "hazel",
    "indigo",
    "juniper",
    "kestrel",
    "larch",
    "marble",
    "nettle",
]
_MORE = [
    "alder",
    "birch",
    "cedar",
    "drift",
    "elder",
    "flint",
    "gorse",
    "heather",
    "iris",
    "jasper",
    "kelp",
    "lichen",
    "moss",
    "nutmeg",
    "osier",
    "pebble",
]
_GISTS = (
    "Lamp keepers who share their oil argue less, it is held.",
    "Where ropes are counted each week, fewer go missing.",
    "Small quays can set a habit that larger ones copy afterwards.",
    "Whoever rings the bell should answer for the fog.",
    "Lending charts freely was judged to be worth its price.",
    "Patience at the gate is called the first duty of a warden.",
    "A shared crane makes neighbours of rivals.",
    "Old buoys deserve a place where children may touch them.",
)
_PLAIN = {  # a literal's predicate → what is written instead
    "officeTitle": "Warden of the lamps",
    "motto": "Lamps first",
    "rightsStatement": "Free to copy, with thanks",
    "email": "lamps@quay.example",
    "postalAddress": "1 Lamp Row, The Quay",
    "issueNumber": "2",
    "volume": "7",
    "page": "14",
    "identifier": "QN/2024/7",
    "doi": "10.1234/quay.7",
    "startTime": "09:15",
    "endTime": "10:45",
    "url": "https://quay.example/lamps",
}
_YEARS = {"startDate": 2023, "date": 2023, "asOf": 2024, "endDate": 2024, "targetDate": 2031}


def literal(text: str, *, kind: str = "string") -> ox.Literal:
    """Make a literal of an XSD datatype."""
    return ox.Literal(text, datatype=ox.NamedNode(XSD + kind))


def english(text: str) -> ox.Literal:
    """Make an English literal."""
    return ox.Literal(text, language="en")


def node(iri: str) -> ox.NamedNode:
    """Make an IRI."""
    return ox.NamedNode(iri)


def make(kind: str, seed: int, *, claims: int = 1) -> Draft:
    """
    Make a good contribution about new things.

    Args:
        kind: The class of the first new thing.
        seed: Another seed gives another contribution.
        claims: How many claims, each about a new thing; those after the first are of classes at random.
    """
    rng = random.Random(f"{kind} {seed}")
    leaves = load().leaves()
    kinds = [kind, *(rng.choice(leaves) for _ in range(claims - 1))]
    triples = _document(rng)
    content: list[Triple] = []
    about = ""
    for number, each in enumerate(kinds, 1):
        triples.extend(_record(rng, number))
        thing = f"{ID}{_slug(rng, each, number)}"
        about = about or thing
        triples.extend(_naming(rng, thing, each, number))
        content.extend(_content(rng, thing, each, f"{DRAFT}{number}"))
    return Draft(triples + content, about, kind, f"{DRAFT}1")


def _document(rng: random.Random) -> list[Triple]:
    author, publisher = rng.sample(load().instances(LAT + "ResearchInstitute"), 2)
    facts: list[tuple[str, ox.NamedNode | ox.Literal]] = [
        (TYPE, node(LAT + "SourceDocument")),
        (LABEL, english("Notes of the quay wardens")),
        (DESCRIPTION, english("Notes made up for a corpus of contributions.")),
        (LAT + "authoredBy", node(author)),
        (LAT + "codePoints", literal(str(len(TEXT)), kind="integer")),
        (LAT + "date", literal("2025", kind="gYear")),
        (LAT + "publishedBy", node(publisher)),
        (LAT + "referenceDigest", literal("sha256:" + hashlib.sha256(TEXT.encode()).hexdigest())),
        (LAT + "referenceFile", literal(f"{SLUG}.txt")),
    ]
    section: list[tuple[str, ox.NamedNode | ox.Literal]] = [
        (TYPE, node(LAT + "Section")),
        (LABEL, english("Notes")),
        (LAT + "sectionOf", node(DOCUMENT)),
    ]
    return [Triple(DOCUMENT, *one) for one in facts] + [Triple(SECTION, *one) for one in section]


def _record(rng: random.Random, number: int) -> list[Triple]:
    claim, passage = f"{DRAFT}{number}", f"{PASSAGE}{number}"
    sentence = SENTENCES[rng.randrange(len(SENTENCES) // 3) * 3 + number - 1]
    start = TEXT.index(sentence)
    words = sentence.rstrip(".").split(" ")
    selector = f"{passage}#selector"
    facts: list[tuple[str, str, ox.NamedNode | ox.Literal]] = [
        (claim, TYPE, node(LAT + "Claim")),
        (claim, LAT + "epistemicStatus", node(BASE + "concept/status/stated")),
        (claim, LAT + "evidence", node(passage)),
        (claim, LAT + "statedIn", node(DOCUMENT)),
        (passage, TYPE, node(LAT + "Passage")),
        (passage, LAT + "digest", literal(digest(sentence))),
        (passage, LAT + "firstWords", literal(" ".join(words[:3]))),
        (passage, LAT + "inSection", node(SECTION)),
        (passage, LAT + "lastWords", literal(" ".join(words[-2:]))),
        (passage, LAT + "wordCount", literal(str(len(canonical(sentence))), kind="integer")),
        (passage, OA + "hasSelector", node(selector)),
        (passage, OA + "hasSource", node(DOCUMENT)),
        (selector, TYPE, node(OA + "TextPositionSelector")),
        (selector, OA + "end", literal(str(start + len(sentence)), kind="integer")),
        (selector, OA + "start", literal(str(start), kind="integer")),
    ]
    return [Triple(*one) for one in facts]


def _slug(rng: random.Random, kind: str, number: int) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", local(kind)).lower()
    return f"{words}-{rng.choice(_NAMES)}-{rng.choice(_MORE)}-{number}"


def _naming(rng: random.Random, thing: str, kind: str, number: int) -> list[Triple]:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", local(kind)).lower()
    first, second = rng.choice(_NAMES), rng.choice(_MORE)
    facts: list[tuple[str, ox.NamedNode | ox.Literal]] = [
        (TYPE, node(kind)),
        (LABEL, english(f"{first.capitalize()} {second} {words} {number}")),
        (DESCRIPTION, english(f"Made up for a corpus: {first} and {second}.")),
    ]
    shapes = load().shapes_of(kind)
    allowed = {way for shape in shapes for way in shape.paths} | {TYPE}
    if SKOS + "altLabel" in allowed and rng.random() < 0.3:
        facts.append((SKOS + "altLabel", english(f"{second.capitalize()} {first} {number}")))
    return [Triple(thing, *one) for one in facts if one[0] in allowed]


def _content(rng: random.Random, thing: str, kind: str, claim: str) -> list[Triple]:
    """Say of the new thing what a published one of its class is said to be, with other values."""
    allowed = {way for shape in load().shapes_of(kind) for way in shape.paths} - {TYPE, LABEL, DESCRIPTION}
    facts = [one for one in _example(rng, kind) if one[0] in allowed and one[0] != SKOS + "altLabel"]
    if not facts:
        facts = [(LAT + "concernsIssue", node(rng.choice(load().instances(LAT + "IssueArea"))))]
    used: set[str] = {thing}
    changed: dict[tuple[str, str], tuple[str, ox.NamedNode | ox.Literal]] = {}
    for predicate, value in facts:
        other = _other(rng, predicate, value, used)
        if (local(predicate) in _YEARS or local(predicate) == "gist") and any(
            key[0] == predicate for key in changed
        ):
            continue
        changed[(predicate, str(other))] = (predicate, other)
    ordered = sorted(changed.values(), key=lambda one: one[0])
    return [Triple(thing, predicate, value, claim) for predicate, value in ordered]


def _example(rng: random.Random, kind: str) -> list[tuple[str, ox.NamedNode | ox.Literal]]:
    """Return what is said of a published thing of the class that lacks nothing, a dozen triples at most."""
    graph = load()
    needed = [
        shape.paths
        for shape in graph.shapes_of(kind)
        if "minCount" in shape.constraints and shape.paths[0] not in (LABEL, DESCRIPTION)
    ]
    things = [one for one in graph.by_kind.get(kind, []) if graph.said.get(one)]
    rng.shuffle(things)
    for one in things:
        said = list(dict.fromkeys(graph.said[one]))[:14]
        paths = [predicate for predicate, _ in said]
        if all(any(way in paths for way in ways) for ways in needed):
            return said
    assert not needed, (kind, needed)
    return []


def _other(
    rng: random.Random, predicate: str, value: ox.NamedNode | ox.Literal, used: set[str]
) -> ox.NamedNode | ox.Literal:
    if isinstance(value, ox.Literal):
        return _other_literal(rng, predicate, value)
    if value.value.startswith(BASE + "document/"):
        return node(SECTION if "/" in value.value[len(BASE + "document/") :] else DOCUMENT)
    kinds = sorted(kind for kind in load().kinds.get(value.value, ()) if kind.startswith(LAT))
    among = [
        one for kind in kinds[:1] for one in load().by_kind[kind] if one not in used and one != value.value
    ]
    if local(predicate) == "foundingOf":  # a second founding of the same would rightly be told of
        among = [one for one in among if one not in _founded()]
    chosen = rng.choice(among) if among else value.value
    used.add(chosen)
    return node(chosen)


def _other_literal(rng: random.Random, predicate: str, value: ox.Literal) -> ox.Literal:
    name, kind = local(predicate), local(value.datatype.value)
    if name in _YEARS:
        year = _YEARS[name]
        month, day = rng.randint(1, 12), rng.randint(1, 28)
        text = {
            "gYear": f"{year}",
            "gYearMonth": f"{year}-{month:02}",
            "date": f"{year}-{month:02}-{day:02}",
        }[kind]
        return literal(text, kind=kind)
    if name in _PLAIN:
        return (
            ox.Literal(_PLAIN[name], language=value.language)
            if value.language
            else literal(_PLAIN[name], kind=kind)
        )
    if kind == "integer":
        return literal(str(rng.randint(11, 89)), kind=kind)
    if kind == "decimal":
        return literal(f"{rng.randint(11, 89)}.5", kind=kind)
    if name == "editorialNote":
        return english("said in passing")
    return english(rng.choice(_GISTS))


def cases() -> Iterator[tuple[str, Draft]]:
    """Yield the good contributions, each with its format: every class once, the formats in rotation."""
    leaves = load().leaves()
    names = list(FORMATS)
    for at in range(GOOD):
        kind = leaves[at % len(leaves)]
        chosen = names[(at + at // len(leaves)) % len(names)]
        claims = 1 + at % 3 if chosen in WITH_GRAPHS else 1
        yield chosen, make(kind, at, claims=claims)


@cache
def _founded() -> frozenset[str]:
    return frozenset(
        value.value
        for said in load().said.values()
        for predicate, value in said
        if predicate == LAT + "foundingOf"
    )
