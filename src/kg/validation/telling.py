"""Results to problems: names for IRIs, what was found, where it stands, what mends it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import rdflib
from rdflib import OWL, RDF, RDFS, SH, SKOS
from rdflib.term import Node

from kg.errors import Problem
from kg.names import Prefixes
from kg.validation.shacl import Result

Locate = Callable[[str, str | None], tuple[Path, int] | None]

CODES: dict[Node, str] = {
    SH.MinCountConstraintComponent: "missing-value",
    SH.MaxCountConstraintComponent: "too-many-values",
    SH.ClassConstraintComponent: "wrong-class",
    SH.DatatypeConstraintComponent: "wrong-datatype",
    SH.LanguageInConstraintComponent: "wrong-language",
    SH.PatternConstraintComponent: "malformed-value",
    SH.NodeKindConstraintComponent: "wrong-kind",
    SH.ClosedConstraintComponent: "misplaced-property",
    SH.InConstraintComponent: "wrong-class",
    SH.LessThanConstraintComponent: "reversed-values",
    SH.MaxLengthConstraintComponent: "too-long",
    SH.MinInclusiveConstraintComponent: "out-of-range",
    SH.MaxInclusiveConstraintComponent: "out-of-range",
    SH.EqualsConstraintComponent: "unequal-values",
    SH.HasValueConstraintComponent: "missing-value",
}
_EXPECTED = re.compile(r"expected (.*?)(?:\. Usual cause:|\.?\Z)", re.DOTALL)


class Teller:
    """
    Turns a result into a problem.

    Args:
        data: What was validated, with the labels and classes of what is spoken of.
        shapes: What it was held to.
        ontology: The terms.
        prefixes: How IRIs are shortened.
        locate: Where a thing is written, or one of its properties; None where that is found otherwise.
    """

    def __init__(
        self,
        data: rdflib.Graph,
        shapes: rdflib.Graph,
        ontology: rdflib.Graph,
        *,
        prefixes: Prefixes,
        locate: Locate,
    ) -> None:
        self.data, self.shapes, self.ontology = data, shapes, ontology
        self.prefixes, self.locate = prefixes, locate
        self.subjects = sorted({str(one) for one in data.subjects(RDF.type)})
        self._terms: list[str] | None = None

    @property
    def terms(self) -> list[str]:
        """Everything that has a class, terms included."""
        if self._terms is None:
            self._terms = [*self.subjects, *sorted({str(one) for one in self.ontology.subjects(RDF.type)})]
        return self._terms

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
            message = f"{message} Found: {self._written(result.value)}."
        path, line = self.place(str(result.focus), str(result.path) if result.path else None)
        expected = _EXPECTED.search(result.message)
        return Problem(
            f"{self.name(result.focus)}: {message}",
            path,
            line,
            fix=fix,
            subject=str(result.focus),
            code=self.code(result),
            label=self.label(result.focus),
            found=self._found(result),
            expected=expected[1] if expected else None,
            predicate=self._predicate(result),
            value=result.value.n3() if isinstance(result.value, rdflib.URIRef | rdflib.Literal) else None,
            component=str(result.component),
            shape=str(result.shape) if isinstance(result.shape, rdflib.URIRef) else None,
        )

    def _predicate(self, result: Result) -> str | None:
        """Return the property of a result; of alternatives each, with | between."""
        if isinstance(result.path, rdflib.URIRef):
            return str(result.path)
        path = self.shapes.value(result.shape, SH.path)
        choices = self.shapes.value(path, SH.alternativePath) if path else None
        return " | ".join(map(str, self.shapes.items(choices))) if choices else None

    def code(self, result: Result) -> str:
        """Return the code of a result: of its constraint, and of the kind of its value where that decides."""
        if result.component == SH.OrConstraintComponent:
            is_class = any(
                self.shapes.value(one, SH["class"])
                for one in self.shapes.items(self.shapes.value(result.shape, SH["or"]) or RDF.nil)
            )
            return "wrong-class" if is_class else "wrong-datatype"
        if result.component == SH.MaxCountConstraintComponent and (
            self.shapes.value(result.shape, SH.maxCount) == rdflib.Literal(0)
        ):
            return (
                "withheld-text"
                if str(result.shape).rsplit("#")[-1].startswith("Withheld")
                else "derived-property"
            )
        return CODES.get(result.component, "unfit-value")

    def name(self, node: Node) -> str:
        """Return the prefixed name of an IRI, with its label behind it."""
        short, label = self.short(node), self.label(node)
        return f"{short} (“{label}”)" if label else short

    def label(self, node: Node) -> str | None:
        """Return the label of a thing in the data."""
        label = self.data.value(node, RDFS.label) or self.data.value(node, SKOS.prefLabel)
        return str(label) if label else None

    def kinds(self, node: Node) -> str:
        """Return the labels of the classes of a node, as prefixed names."""
        found = [self.short(kind) for kind in self.data.objects(node, RDF.type) if kind != SKOS.Concept]
        return " and ".join(sorted(found))

    def short(self, node: Node) -> str:
        """Return the prefixed name of an IRI."""
        return self.prefixes.compress(str(node))

    def _found(self, result: Result) -> str | None:
        if isinstance(result.value, rdflib.Literal):
            return self._written(result.value)
        if result.component == SH.ClosedConstraintComponent and result.path is not None:
            return self.short(result.path)
        is_value = isinstance(result.value, rdflib.URIRef) and result.value != result.focus
        return self.short(result.value) if is_value and result.value is not None else None

    def _written(self, literal: rdflib.Literal) -> str:
        return literal.n3(self.data.namespace_manager)[:80]

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

    def tell_row(self, row: dict[str, str], code: str) -> Problem:
        """Write one row of a check as a problem."""
        culprit = row["culprit"]
        path, line = self.place(culprit, row.get("property"))
        fix = row.get("fix")
        if "term" in row:
            near = self.nearest(rdflib.URIRef(row["term"]), self.terms)
            fix = f"write {near}, or add the record." if near else fix
        node = rdflib.URIRef(culprit)
        message = f"{self.name(node)}: {self._shorten(row['message'])}"
        expected = _EXPECTED.search(message)
        return Problem(
            message,
            path,
            line,
            fix=fix and self._shorten(fix),
            subject=culprit,
            code=code,
            label=self.label(node),
            expected=expected[1] if expected else None,
            predicate=row.get("property"),
        )

    def _shorten(self, text: str) -> str:
        """Write each <IRI> in a text as a prefixed name."""
        return re.sub(r"<([^<>\s]+)>", lambda found: self.short(rdflib.URIRef(found[1])), text)

    def nearest(self, node: Node, choices: Iterable[str]) -> str | None:
        """Return the prefixed name of the choice in the same namespace that is spelt most alike."""
        space = re.sub(r"[^/#]+\Z", "", str(node))
        alike = {one[len(space) :]: one for one in choices if one.startswith(space)}
        found = difflib.get_close_matches(str(node)[len(space) :], alike, n=1, cutoff=0.7)
        return self.short(rdflib.URIRef(alike[found[0]])) if found else None

    def place(self, iri: str, predicate: str | None = None) -> tuple[Path | None, int | None]:
        """Return the file and line of a thing, of one of its properties where it has that."""
        return self.locate(iri, predicate) or (None, None)
