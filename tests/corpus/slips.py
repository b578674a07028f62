"""Slips against the shapes: every property shape and every closed node shape is breached."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pyoxigraph as ox

from tests.corpus.drafts import (
    BASE,
    DCTERMS,
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
    Draft,
    Triple,
    write,
)
from tests.corpus.good import _PLAIN, english, literal, make, node
from tests.corpus.material import DOCUMENT, SECTION, PropertyShape, load, local

OUTSIDE = {LABEL, DESCRIPTION, SKOS + "altLabel", SKOS + "editorialNote"}
RECORDS = {  # classes that stand in every contribution → whose triples they are
    LAT + "Claim": DRAFT + "1",
    LAT + "Passage": PASSAGE + "1",
    OA + "TextPositionSelector": PASSAGE + "1#selector",
    LAT + "SourceDocument": DOCUMENT,
    LAT + "Section": SECTION,
}
WRONG = (  # what people write where something else is expected
    (ID + "norway", "a state"),
    (BASE + "concept/issue/small-states", "an issue"),
    (ID + "joel-ng", "a person"),
    (ID + "pact-for-the-future", "an instrument"),
    (ID + "united-nations", "an organization"),
)
BAD_DATES = (
    literal("2021"),
    literal("2024-13-40", kind="date"),
    literal("spring 2021", kind="gYear"),
    literal("2021-3", kind="gYearMonth"),
    literal("2021", kind="integer"),
    literal("2023-02-30", kind="date"),
)
BAD_FORMS = {
    "description": " A blank too many at the start.",
    "label": " Blank at the start",
    "doi": "quay.7",
    "email": "lamps at quay",
    "startTime": "9.15 h",
    "endTime": "25:00",
    "url": "quay.example/lamps",
    "digest": "sha256:12ab",
    "referenceDigest": "1f" * 32,
    "referenceFile": "folder/notes.txt",
    "firstWords": "The wardens of the quay",
    "lastWords": "who lights the lamps there",
}


@dataclass(frozen=True)
class Slip:
    """One spoilt contribution and where its fault stands."""

    kind: str
    format: str
    content: bytes
    lines: frozenset[int]
    codes: frozenset[str] = frozenset()
    shapes: frozenset[str] = frozenset()
    note: str = ""
    suffix: str = ""


@dataclass
class Fault:
    """Where a fault stands: on triples, or where something lacks, on the blocks of subjects."""

    triples: list[Triple] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)


Spoil = Callable[[Draft, random.Random], Fault]


def spoilt(
    kind: str,
    form: str,
    draft: Draft,
    fault: Fault,
    *,
    codes: str = "",
    shapes: frozenset[str] = frozenset(),
    note: str = "",
) -> Slip:
    """Write a spoilt draft and say on which lines its fault stands."""
    page = write(draft, form)
    lines = {page.line(one) for one in fault.triples}
    for subject in fault.subjects:
        lines |= page.starts.get(subject, set())
        lines |= {page.line(one) for one in draft.find(subject, TYPE)}
    assert lines, (kind, form, note)
    content = page.text.encode()
    return Slip(kind, form, content, frozenset(lines), frozenset(codes.split()), shapes, note, FORMATS[form])


class _Rotation:
    """The formats in turn, and a number for each slip."""

    def __init__(self) -> None:
        self.at = 0

    def next(self, among: tuple[str, ...] = tuple(FORMATS)) -> str:
        self.at += 1
        return among[self.at % len(among)]


def of_shapes() -> Iterator[Slip]:
    """Yield a slip for every breach that a property shape of a thing, record or document knows."""
    turn = _Rotation()
    graph = load()
    for at, shape in enumerate(graph.properties.values()):
        owners = [
            kind
            for kind in [*graph.leaves(), *RECORDS]
            if kind in graph.by_target and shape.name in graph.by_target[kind].properties
        ]
        if not owners:
            continue
        for nth, (kind, codes, breach) in enumerate(_breaches(shape)):
            form, owner = turn.next(), owners[(at + nth * 7) % len(owners)]
            draft = make(owner if owner not in RECORDS else graph.leaves()[at % 69], at * 10 + nth)
            subject = RECORDS.get(owner, draft.about)
            rng = random.Random(f"{shape.name} {nth}")
            fault = breach(_Place(draft, subject, shape, rng))
            names = frozenset({shape.name, graph.by_target[owner].name})
            yield spoilt(
                kind, form, draft, fault, codes=codes, shapes=names, note=f"{shape.name} of {local(owner)}"
            )


@dataclass
class _Place:
    draft: Draft
    subject: str
    shape: PropertyShape
    rng: random.Random

    @property
    def path(self) -> str:
        return self.shape.paths[0]

    def existing(self) -> list[Triple]:
        return [one for way in self.shape.paths for one in self.draft.find(self.subject, way)]

    def put(self, value: ox.NamedNode | ox.Literal) -> Triple:
        """Write a value: in place of one that is there, or in addition."""
        there = self.existing()
        if there:
            there[0].object = value
            for other in there[1:]:
                if other.object == value:
                    self.draft.triples.remove(other)
            return there[0]
        return self.draft.add(Triple(self.subject, self.path, value, self.graph()))

    def graph(self) -> str | None:
        outside = self.path in OUTSIDE or self.subject in RECORDS.values()
        return None if outside else self.draft.claim


def _breaches(shape: PropertyShape) -> Iterator[tuple[str, str, Callable[[_Place], Fault]]]:
    has = shape.constraints
    if "class" in has:
        yield "thing of another class", "", lambda at: Fault([at.put(_wrong(at, [has["class"]]))])
    if shape.choices and shape.choices[0][0] == "class":
        wanted = [iri for key, iri in shape.choices if key == "class"]
        yield "thing of another class", "", lambda at: Fault([at.put(_wrong(at, wanted))])
    if shape.choices and shape.choices[0] == ("shape", "Year"):
        yield "date of another form", "", lambda at: Fault([at.put(at.rng.choice(BAD_DATES))])
    elif {"string", "langString"} & {local(iri) for _, iri in shape.choices}:
        yield "literal of another type", "", lambda at: Fault([at.put(literal("7", kind="integer"))])
    elif shape.choices and any(local(iri) in ("integer", "decimal") for _, iri in shape.choices):
        yield "number as text", "", lambda at: Fault([at.put(literal("many"))])
    if "datatype" in has:
        yield "literal of another type", "", lambda at: Fault([at.put(_mistyped(has["datatype"], at.rng))])
    if shape.languages:
        yield "text without language", "", lambda at: Fault([at.put(literal("Lamps before ropes"))])
        yield "text in another language", "", lambda at: Fault([at.put(ox.Literal("Lampes", language="fr"))])
    if "pattern" in has:
        yield "value of another form", "", lambda at: Fault([at.put(_malformed(at))])
    if "maxLength" in has:
        yield (
            "text too long",
            "",
            lambda at: Fault([at.put(english("lamps and more lamps, " * 20 + "lamps"))]),
        )
    if "nodeKind" in has:
        yield "text for a thing", "", lambda at: Fault([at.put(literal("the lamp keepers"))])
    if local(shape.paths[0]) == "locatorOnly":
        yield "literal of another type", "", lambda at: Fault([at.put(literal("false", kind="boolean"))])
    if "minInclusive" in has:
        yield "number too small", "", lambda at: Fault([at.put(literal("-1", kind="integer"))])
    if "minCount" in has and not {"curatedBy", "curatedOn"} & {local(way) for way in shape.paths}:
        yield "needed value left out", "", _leave_out
    if has.get("maxCount") == "1":
        yield "second value", "", _second
    if "lessThan" in has:
        yield "start after end", "", lambda at: Fault([at.put(literal("99999", kind="integer"))], [])


def _wrong(at: _Place, wanted: list[str]) -> ox.NamedNode:
    among = [iri for iri, _ in WRONG if not any(load().is_a(iri, kind) for kind in wanted)]
    return node(at.rng.choice(among))


def _mistyped(datatype: str, rng: random.Random) -> ox.Literal:
    kind = local(datatype)
    if kind in ("integer", "decimal"):
        return rng.choice([literal("twelve"), literal("12"), english("12")])
    if kind == "langString":
        return literal("the wardens say so")
    if kind == "anyURI":
        return literal("https://quay.example/lamps")
    if kind == "date":
        return rng.choice([literal("2025-01-01"), literal("2025", kind="gYear")])
    return rng.choice([english("seven"), literal("7", kind="integer")])


def _malformed(at: _Place) -> ox.Literal:
    name = local(at.path)
    kind = local(at.shape.constraints.get("datatype", "string"))
    if name not in BAD_FORMS:
        return english("Lamps first.\nRopes after.")
    if at.shape.languages:
        return english(BAD_FORMS[name])
    return literal(BAD_FORMS[name], kind=kind)


def _leave_out(at: _Place) -> Fault:
    kept = int(at.shape.constraints["minCount"]) - 1
    there = at.existing()
    for one in there[kept:]:
        at.draft.triples.remove(one)
    return Fault(there[:kept], [at.subject])


def _second(at: _Place) -> Fault:
    """Write a value more than one, of the right kind."""
    there = at.existing() or [at.put(_right(at, set()))]
    other = _right(at, {str(one.object) for one in there})
    return Fault([*there, at.draft.add(Triple(at.subject, at.path, other, there[0].graph))])


def _right(at: _Place, but: set[str]) -> ox.NamedNode | ox.Literal:
    has, name = at.shape.constraints, local(at.path)
    kinds = [has["class"]] if "class" in has else [iri for key, iri in at.shape.choices if key == "class"]
    if has.get("class") == OA + "TextPositionSelector":
        return node(BASE + "passage/ipi-2024/0003#selector")
    if kinds:
        among = [iri for kind in kinds for iri in load().instances(kind) if str(node(iri)) not in but]
        return node(at.rng.choice([iri for iri in among if iri != at.subject]))
    if at.shape.languages:
        return english("Another text" if str(english("One text")) in but or but else "One text")
    kind = local(has.get("datatype", "integer"))
    if kind == "integer":
        return literal(str(91 + len(but)), kind="integer")
    if kind == "date":
        return literal(f"2025-01-0{1 + len(but)}", kind="date")
    if name == "locatorOnly":
        return literal("true" if not but else "false", kind="boolean")
    if "igest" in name:
        return literal("sha256:" + "0a" * 32)
    return literal(_PLAIN.get(name, "other.txt" if name == "referenceFile" else "another"))


# ---- node shapes

FOREIGN: tuple[tuple[str, ox.NamedNode | ox.Literal], ...] = (
    (LAT + "membershipIn", node(ID + "united-nations")),
    (LAT + "hasMediator", node(ID + "norway")),
    (LAT + "tenureHolder", node(ID + "joel-ng")),
    (LAT + "value", literal("5", kind="integer")),
    (LAT + "toStage", node(BASE + "concept/stage/adopted")),
    (LAT + "ofInstrument", node(ID + "pact-for-the-future")),
)


def of_closed_shapes() -> Iterator[Slip]:
    """Yield two slips for every closed node shape: a property that its things do not have."""
    turn, graph = _Rotation(), load()
    for at, kind in enumerate([*graph.leaves(), LAT + "Curator", *RECORDS]):
        owned = {way for shape in graph.shapes_of(kind) for way in shape.paths}
        foreign = [one for one in FOREIGN if one[0] not in owned]
        for nth in range(2):
            predicate, value = foreign[(at + nth) % len(foreign)]
            draft = make(kind if kind not in RECORDS else graph.leaves()[at % 69], 5000 + at * 2 + nth)
            subject = RECORDS.get(kind, draft.about)
            claim = None if kind in RECORDS else draft.claim
            triple = draft.add(Triple(subject, predicate, value, claim))
            names = frozenset({graph.by_target[kind].name})
            note = f"{local(predicate)} on {local(kind)}"
            # in a format without graphs what is said of a record is hard to tell from what it is
            yield spoilt(
                "property of another class", turn.next(), draft, Fault([triple]), shapes=names, note=note
            )


def of_derived() -> Iterator[Slip]:
    """Yield a slip for every derived property, for every text that is withheld, for a type and a graph."""
    turn, graph = _Rotation(), load()
    for at, shape in enumerate(graph.properties.values()):
        if not shape.targets or shape.constraints.get("maxCount") != "0":
            continue
        draft = make(LAT + "Meeting", 7000 + at)
        if shape.name.startswith("WithheldText"):
            triple = Triple(PASSAGE + "1#selector", shape.paths[0], literal("the lamps"))
        else:
            triple = Triple(ID + "norway", shape.paths[0], node(draft.about), draft.claim)
        draft.add(triple)
        kind = "withheld text" if triple.graph is None else "derived property"
        yield spoilt(
            kind,
            turn.next(),
            draft,
            Fault([triple]),
            shapes=frozenset({shape.name}),
            note=local(shape.paths[0]),
        )


def of_concepts() -> Iterator[Slip]:
    """Yield slips against the shapes of concepts, which a contribution cannot make at all."""
    turn, graph = _Rotation(), load()
    for at, kind in enumerate([*graph.concept_classes(), SKOS + "ConceptScheme"]):
        for nth, name in enumerate(("", *graph.by_target[kind].properties)):
            if nth and not name.startswith((local(kind) + "-", "Concept-")):
                continue
            if name.startswith("Concept-") and sum(map(ord, name)) % len(graph.concept_classes()) != at:
                continue
            draft = make(graph.leaves()[(at * 5 + nth) % 69], 8000 + at * 20 + nth)
            block = _concept(kind)
            draft.triples[0:0] = block
            fault = Fault([], [block[0].subject])
            if name:
                shape = graph.properties[name]
                value = (
                    literal("lamps")
                    if "class" in shape.constraints
                    else node(BASE + "concept/issue/small-states")
                )
                fault.triples.append(draft.add(Triple(block[0].subject, shape.paths[0], value)))
            names = frozenset({graph.by_target[kind].name, name} - {""})
            yield spoilt(
                "concept of one's own", turn.next(), draft, fault, shapes=names, note=name or local(kind)
            )


def _concept(kind: str) -> list[Triple]:
    if kind == SKOS + "ConceptScheme":
        return [
            Triple(BASE + "concept/lamp", TYPE, node(kind)),
            Triple(BASE + "concept/lamp", LABEL, english("Lamps")),
            Triple(BASE + "concept/lamp", DCTERMS + "description", english("Kinds of lamps.")),
        ]
    first = next((one for one in load().by_kind.get(kind, []) if one.startswith(BASE + "concept/")), None)
    scheme = first.rsplit("/", 1)[0] if first else BASE + "concept/lamps"
    subject = f"{scheme}/lamp-keeping"
    facts: list[tuple[str, ox.NamedNode | ox.Literal]] = [
        (TYPE, node(kind)),
        (LABEL, english("lamp keeping")),
        (DCTERMS + "source", node(DOCUMENT)),
        (SKOS + "definition", english("To keep lamps.")),
        (SKOS + "prefLabel", english("lamp keeping")),
        (SKOS + "inScheme", node(scheme)),
    ]
    return [Triple(subject, *one) for one in facts]
