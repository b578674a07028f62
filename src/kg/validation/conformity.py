"""Shapes and checks over what a contribution changes, together with what is published of it and needed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property

import pyoxigraph as ox
import rdflib
from rdflib import RDF, SH

from kg import names
from kg.errors import Problem
from kg.turtle import Statement, Term
from kg.validation.candidate import LABEL, TYPE, Candidate, Part, Placed
from kg.validation.overlay import Overlay
from kg.validation.shacl import NOT_DATA, Result, to_rdflib
from kg.validation.spelling import respell
from kg.validation.telling import Teller

_ASSERTION_GRAPH = rdflib.URIRef(names.LAT + "AssertionGraph")
_TYPE = ox.NamedNode(TYPE)
_SUBCLASS = ox.NamedNode(names.RDFS + "subClassOf")
_ONTOLOGY = ox.NamedNode(names.ONTOLOGY_GRAPH)
_ADDED_WHEN_TAKEN = {names.LAT + "curatedBy", names.LAT + "curatedOn"}
# checks that are not run: the graphs, the vocabulary or the names tell of the same with more to say
LEFT_OUT = {"undeclared-term", "misplaced-record", "named-in-claim", "same-label", "shared-alias"}
# what a row of a check is about, where the row does not name the property
_ROW_PLACES = {
    "reversed-dates": ("endDate", "endTime", "startDate", "startTime"),
    "cyclic-parts": ("partOf", "organOf", "provisionOf", "placeIn", "follows"),
}
# what a problem keeps when it is given its place
_TOLD = (
    *("message", "fix", "subject", "code", "level", "found", "expected", "edits"),
    *("predicate", "value", "component", "shape"),
)
_ORDER = ["wrong-datatype", "wrong-language", "wrong-kind", "wrong-class", "malformed-value", "too-long"]


class Conformity:
    """
    What the shapes and the checks say of a contribution.

    Args:
        candidate: The arranged contribution.
        placed: Its statements to hold to the shapes, each in its graph.
        muted: Subjects and properties of which an earlier problem says enough; "" for all of a subject.
    """

    def __init__(self, candidate: Candidate, placed: Iterable[Placed], muted: set[tuple[str, str]]) -> None:
        self.candidate, self.placed, self.muted = candidate, list(placed), muted
        self.published = candidate.published
        self.by_subject: dict[str, list[Statement]] = defaultdict(list)
        self.by_object: dict[str, list[Statement]] = defaultdict(list)
        self.by_graph: dict[str, Statement] = {}
        self.misclassed: dict[str, Result] = {}
        for one in self.placed:
            self.by_subject[one.statement.subject.value].append(one.statement)
            self.by_graph.setdefault(one.graph, one.statement)
            if one.statement.object.kind == "iri":
                self.by_object[one.statement.object.value].append(one.statement)

    @cached_property
    def quads(self) -> list[ox.Quad]:
        """The contribution's quads."""
        return self.candidate.quads(self.placed)

    @cached_property
    def overlay(self) -> Overlay:
        """The contribution over what is published."""
        return Overlay.of(self.published.store, self.quads)

    @cached_property
    def around(self) -> list[ox.Quad]:
        """What is published of its subjects, of the classes of its things, and the class tree."""
        found: dict[ox.Quad, None] = {}
        things = set()
        for subject in self.by_subject:
            for quad in self.published.quads_about(subject):
                found[quad] = None
                things.add(quad.object)
        things |= {quad.object for quad in self.quads}
        for thing in things:
            if isinstance(thing, ox.NamedNode):
                for quad in self.published.store.quads_for_pattern(thing, _TYPE, None, None):
                    graph = quad.graph_name
                    if isinstance(graph, ox.NamedNode) and graph.value not in NOT_DATA:
                        found[quad] = None
        return list(found)

    @cached_property
    def tree(self) -> list[ox.Quad]:
        """The class tree."""
        return list(self.published.store.quads_for_pattern(None, _SUBCLASS, None, _ONTOLOGY))

    @cached_property
    def data(self) -> rdflib.Graph:
        """What is held to the shapes."""
        graph = to_rdflib([*self.tree, *self.around, *self.quads])
        for name in self.by_graph:
            if not name.startswith(names.GRAPH):
                graph.add((rdflib.URIRef(name), RDF.type, _ASSERTION_GRAPH))
        return graph

    @cached_property
    def teller(self) -> Teller:
        """What turns results into problems."""
        labelled = rdflib.Graph()
        labelled += self.data
        label = rdflib.URIRef(LABEL)
        for node in set(self.data.all_nodes()):
            if isinstance(node, rdflib.URIRef) and (node, label, None) not in labelled:
                text = self.candidate.find_label(str(node))
                if text:
                    labelled.add((node, label, rdflib.Literal(text)))
        return Teller(
            labelled,
            self.published.shapes,
            self.published.ontology,
            prefixes=self.published.prefixes,
            locate=lambda iri, predicate: None,
        )

    # --- shapes -----------------------------------------------------------------------------------------

    def results(self) -> list[Result]:
        """Return what the shapes find, of each value the one result that says most."""
        focus = {*self.by_subject, *(one for one in self.by_graph if not one.startswith(names.GRAPH))}
        best: dict[tuple[str, str, str], tuple[int, int, Result]] = {}
        for number, one in enumerate(self.published.dependencies.results(self.overlay)):
            if str(one.focus) not in focus or self._is_told(one):
                continue
            key = (
                str(one.focus),
                str(one.path),
                one.value.n3() if one.value is not None else str(one.component),
            )
            rank = self._rank(one)
            if key not in best or (rank, number) < best[key][:2]:
                best[key] = (rank, number, one)
        return self._causes([one for _, _, one in best.values()])

    def _causes(self, results: list[Result]) -> list[Result]:
        """Leave out what only follows from another result: an order of no numbers, a wrong class."""
        odd = {one.focus for one in results if self.teller.code(one) in _ORDER}
        odd_values = {(one.focus, one.path) for one in results if self.teller.code(one) in _ORDER}
        self.misclassed = {str(one.focus): one for one in results if self._is_misclassed(one, results)}
        return [
            one
            for one in results
            if not (one.component == SH.LessThanConstraintComponent and one.focus in odd)
            and not (one.component == SH.MaxCountConstraintComponent and (one.focus, one.path) in odd_values)
            and not {str(one.focus), str(one.value)} & self.misclassed.keys()
        ]

    def _is_misclassed(self, result: Result, results: list[Result]) -> bool:
        """Tell whether none of what is said of a new thing fits its class: then the class is the slip."""
        focus = str(result.focus)
        if result.component != SH.ClosedConstraintComponent or self.published.has_subject(focus):
            return False
        if not str(result.path).startswith(names.LAT) or len(self.candidate.types.get(focus, ())) != 1:
            return False
        said = {one.predicate.value for one in self.by_subject.get(focus, ())}
        own = {one for one in said if one.startswith(names.LAT)}
        refused = {
            str(one.path)
            for one in results
            if str(one.focus) == focus and one.component == SH.ClosedConstraintComponent
        }
        return own <= refused and bool(self._fitting(said))

    def _fitting(self, said: set[str]) -> list[str]:
        """Return the classes whose shapes let a thing have some properties."""
        lexicon = self.published.lexicon
        wanted = said - {TYPE}
        return sorted(one for one in lexicon.allowed_types if wanted <= lexicon.class_paths.get(one, set()))

    def class_problems(self) -> Iterator[Problem]:
        """Yield a problem for each new thing without a class, or of a wrong one; ask after `problems`."""
        yield from self._unclassed()
        short = self.candidate.short
        for iri in self.misclassed:
            head = self._heads(iri)[0]
            said = {one.predicate.value for one in self.by_subject[iri]}
            fitting = self._fitting(said)
            own = ", ".join(sorted(short(one) for one in said if one.startswith(names.LAT)))
            listed = ", ".join(map(short, fitting[:6])) + (" …" if len(fitting) > 6 else "")
            edit = (
                respell(self.candidate.reading, head.places.object, head.object.value, fitting[0])
                if head.places and len(fitting) == 1
                else None
            )
            yield self.candidate.at(
                head,
                "object",
                "wrong-class",
                f"{self.candidate.name(iri)} is called a {short(head.object.value)}, "
                f"and no such thing has {own}.",
                fix=f"write {listed}.",
                found=short(head.object.value),
                expected=listed,
                edits=[edit] if edit else (),
            )

    def _unclassed(self) -> Iterator[Problem]:
        """Yield a problem for each new thing that has a name and no class: no shape would look at it."""
        classed = {
            one.subject.value for one in self.candidate.reading.statements if one.predicate.value == TYPE
        }
        for iri in self.candidate.labels.keys() - classed:
            heads = self._heads(iri)
            if self.published.has_subject(iri) or not iri.startswith((names.ID, names.DOCUMENT)) or not heads:
                continue
            listed = ", ".join(map(self.candidate.short, self._fitting(set(map(_property, heads)))[:6]))
            yield self.candidate.at(
                heads[0],
                "subject",
                "missing-value",
                f"{self.candidate.name(iri)} has no class: expected one.",
                fix=f"write its class: a {listed or 'lat:State'}.",
                subject=iri,
                expected=listed or "a class",
            )

    def _rank(self, result: Result) -> int:
        code = self.teller.code(result)
        return _ORDER.index(code) if code in _ORDER else len(_ORDER)

    def _is_told(self, result: Result) -> bool:
        focus, path = str(result.focus), str(result.path)
        if {(focus, ""), (focus, path), (str(result.value), "")} & self.muted:
            return True
        if path in _ADDED_WHEN_TAKEN and result.component == SH.MinCountConstraintComponent:
            return True
        return result.component == SH.HasValueConstraintComponent and path == TYPE  # records: see candidate

    def problems(self) -> Iterator[tuple[Problem, Result, Statement | None]]:
        """Yield a problem for each result, with the statement where it stands."""
        for one in self.results():
            statement, part = self._where(one)
            problem = self.teller.tell(one)
            if problem.code == "too-many-values":
                problem = self._with_claims(problem, one)
            yield self.placed_at(problem, statement, part), one, statement

    def _where(self, result: Result) -> tuple[Statement | None, Part]:
        """Find the statement and the part of it that a result is about."""
        focus, path = str(result.focus), str(result.path)
        said = [one for one in self.by_subject.get(focus, ()) if one.predicate.value == path]
        if result.component == SH.ClosedConstraintComponent:
            return self._first(
                [one for one in said if _is_same(one.object, result.value)] or said, "predicate"
            )
        if said and result.value is not None:
            exact = [one for one in said if _is_same(one.object, result.value)]
            if exact:
                return exact[0], "object"
        if said and result.component == SH.MaxCountConstraintComponent:
            is_derived = self.teller.code(result) != "too-many-values"
            return (said[0], "predicate") if is_derived else (said[-1], "object")
        if said:
            return said[0], "object"
        if result.component == SH.MinCountConstraintComponent and "label" not in path.lower():
            return self._first(self._claimed(focus) or self._heads(focus), "subject")
        return self._first(self._heads(focus), "subject")

    def _claimed(self, iri: str) -> list[Statement]:
        """Return what a claim says of a thing."""
        return [
            one.statement
            for one in self.placed
            if one.graph.startswith(names.CLAIM) and one.statement.subject.value == iri
        ]

    def _heads(self, iri: str) -> list[Statement]:
        """Return the statements about a thing, that of its class first."""
        own = sorted(self.by_subject.get(iri, ()), key=lambda one: one.predicate.value != TYPE)
        return own or ([self.by_graph[iri]] if iri in self.by_graph else [])

    @staticmethod
    def _first(statements: list[Statement], part: Part) -> tuple[Statement | None, Part]:
        return (statements[0], part) if statements else (None, part)

    def placed_at(self, problem: Problem, statement: Statement | None, part: Part) -> Problem:
        """Return a problem with the place of a part of a statement."""
        if statement is None:
            return replace(problem, path=self.candidate.reading.path)
        there = self.candidate.at(statement, part, "", "")
        label = self.candidate.find_label(problem.subject) if problem.subject else None
        return replace(
            there,
            **{one: getattr(problem, one) for one in _TOLD},
            label=label,
        )

    def _with_claims(self, problem: Problem, result: Result) -> Problem:
        """Name the claims that give a property its other values."""
        focus, path = str(result.focus), str(result.path)
        others = [
            f"{self._value(value)} in {self.candidate.short(claim)}"
            for value, claim in self.published.values(focus, path)
        ]
        if not others:
            return problem
        message = f"{problem.message} Published: {', '.join(sorted(set(others))[:3])}."
        fix = "if both are said, make a record of your own for what your document says; or leave this out."
        return replace(problem, message=message, fix=fix)

    def _value(self, value: ox.NamedNode | ox.Literal) -> str:
        return self.candidate.name(value.value) if isinstance(value, ox.NamedNode) else value.value

    # --- checks -----------------------------------------------------------------------------------------

    def check_rows(self) -> Iterator[Problem]:
        """Yield a problem for each row that a check of the project finds about the contribution."""
        if self.published.checks is None:
            return
        rows = self.published.checks.changed_rows(self.overlay, self.published.texts, leave_out=LEFT_OUT)
        for path, row in rows:
            problem = self._row(path.stem, row)
            if problem:
                yield problem

    def _row(self, code: str, row: dict[str, str]) -> Problem | None:
        culprit = row["culprit"]
        if culprit in self.misclassed:
            return None
        if (culprit, "") in self.muted or (culprit, row.get("property", "")) in self.muted:
            return None
        about = self._heads(culprit) or self.by_object.get(culprit, [])
        if not about:
            mentioned = [one for one in self.by_subject if f"<{one}>" in row["message"]]
            about = self._heads(mentioned[0]) if mentioned else []
        if not about:
            return None
        statement, part = self._in_row(about, row, code)
        return self.placed_at(self.teller.tell_row(row, code), statement, part)

    def _in_row(self, about: list[Statement], row: dict[str, str], code: str) -> tuple[Statement, Part]:
        """Choose among the statements about a culprit the one whose property the row is about."""
        culprit = row["culprit"]
        if code == "bare-type":
            return self.by_graph[culprit], "graph"
        if code == "bare-hedge":
            return self._hedge(culprit, row["message"])
        for local in _ROW_PLACES.get(code, ()):
            for one in about:
                if one.predicate.value == names.LAT + local:
                    return one, "object"
        for one in about:
            if (
                code == "self-relation"
                and one.object.value == culprit
                and f"<{one.predicate.value}>" in row["message"]
            ):
                return one, "object"
            if code == "other-document" and f"in the section <{one.object.value}>" in row["message"]:
                return one, "object"
        for one in about:
            if one.predicate.value != TYPE and f"<{one.predicate.value}>" in row["message"]:
                return one, "predicate"
        if about[0].subject.value == culprit:
            return about[0], "subject"
        return about[0], "graph" if culprit in self.by_graph else "object"

    def _hedge(self, claim: str, message: str) -> tuple[Statement, Part]:
        """Return the triple that stands bare; the claim's status where all of them do."""
        records = {names.LAT + "InformationRecord"}
        said = [one.statement for one in self.placed if one.graph == claim]
        bare = [
            one
            for one in said
            if one.predicate.value != TYPE
            and not records
            & {up for kind in self.candidate.kinds(one.subject.value) for up in self._above(kind)}
        ]
        status = [
            one for one in self.by_subject[claim] if one.predicate.value == names.LAT + "epistemicStatus"
        ]
        is_all = {one.subject for one in bare} == {one.subject for one in said}
        return (status[0], "object") if is_all and status else (bare[0], "predicate")

    def _above(self, kind: str) -> frozenset[str]:
        return self.published.lexicon.above(kind)


def _property(one: Statement) -> str:
    return one.predicate.value


def _is_same(term: Term, node: object) -> bool:
    if isinstance(node, rdflib.URIRef):
        return term.kind == "iri" and term.value == str(node)
    if isinstance(node, rdflib.Literal):
        return (
            term.kind == "literal"
            and term.value == str(node)
            and term.language.lower() == (node.language or "")
        )
    return False
