"""Results to problems: names for IRIs, what was found, where it stands, what mends it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyoxigraph as ox
import rdflib
from rdflib import OWL, RDF, RDFS, SH, SKOS
from rdflib.term import Node

from kg import names
from kg.dataset import Dataset
from kg.errors import Problem
from kg.validation.shacl import Result, to_rdflib


class Teller:
    """Turns a result into a problem: names for IRIs, what was found, where it stands, what mends it."""

    def __init__(self, dataset: Dataset, data: rdflib.Graph, shapes: rdflib.Graph) -> None:
        self.dataset, self.data, self.shapes = dataset, data, shapes
        ontology = dataset.store.quads_for_pattern(None, None, None, ox.NamedNode(names.ONTOLOGY_GRAPH))
        self.ontology = to_rdflib(ontology)
        self.subjects = sorted({str(one) for one in data.subjects(RDF.type)})
        self.terms = [*self.subjects, *sorted({str(one) for one in self.ontology.subjects(RDF.type)})]

    def tell(self, result: Result) -> Problem:
        """Write one result as a problem."""
        message, fix = result.message, None
        if result.component == SH.ClosedConstraintComponent:
            message, fix = self._tell_closed(result)
        elif result.component == SH.InConstraintComponent and result.path == RDF.type:
            message, fix = self._tell_type(result)
        elif isinstance(result.value, rdflib.URIRef) and result.value != result.focus:
            message, fix = self._tell_value(result)
        elif isinstance(result.value, rdflib.Literal):
            message = f"{message} Found: {result.value.n3(self.data.namespace_manager)[:80]}."
        path, line = self.place(str(result.focus), str(result.path) if result.path else None)
        return Problem(
            f"{self.name(result.focus)}: {message}", path, line, fix=fix, subject=str(result.focus)
        )

    def name(self, node: Node) -> str:
        """Return the prefixed name of an IRI, with its label behind it."""
        short = self.dataset.prefixes.compress(str(node))
        label = self.data.value(node, RDFS.label) or self.data.value(node, SKOS.prefLabel)
        return f"{short} (“{label}”)" if label else short

    def kinds(self, node: Node) -> str:
        """Return the labels of the classes of a node, as prefixed names."""
        found = [self.short(kind) for kind in self.data.objects(node, RDF.type) if kind != SKOS.Concept]
        return " and ".join(sorted(found))

    def short(self, node: Node) -> str:
        """Return the prefixed name of an IRI."""
        return self.dataset.prefixes.compress(str(node))

    def _tell_value(self, result: Result) -> tuple[str, str | None]:
        assert result.value is not None
        kinds = self.kinds(result.value)
        if kinds:
            return f"{result.message} Found: {self.name(result.value)}, a {kinds}.", None
        near = self.nearest(result.value, self.subjects)
        found = f"{result.message} Found: {self.short(result.value)}, which has no record."
        return found, near and f"write {near}, or add the record."

    def _tell_closed(self, result: Result) -> tuple[str, str | None]:
        term = result.path or RDF.nil
        allowed = {
            str(path)
            for shape in self.shapes.objects(result.shape, SH.property)
            for path in self.shapes.objects(shape, SH.path)
            if isinstance(path, rdflib.URIRef)
        }
        near = self.nearest(term, sorted(allowed))
        fix = near and f"write {near}."
        if (term, RDF.type, None) not in self.ontology:
            return f"{self.short(term)} is not a property of ours. {result.message}", fix
        domain = ", ".join(self._domain(term))
        belongs = f"it belongs on {domain}" if domain else "it belongs elsewhere"
        kinds = self.kinds(result.focus)
        return f"{self.short(term)} does not fit a {kinds}: {belongs}. {result.message}", fix

    def _domain(self, term: Node) -> Iterator[str]:
        domain = self.ontology.value(term, RDFS.domain)
        members = self.ontology.value(domain, OWL.unionOf) if domain else None
        for one in self.ontology.items(members) if members else [domain]:
            if one:
                yield self.short(one)

    def _tell_type(self, result: Result) -> tuple[str, str | None]:
        kind = result.value or RDF.nil
        allowed = {
            str(one) for one in self.shapes.items(self.shapes.value(result.shape, SH["in"]) or RDF.nil)
        }
        if (kind, RDF.type, OWL.Class) not in self.ontology:
            near = self.nearest(kind, sorted(allowed))
            return f"{self.short(kind)} is not a class of ours. {result.message}", near and f"write {near}."
        definitions = self.ontology.objects(kind, OWL.equivalentClass)
        if any((one, OWL.intersectionOf, None) in self.ontology for one in definitions):
            above = " or ".join(sorted(map(self.short, self.ontology.objects(kind, RDFS.subClassOf))))
            return (
                f"{self.short(kind)} is defined and follows by reasoning: write {above}.",
                f"write {above}.",
            )
        below = self.ontology.transitive_subjects(RDFS.subClassOf, kind)
        choice = ", ".join(sorted(self.short(one) for one in below if one and str(one) in allowed))
        return f"{self.short(kind)} is abstract: expected one of {choice}.", f"write one of {choice}."

    def nearest(self, node: Node, choices: Iterable[str]) -> str | None:
        """Return the prefixed name of the choice in the same namespace that is spelt most alike."""
        space = re.sub(r"[^/#]+\Z", "", str(node))
        alike = {one[len(space) :]: one for one in choices if one.startswith(space)}
        found = difflib.get_close_matches(str(node)[len(space) :], alike, n=1, cutoff=0.7)
        return self.short(rdflib.URIRef(alike[found[0]])) if found else None

    def place(self, iri: str, predicate: str | None = None) -> tuple[Path | None, int | None]:
        """Return the file and line of a thing, of one of its properties where it has that."""
        return self.dataset.locate(iri, predicate=predicate) or (None, None)
