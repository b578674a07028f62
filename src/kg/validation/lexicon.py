"""The terms that data may use: classes, properties, and what the shapes let each class say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import rdflib
from rdflib import OWL, RDF, RDFS, SH
from rdflib.term import Node

from kg import names

_PROPERTIES = (OWL.ObjectProperty, OWL.DatatypeProperty, OWL.AnnotationProperty)


class Lexicon:
    """
    The terms of an ontology and of its shapes, as sets of IRIs; made once for a version.

    Args:
        ontology: Classes, properties, alignments.
        shapes: Which of them data may use, and where.
    """

    def __init__(self, ontology: rdflib.Graph, shapes: rdflib.Graph) -> None:
        self.ontology, self.shapes = ontology, shapes
        self.classes = {str(one) for one in ontology.subjects(RDF.type, OWL.Class) if _is_iri(one)}
        self.properties = {
            str(one): str(kind)
            for kind in _PROPERTIES
            for one in ontology.subjects(RDF.type, kind)
            if _is_iri(one)
        }
        self.allowed_types = {
            str(one)
            for shape in shapes.subjects(SH.path, RDF.type)
            for one in shapes.items(shapes.value(shape, SH["in"]) or RDF.nil)
        }
        self.paths = {str(one) for one in shapes.objects(None, SH.path) if _is_iri(one)} | {str(RDF.type)}
        self._above: dict[str, frozenset[str]] = {}
        self._below: dict[str, frozenset[str]] = {}
        self.inverses = dict(self._inverses())
        self.derived = {
            str(shapes.value(one, SH.path))
            for one in shapes.subjects(SH.targetSubjectsOf)
            if shapes.value(one, SH.maxCount) == rdflib.Literal(0)
            and str(shapes.value(one, SH.path)).startswith(names.LAT)
        }
        self.class_paths = self._class_paths()
        self.defined = dict(self._defined())
        pairs = {(str(one), str(other)) for one, other in ontology.subject_objects(OWL.disjointWith)}
        self.disjoint = pairs | {(other, one) for one, other in pairs}
        self.functional = {str(one) for one in ontology.subjects(RDF.type, OWL.FunctionalProperty)}
        self.opposed: dict[str, set[str]] = defaultdict(set)
        for one, other in ontology.subject_objects(OWL.propertyDisjointWith):
            self.opposed[str(one)].add(str(other))
            self.opposed[str(other)].add(str(one))

    def above(self, kind: str) -> frozenset[str]:
        """Return a class and all classes above it."""
        if kind not in self._above:
            found = self.ontology.transitive_objects(rdflib.URIRef(kind), RDFS.subClassOf)
            self._above[kind] = frozenset(str(one) for one in found if _is_iri(one))
        return self._above[kind]

    def below(self, kind: str) -> frozenset[str]:
        """Return a class and all classes below it."""
        if kind not in self._below:
            found = self.ontology.transitive_subjects(RDFS.subClassOf, rdflib.URIRef(kind))
            self._below[kind] = frozenset(str(one) for one in found if _is_iri(one))
        return self._below[kind]

    def leaves(self, kind: str) -> list[str]:
        """Return the classes at or below a class that data may instantiate."""
        return sorted(self.below(kind) & self.allowed_types)

    def ranges(self, term: str) -> set[str]:
        """Return the classes that the ontology gives as a property's range."""
        return set(self._members(rdflib.URIRef(term), RDFS.range))

    def domains(self, term: str) -> set[str]:
        """Return the classes that the ontology gives as a property's domain."""
        return set(self._members(rdflib.URIRef(term), RDFS.domain))

    def allows(self, kinds: set[str], term: str) -> bool:
        """Tell whether the shape of one of some classes lets it have a property."""
        return any(term in self.class_paths.get(one, ()) for one in kinds)

    def aligned(self, foreign: str) -> list[str]:
        """Return our terms that are aligned to a term of another vocabulary."""
        found = self.ontology.subject_predicates(rdflib.URIRef(foreign))
        known = self.classes | self.properties.keys()
        return sorted({str(s) for s, _ in found if str(s) in known and str(s).startswith(names.LAT)})

    def label(self, term: str) -> str | None:
        """Return the label of a term."""
        found = self.ontology.value(rdflib.URIRef(term), RDFS.label)
        return str(found) if found else None

    def _members(self, term: rdflib.URIRef, predicate: rdflib.URIRef) -> Iterator[str]:
        for value in self.ontology.objects(term, predicate):
            union = self.ontology.value(value, OWL.unionOf)
            for one in self.ontology.items(union) if union else [value]:
                if _is_iri(one):
                    yield str(one)

    def _inverses(self) -> Iterator[tuple[str, str]]:
        for one, other in self.ontology.subject_objects(OWL.inverseOf):
            if _is_iri(one) and _is_iri(other):
                yield str(one), str(other)
                yield str(other), str(one)

    def _class_paths(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for shape, kind in self.shapes.subject_objects(SH.targetClass):
            for one in self.shapes.objects(shape, SH.property):
                path = self.shapes.value(one, SH.path)
                if path is not None and _is_iri(path):
                    found[str(kind)].add(str(path))
        return found

    def _defined(self) -> Iterator[tuple[str, tuple[str, str | None]]]:
        """Yield each defined class with the class to write, and the value that makes it one."""
        for kind, definition in self.ontology.subject_objects(OWL.equivalentClass):
            parts = self.ontology.value(definition, OWL.intersectionOf)
            base, value = "", None
            for part in self.ontology.items(parts) if parts else ():
                if _is_iri(part):
                    base = str(part)
                value = self.ontology.value(part, OWL.hasValue) or value
            if base:
                yield str(kind), (base, str(value) if value else None)


def _is_iri(node: Node | None) -> bool:
    return isinstance(node, rdflib.URIRef)
