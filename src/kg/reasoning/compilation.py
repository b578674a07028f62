"""
Compilation: the axioms of the ontology as rules, one SPARQL CONSTRUCT each.

Every axiom falls under one of these, and nothing is skipped in silence:

- **rule**: sub-class, sub-property, inverse, chain, transitive, symmetric, domain, range, equivalence, and
  inside class expressions intersection, union, hasValue, someValuesFrom (OWL 2 RL, plus `someValuesFrom` on
  the right, below);
- **constraint**: it says only what may not be (disjointness, functionality, cardinality limits, asymmetry,
  data ranges). It infers no triple; the referees and the shapes hold the data to it. (Functional properties
  could infer owl:sameAs; a thing is named once here, so that would be an error, and a shape reports it.)
- **error**: it would infer triples that no rule carries (hasKey, oneOf or complementOf on the left, …).

`C ⊑ ∃p.D` names nobody, but what follows for the instances of C by domains, sub-properties and definitions
is found by trying it on an example at compile time, and becomes a rule. A union on the right yields what its
members have in common; what disjointness could rule out among them is not worked out.

Served is what is *about our terms*: triples whose predicate (or class) is in the `lat:` namespace or is
`skos:broaderTransitive`, plus whatever the rules for these read. That a Person is also a foaf:Person stands
in the alignments and is not inferred for each person.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pyoxigraph import DefaultGraph, NamedNode, Quad, Store
from rdflib import OWL, RDF, RDFS, BNode, Graph, Literal, URIRef
from rdflib.collection import Collection
from rdflib.term import Node

from kg.errors import DataError, Problem
from kg.names import LAT, SKOS, XSD, Prefixes
from kg.reasoning.rules import TYPE, Pattern, Rule, Triple, _ground, make_rule, saturate

_ALSO_SERVED = frozenset({f"<{SKOS}broaderTransitive>"})
_CONSTRAINT_TYPES = {
    OWL.FunctionalProperty,
    OWL.InverseFunctionalProperty,
    OWL.AsymmetricProperty,
    OWL.IrreflexiveProperty,
    OWL.AllDisjointClasses,
    OWL.AllDisjointProperties,
    OWL.AllDifferent,
    OWL.NegativePropertyAssertion,
}
_DECLARATION_TYPES = {
    OWL.Ontology,
    OWL.Class,
    OWL.ObjectProperty,
    OWL.DatatypeProperty,
    OWL.AnnotationProperty,
    OWL.NamedIndividual,
    OWL.Restriction,
    OWL.Axiom,
    OWL.Annotation,
    OWL.DeprecatedClass,
    OWL.DeprecatedProperty,
}
_CONSTRAINT_PREDICATES = {OWL.disjointWith, OWL.propertyDisjointWith, OWL.differentFrom}
_WITHOUT_LOGIC = {
    RDFS.label,
    RDFS.comment,
    RDFS.isDefinedBy,
    RDFS.seeAlso,
    OWL.versionIRI,
    OWL.versionInfo,
    OWL.priorVersion,
    OWL.backwardCompatibleWith,
    OWL.incompatibleWith,
    OWL.deprecated,
}
_INSIDE_EXPRESSIONS = {
    *(OWL.intersectionOf, OWL.unionOf, OWL.complementOf, OWL.oneOf, OWL.onProperty, OWL.onProperties),
    *(OWL.hasValue, OWL.hasSelf, OWL.someValuesFrom, OWL.allValuesFrom, OWL.onClass, OWL.onDataRange),
    *(OWL.cardinality, OWL.minCardinality, OWL.maxCardinality),
    *(OWL.qualifiedCardinality, OWL.minQualifiedCardinality, OWL.maxQualifiedCardinality),
    *(OWL.onDatatype, OWL.withRestrictions, OWL.datatypeComplementOf, OWL.members, OWL.distinctMembers),
    *(OWL.sourceIndividual, OWL.assertionProperty, OWL.targetIndividual, OWL.targetValue),
    *(OWL.annotatedSource, OWL.annotatedProperty, OWL.annotatedTarget),
}
_AT_MOST = (OWL.maxCardinality, OWL.maxQualifiedCardinality)
_AT_LEAST = (OWL.minCardinality, OWL.minQualifiedCardinality, OWL.cardinality, OWL.qualifiedCardinality)


def compile_rules(ontology: Graph) -> list[Rule]:
    """
    Compile the axioms of an ontology into rules, in name order.

    Raises:
        DataError: Axioms that would infer triples but have no rule; all of them.

    >>> graph = Graph().parse(data='''@prefix lat: <https://w3id.org/lateral/ontology#> .
    ... lat:chairs <http://www.w3.org/2002/07/owl#inverseOf> lat:chairedBy .''', format="turtle")
    >>> [rule.name for rule in compile_rules(graph)]
    ['inverseOf(lat:chairs lat:chairedBy)', 'inverseOf(lat:chairs lat:chairedBy)#2']
    """
    compiler = _Compiler(ontology)
    compiler.read()
    if compiler.problems:
        raise DataError(sorted(compiler.problems, key=str))
    rules = compiler.rules + _consequences(compiler.rules, compiler.existentials)
    return sorted(_served(_numbered(rules)), key=lambda one: one.name)


class _UnsupportedError(Exception):
    """An expression that no rule carries; the text says which."""


@dataclass(frozen=True, slots=True)
class _Existential:
    """`body` implies that the nodes of `witness` exist."""

    axiom: str
    body: tuple[Pattern, ...]
    witness: tuple[Pattern, ...]


class _Compiler:
    def __init__(self, ontology: Graph) -> None:
        self.graph = ontology
        self.prefixes = Prefixes({name: str(iri) for name, iri in ontology.namespaces()} | {"lat": LAT})
        self.rules: list[Rule] = []
        self.existentials: list[_Existential] = []
        self.problems: list[Problem] = []
        self._fresh = 0
        self._axiom = ""
        self._superclasses = self._told_superclasses()

    def read(self) -> None:
        """Visit every triple of the ontology in a fixed order."""
        for triple in sorted(self.graph, key=lambda one: tuple(self._text(term) for term in one)):
            try:
                self._read_triple(*triple)
            except _UnsupportedError as error:
                self.problems.append(
                    Problem(
                        f"{self._axiom}: {error} would infer triples that no rule carries",
                        subject=None if isinstance(triple[0], BNode) else str(triple[0]),
                        fix="say it with a supported axiom, or as a rule in queries/rules/",
                    )
                )

    # --- axioms -----------------------------------------------------------------------------------

    def _read_triple(self, subject: Node, predicate: Node, value: Node) -> None:
        self._axiom = f"{self._local(predicate)}({self._text(subject)} {self._text(value)})"
        x, y = "?x", "?y"
        if predicate == RDF.type:
            self._read_type(subject, value)
        elif predicate == RDFS.subClassOf:
            self._implies(subject, value)
        elif predicate == OWL.equivalentClass:
            self._implies(subject, value)
            self._implies(value, subject)
        elif predicate == OWL.disjointUnionOf:
            for member in Collection(self.graph, value):
                self._implies(member, subject)
        elif self._is_annotation(subject):
            return
        elif predicate == RDFS.domain:
            self._conclude((self._link(subject, x, y),), value, x)
        elif predicate == RDFS.range and not self._is_data_range(value):
            self._conclude((self._link(subject, x, y),), value, y)
        elif predicate in (RDFS.subPropertyOf, OWL.equivalentProperty):
            self._emit(self._link(value, x, y), self._link(subject, x, y))
            if predicate == OWL.equivalentProperty:
                self._emit(self._link(subject, x, y), self._link(value, x, y))
        elif predicate == OWL.inverseOf and not isinstance(subject, BNode):
            self._emit(self._link(value, y, x), self._link(subject, x, y))
            self._emit(self._link(subject, y, x), self._link(value, x, y))
        elif predicate == OWL.propertyChainAxiom:
            members = list(Collection(self.graph, value))
            nodes = [x, *(f"?m{n}" for n in range(1, len(members))), y]
            links = [self._link(one, *nodes[n : n + 2]) for n, one in enumerate(members)]
            self._emit(self._link(subject, x, y), *links)
        else:
            self._refuse_unknown(predicate)

    def _read_type(self, subject: Node, kind: Node) -> None:
        x, y, z = "?x", "?y", "?z"
        if kind == OWL.TransitiveProperty:
            self._emit(self._link(subject, x, z), self._link(subject, x, y), self._link(subject, y, z))
        elif kind == OWL.SymmetricProperty:
            self._emit(self._link(subject, y, x), self._link(subject, x, y))
        elif kind in _CONSTRAINT_TYPES or kind in _DECLARATION_TYPES:
            return
        elif str(kind).startswith((str(OWL), str(RDFS))) and kind != RDFS.Datatype:
            raise _UnsupportedError(self._text(kind))

    def _refuse_unknown(self, predicate: Node) -> None:
        known = _CONSTRAINT_PREDICATES | _WITHOUT_LOGIC | _INSIDE_EXPRESSIONS | {RDFS.range, OWL.inverseOf}
        if predicate not in known and str(predicate).startswith((str(OWL), str(RDFS))):
            raise _UnsupportedError(self._text(predicate))

    def _implies(self, sub: Node, sup: Node) -> None:
        if self._is_empty(sup):
            return
        for body in self._alternatives(sub, "?x"):
            self._conclude(body, sup, "?x")

    def _emit(self, head: Pattern, *body: Pattern) -> None:
        if head not in body:
            self.rules.append(make_rule(self._axiom, head, body))

    # --- class expressions ------------------------------------------------------------------------

    def _alternatives(self, expression: Node, node: str) -> list[tuple[Pattern, ...]]:
        """Translate an expression on the left: the bodies each of which implies it of `node`."""
        if isinstance(expression, URIRef):
            return [()] if expression == OWL.Thing else [(Pattern(node, TYPE, expression.n3()),)]
        parts = self.graph.value(expression, OWL.intersectionOf)
        if parts is not None:
            bodies: list[tuple[Pattern, ...]] = [()]
            for part in Collection(self.graph, parts):
                bodies = [one + more for one in bodies for more in self._alternatives(part, node)]
            return bodies
        parts = self.graph.value(expression, OWL.unionOf)
        if parts is not None:
            return [body for part in Collection(self.graph, parts) for body in self._alternatives(part, node)]
        return self._restriction_alternatives(expression, node)

    def _restriction_alternatives(self, expression: Node, node: str) -> list[tuple[Pattern, ...]]:
        on = self.graph.value(expression, OWL.onProperty)
        value = self.graph.value(expression, OWL.hasValue)
        if on is not None and value is not None:
            return [(self._link(on, node, value.n3()),)]
        filler = self.graph.value(expression, OWL.someValuesFrom)
        if on is None or filler is None:
            raise _UnsupportedError(f"{self._text(expression)} as a condition")
        if self._is_data_range(filler):
            raise _UnsupportedError("a data range as a condition")
        witness = self._variable()
        link = self._link(on, node, witness)
        return [(link, *body) for body in self._alternatives(filler, witness)]

    def _conclude(self, body: tuple[Pattern, ...], expression: Node, node: str) -> None:
        """Translate an expression on the right: emit what it says of `node` where `body` holds."""
        if isinstance(expression, URIRef):
            if expression not in (OWL.Thing, OWL.Nothing):
                self._emit(Pattern(node, TYPE, expression.n3()), *body)
            return
        on = self.graph.value(expression, OWL.onProperty)
        if on is not None:
            self._conclude_restriction(body, expression, on, node)
        elif (parts := self.graph.value(expression, OWL.intersectionOf)) is not None:
            for part in Collection(self.graph, parts):
                self._conclude(body, part, node)
        elif (parts := self.graph.value(expression, OWL.unionOf)) is not None:
            for shared in self._shared_superclasses(list(Collection(self.graph, parts))):
                self._emit(Pattern(node, TYPE, shared.n3()), *body)
        elif not any((expression, one, None) in self.graph for one in (OWL.complementOf, OWL.oneOf)):
            raise _UnsupportedError(self._text(expression))

    def _conclude_restriction(self, body: tuple[Pattern, ...], expression: Node, on: Node, node: str) -> None:
        def given(predicate: URIRef) -> Node | None:
            return self.graph.value(expression, predicate)

        if (value := given(OWL.hasValue)) is not None:
            self._emit(self._link(on, node, value.n3()), *body)
        elif given(OWL.hasSelf) is not None:
            self._emit(self._link(on, node, node), *body)
        elif (filler := given(OWL.allValuesFrom)) is not None:
            if not self._is_data_range(filler):
                other = self._variable()
                self._conclude((*body, self._link(on, node, other)), filler, other)
        elif (filler := given(OWL.someValuesFrom)) is not None:
            self._exists(body, on, filler, node)
        elif any(int(str(given(one) or 0)) > 0 for one in _AT_LEAST):
            self._exists(body, on, given(OWL.onClass) or OWL.Thing, node)
        elif not any(given(one) is not None for one in (*_AT_MOST, *_AT_LEAST)):
            raise _UnsupportedError(self._text(expression))

    def _exists(self, body: tuple[Pattern, ...], on: Node, filler: Node, node: str) -> None:
        witness = self._variable()
        link = self._link(on, node, witness)
        bodies = [()] if self._is_data_range(filler) else self._alternatives(filler, witness)
        if len(bodies) == 1:
            self.existentials.append(_Existential(self._axiom, body, (link, *bodies[0])))
        else:
            self.existentials.append(_Existential(self._axiom, body, (link,)))

    # --- small things -----------------------------------------------------------------------------

    def _link(self, expression: Node, subject: str, value: str) -> Pattern:
        """Return `subject expression value`, an inverse expression turned round."""
        inverse = self.graph.value(expression, OWL.inverseOf) if isinstance(expression, BNode) else None
        if inverse is not None:
            return self._link(inverse, value, subject)
        if not isinstance(expression, URIRef):
            raise _UnsupportedError(f"{self._text(expression)} as a property")
        return Pattern(subject, expression.n3(), value)

    def _variable(self) -> str:
        self._fresh += 1
        return f"?v{self._fresh}"

    def _is_annotation(self, subject: Node) -> bool:
        return (subject, RDF.type, OWL.AnnotationProperty) in self.graph

    def _is_data_range(self, expression: Node) -> bool:
        return (
            str(expression).startswith(XSD)
            or expression in (RDFS.Literal, RDF.langString, RDF.PlainLiteral)
            or (expression, RDF.type, RDFS.Datatype) in self.graph
        )

    def _is_empty(self, expression: Node) -> bool:
        """Whether it is Nothing or a complement: then the axiom only forbids."""
        return expression == OWL.Nothing or (expression, OWL.complementOf, None) in self.graph

    def _told_superclasses(self) -> dict[Node, set[Node]]:
        told: dict[Node, set[Node]] = {}
        for sub, sup in self.graph.subject_objects(RDFS.subClassOf):
            told.setdefault(sub, set()).add(sup)
        for one, other in self.graph.subject_objects(OWL.equivalentClass):
            told.setdefault(one, set()).add(other)
            told.setdefault(other, set()).add(one)
        for whole, parts in self.graph.subject_objects(OWL.intersectionOf):
            told.setdefault(whole, set()).update(Collection(self.graph, parts))
        return told

    def _shared_superclasses(self, members: Iterable[Node]) -> list[URIRef]:
        closures: list[set[Node]] = []
        for member in members:
            reached, waiting = {member}, [member]
            while waiting:
                for one in self._superclasses.get(waiting.pop(), set()) - reached:
                    reached.add(one)
                    waiting.append(one)
            closures.append(reached)
        shared = set.intersection(*closures) if closures else set()
        return sorted(one for one in shared if isinstance(one, URIRef) and one != OWL.Thing)

    def _local(self, term: Node) -> str:
        return self._text(term).rpartition(":")[2]

    def _text(self, term: Node) -> str:
        """Write a term or an expression so that it reads the same on every run."""
        if isinstance(term, URIRef):
            return self.prefixes.compress(str(term))
        if isinstance(term, Literal):
            return term.n3()
        if (term, RDF.first, None) in self.graph:
            return " ".join(self._text(one) for one in Collection(self.graph, term))
        said = sorted(
            f"{self._local(predicate)} {self._text(value)}"
            for predicate, value in self.graph.predicate_objects(term)
            if predicate != RDF.type
        )
        return f"[{' ; '.join(said)}]"


def _consequences(rules: list[Rule], existentials: list[_Existential]) -> list[Rule]:
    """Find what existential axioms imply for the named instances, by trying each on an example."""
    found: list[Rule] = []
    while True:
        more = [rule for one in existentials for rule in _try(one, rules + found)]
        known = {(one.head, one.body) for one in found}
        more = [one for one in more if (one.head, one.body) not in known]
        if not more:
            return found
        found += more


def _try(existential: _Existential, rules: list[Rule]) -> Iterator[Rule]:
    places = [p for one in existential.body + existential.witness for p in (one.subject, one.object)]
    names = sorted({one[1:] for one in places if one.startswith("?")})
    example = {name: NamedNode(f"urn:lateral:example:{name}") for name in names}
    tokens = {f"<{iri.value}>": f"?{name}" for name, iri in example.items()}
    inside = {
        token
        for token, name in tokens.items()
        if any(name in (b.subject, b.object) for b in existential.body)
    }
    outside = set(tokens) - inside

    def closure(patterns: tuple[Pattern, ...]) -> set[Triple]:
        store = Store()
        triples = [triple for one in patterns if (triple := _ground(one, dict(example))) is not None]
        store.extend(Quad(*triple, DefaultGraph()) for triple in triples)
        return saturate(store, rules) | set(triples)

    for triple in sorted(
        closure(existential.body + existential.witness) - closure(existential.body), key=str
    ):
        terms = [str(one) for one in triple]
        if not outside & set(terms) and inside & {terms[0], terms[2]}:
            head = Pattern(*(tokens.get(one, one) for one in terms))
            yield make_rule(existential.axiom, head, existential.body)


def _numbered(rules: list[Rule]) -> list[Rule]:
    """Drop repeated rules and number those of one axiom: `name`, `name#2`, …"""
    counts: dict[str, int] = {}
    seen: set[tuple[Pattern, tuple[Pattern, ...]]] = set()
    numbered = []
    for rule in rules:
        if (rule.head, rule.body) in seen:
            continue
        seen.add((rule.head, rule.body))
        counts[rule.axiom] = number = counts.get(rule.axiom, 0) + 1
        numbered.append(replace(rule, name=rule.axiom if number == 1 else f"{rule.axiom}#{number}"))
    return numbered


def _served(rules: list[Rule]) -> list[Rule]:
    """Keep the rules about our terms, and those whose results these read."""
    kept = {one.name: one for one in rules if _is_about_ours(one.head)}
    while True:
        read = {pattern.key for one in kept.values() for pattern in one.body}
        more = {one.name: one for one in rules if one.name not in kept and one.head.key in read}
        if not more:
            return list(kept.values())
        kept |= more


def _is_about_ours(head: Pattern) -> bool:
    predicate, about = head.key
    term = about if predicate == TYPE else predicate
    return term.startswith(f"<{LAT}") or term in _ALSO_SERVED
