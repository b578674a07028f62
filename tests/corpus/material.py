"""What the published graph, the shapes and the ontology offer to draw from, read from the files alone."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyoxigraph as ox
import rdflib
from rdflib.collection import Collection

from tests.corpus.drafts import BASE, LAT, SKOS, TYPE

ROOT = Path(__file__).resolve().parents[2]
SHAPES = BASE + "shapes#"
SH = "http://www.w3.org/ns/shacl#"
DOCUMENT = BASE + "document/quay-notes-2025"
SECTION = DOCUMENT + "/notes"
SLUG = "quay-notes-2025"

# The contributor's document: written for this corpus, about nothing that happened.
SENTENCES = (
    "The wardens of the quay met in the spring of 2024 to settle who lights the lamps.",
    "Seven boats were counted at the outer wall, three fewer than the year before.",
    "A pilot from the northern basin read out the list of shoals that nobody had drawn yet.",
    "The keepers asked for a second bell, since fog had swallowed the first one twice.",
    "By noon the tide tables had been copied and pinned beside the door of the store.",
    "Two crews agreed to share one crane until the new pier is finished.",
    "The harbour band played badly, and the minutes say so.",
    "An old buoy was handed to the museum with a brass plate and a short speech.",
    "Nobody could explain why the eastern light blinks four times rather than five.",
    "The ledger for rope was closed with a balance of nineteen coils.",
    "A young clerk proposed that charts be lent for a week at most.",
    "The oldest warden thanked the cooks and promised to retire before the winter.",
    "Rain kept the visitors under the arcade until the ferry blew its horn.",
    "The committee on dredging will report once the mud has been weighed.",
    "Gulls took the agenda of the afternoon, which was therefore improvised.",
    "It was resolved that the gate stays open on market days.",
)
TEXT = "Notes\n\n" + "\n\n".join(SENTENCES) + "\n"


@dataclass(frozen=True)
class PropertyShape:
    """One property shape: its name, the predicates of its path, and its constraints."""

    name: str
    paths: tuple[str, ...]
    constraints: dict[str, str]
    choices: tuple[tuple[str, str], ...]  # of sh:or: ("class", iri), ("shape", name), ...
    languages: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True)
class NodeShape:
    """One node shape: its name, its class, whether it is closed, its property shapes."""

    name: str
    target: str | None
    is_closed: bool
    properties: tuple[str, ...]


def local(iri: object) -> str:
    """Return what follows the last # or / of an IRI."""
    return re.split(r"[#/]", str(iri))[-1]


def canonical(text: str) -> list[str]:
    """Return the canonical words of plain English without marks: case-folded word tokens."""
    return re.findall(r"\w+", text.casefold())


def digest(text: str) -> str:
    """Return the digest of a passage's canonical words."""
    return "sha256:" + hashlib.sha256(" ".join(canonical(text)).encode()).hexdigest()


class Material:
    """The published graph, its shapes and its ontology."""

    def __init__(self) -> None:
        self.ontology = rdflib.Graph()
        for path in [*(ROOT / "ontology").glob("*.ttl"), *(ROOT / "ontology/concepts").glob("*.ttl")]:
            self.ontology.parse(path)
        self.shapes_graph = rdflib.Graph()
        for path in sorted((ROOT / "shapes").glob("*.ttl")):
            self.shapes_graph.parse(path)
        self.supers = self._supers()
        self.kinds: dict[str, set[str]] = defaultdict(set)  # thing or concept → its classes as written
        self.said: dict[str, list[tuple[str, ox.NamedNode | ox.Literal]]] = defaultdict(list)
        self._read_data()
        self.by_kind: dict[str, list[str]] = defaultdict(list)
        for thing in sorted(self.kinds):
            for kind in sorted(self.kinds[thing]):
                self.by_kind[kind].append(thing)
        self.properties = {one.name: one for one in self._property_shapes()}
        self.nodes = {one.name: one for one in self._node_shapes()}
        self.by_target = {one.target: one for one in self.nodes.values() if one.target}

    def _supers(self) -> dict[str, set[str]]:
        above = {
            str(one): {str(up) for up in self.ontology.transitive_objects(one, rdflib.RDFS.subClassOf)}
            for one in self.ontology.subjects(rdflib.RDF.type, rdflib.OWL.Class)
        }
        return {one: {up for up in ups if up.startswith("http")} for one, ups in above.items()}

    def _read_data(self) -> None:
        paths = [*(ROOT / "data/entities").glob("*.ttl"), *(ROOT / "data/documents").glob("*/*.trig")]
        for path in sorted(paths):
            for quad in ox.parse(path=path):
                subject = str(quad.subject.value)
                if quad.predicate.value == TYPE:
                    self.kinds[subject].add(str(quad.object.value))
                elif str(getattr(quad.graph_name, "value", "")).startswith(BASE + "claim/"):
                    assert isinstance(quad.object, ox.NamedNode | ox.Literal)
                    self.said[subject].append((quad.predicate.value, quad.object))
        for one, kind in self.ontology.subject_objects(rdflib.RDF.type):
            if str(one).startswith(BASE + "concept/") and str(kind) != SKOS + "Concept":
                self.kinds[str(one)].add(str(kind))

    def _property_shapes(self) -> Iterator[PropertyShape]:
        graph, sh = self.shapes_graph, rdflib.Namespace(SH)
        for name in sorted(map(str, graph.subjects(rdflib.RDF.type, sh.PropertyShape))):
            one = rdflib.URIRef(name)
            path = graph.value(one, sh.path)
            ways = graph.value(path, sh.alternativePath)
            paths = [path] if ways is None else list(Collection(graph, ways))
            plain = {
                local(key): str(value)
                for key, value in graph.predicate_objects(one)
                if str(key).startswith(SH) and not isinstance(value, rdflib.BNode)
            }
            choices = graph.value(one, sh["or"])
            languages = graph.value(one, sh.languageIn)
            yield PropertyShape(
                local(one),
                tuple(str(way) for way in paths),
                {key: value for key, value in plain.items() if key not in ("message", "severity", "path")},
                () if choices is None else tuple(self._choice(way) for way in Collection(graph, choices)),
                () if languages is None else tuple(str(tag) for tag in Collection(graph, languages)),
                tuple(str(each) for each in graph.objects(one, sh.targetSubjectsOf)),
            )

    def _choice(self, node: rdflib.term.Node) -> tuple[str, str]:
        if isinstance(node, rdflib.URIRef):
            return ("shape", local(node))
        [(key, value), *_] = [
            (local(key), str(value)) for key, value in self.shapes_graph.predicate_objects(node)
        ]
        return (key, value)

    def _node_shapes(self) -> Iterator[NodeShape]:
        graph, sh = self.shapes_graph, rdflib.Namespace(SH)
        for name in sorted(map(str, graph.subjects(rdflib.RDF.type, sh.NodeShape))):
            one = rdflib.URIRef(name)
            target = graph.value(one, sh.targetClass)
            yield NodeShape(
                local(one),
                None if target is None else str(target),
                (one, sh.closed, rdflib.Literal(True)) in graph,
                tuple(sorted(local(each) for each in graph.objects(one, sh.property))),
            )

    def shapes_of(self, kind: str) -> list[PropertyShape]:
        """Return the property shapes of a class's node shape."""
        return [self.properties[name] for name in self.by_target[kind].properties]

    def is_a(self, thing: str, kind: str) -> bool:
        """Say whether a published thing is of a class or of one below it."""
        return any(kind in self.supers.get(one, {one}) for one in self.kinds.get(thing, ()))

    def instances(self, kind: str) -> list[str]:
        """Return the published things and concepts of a class or of one below it, sorted."""
        return _instances(self, kind)

    def leaves(self) -> list[str]:
        """Return the classes that a contributor may make new things of, sorted."""
        kept_out = {"Claim", "Passage", "SourceDocument", "Section", "AssertionGraph", "Curator"}
        concepts = {kind for kind, ups in self.supers.items() if SKOS + "Concept" in ups}
        return sorted(
            target
            for target in self.by_target
            if target.startswith(LAT) and target not in concepts and local(target) not in kept_out
        )

    def concept_classes(self) -> list[str]:
        """Return the classes of concepts that have a shape, sorted."""
        return sorted(one for one in self.by_target if SKOS + "Concept" in self.supers.get(one, ()))


@cache
def _instances(material: Material, kind: str) -> list[str]:
    return sorted(one for one in material.kinds if material.is_a(one, kind))


@cache
def load() -> Material:
    """Read the files once."""
    return Material()
