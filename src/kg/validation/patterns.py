"""
Check queries as patterns: what of a query must match, beside which nested patterns may or must not.

Filters are left out, so that patterns find what a query finds, or more. A nested pattern (OPTIONAL, EXISTS,
MINUS) shares with what it stands in only the variables that it shares in the query; the others get names of
their own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyoxigraph as ox
import rdflib
from rdflib.paths import Path as PropertyPath
from rdflib.plugins.sparql import prepareQuery
from rdflib.plugins.sparql.parserutils import CompValue
from rdflib.term import Variable

from kg.validation.automata import Automaton
from kg.validation.overlay import MERGE, Node

_EXISTS = ("Builtin_EXISTS", "Builtin_NOTEXISTS")
_PASSED = ("Distinct", "Reduced", "OrderBy", "SelectQuery")


class UnanalysableError(ValueError):
    """A query has a part that is not followed; it holds the name of that part."""


@dataclass(frozen=True)
class Route:
    """A property path as an automaton, and the same backwards."""

    forwards: Automaton
    backwards: Automaton
    start: int
    end: int

    @classmethod
    def of(cls, path: PropertyPath) -> Route:
        """Make the automaton of a path."""
        automaton = Automaton()
        start = automaton.state()
        end = automaton.follow(path, start)
        return cls(automaton, automaton.reverse(), start, end)

    @property
    def is_nullable(self) -> bool:
        """Whether it leads from each node to itself."""
        return self.end in self.forwards.close([self.start])


Term = Node | str  # a constant, or the name of a variable


@dataclass(frozen=True)
class Pattern:
    """One triple pattern and the graph that it is looked for in."""

    subject: Term
    predicate: Term | Route
    value: Term
    graph: object  # a term, or `MERGE`

    @property
    def variables(self) -> frozenset[str]:
        """The names of its variables."""
        parts = (self.subject, self.predicate, self.value, self.graph)
        return frozenset(one for one in parts if isinstance(one, str))


@dataclass(frozen=True)
class Table:
    """Inline data: in each row a value for each variable that has one."""

    rows: tuple[dict[str, Node], ...]

    @property
    def variables(self) -> frozenset[str]:
        """The variables of all rows."""
        return frozenset(name for row in self.rows for name in row)


@dataclass(frozen=True)
class Equation:
    """A variable that is bound to another, or to its text in lower case."""

    name: str
    argument: str
    is_folded: bool

    @property
    def variables(self) -> frozenset[str]:
        """Its two variables."""
        return frozenset((self.name, self.argument))


@dataclass(frozen=True)
class Nested:
    """
    A pattern inside another.

    Args:
        branches: Its alternatives.
        shared: The variables that it shares with what it stands in.
        is_exact: Whether one match of the pattern decides, once these are bound: no filter could refuse it.
    """

    branches: tuple[Group, ...]
    shared: frozenset[str]
    is_exact: bool


@dataclass(frozen=True)
class Group:
    """What must match together; `is_filtered` where a filter was left out."""

    patterns: tuple[Pattern, ...] = ()
    tables: tuple[Table, ...] = ()
    equations: tuple[Equation, ...] = ()
    nested: tuple[Nested, ...] = ()
    is_filtered: bool = False

    def beside(self, other: Group) -> Group:
        """Return both groups as one."""
        return Group(
            self.patterns + other.patterns,
            self.tables + other.tables,
            self.equations + other.equations,
            self.nested + other.nested,
            self.is_filtered or other.is_filtered,
        )

    @property
    def variables(self) -> frozenset[str]:
        """The variables that it binds."""
        parts: list[Pattern | Table | Equation] = [*self.patterns, *self.tables, *self.equations]
        return frozenset().union(*(one.variables for one in parts))


@dataclass
class Reader:
    """Reads the algebra of a query."""

    numbers: Iterator[int] = field(default_factory=itertools.count)

    def read(self, text: str) -> tuple[str, list[Group]]:
        """
        Return the first column of a query, and its alternatives.

        Raises:
            UnanalysableError: It has a part that is not followed.
        """
        algebra = prepareQuery(text).algebra
        if algebra.datasetClause:
            raise UnanalysableError("FROM")
        culprit = str(algebra.PV[0])
        branches = list(self._read(algebra.p, MERGE))
        for one in branches:
            binding: list[Pattern | Table] = [*one.patterns, *one.tables]
            if not any(culprit in part.variables for part in binding):
                raise UnanalysableError(f"?{culprit} is not in every alternative")
        return culprit, branches

    def _read(self, node: Any, graph: object) -> Iterator[Group]:
        match node.name:
            case "BGP":
                yield Group(tuple(_pattern(triple, graph) for triple in node.triples))
            case "Join":
                for one, two in itertools.product(self._all(node.p1, graph), self._all(node.p2, graph)):
                    yield one.beside(two)
            case "Union":
                yield from self._read(node.p1, graph)
                yield from self._read(node.p2, graph)
            case "LeftJoin" | "Minus":
                yield from self._beside_optional(node, graph)
            case "Filter":
                found = [self._exists(one, _scope(node.p), graph) for one in _tests(node.expr)]
                beside = Group(nested=tuple(found), is_filtered=not _is_only_tests(node.expr))
                yield from (one.beside(beside) for one in self._read(node.p, graph))
            case "Graph":
                yield from self._read(node.p, _term(node.term))
            case "Extend":
                if list(_tests(node.expr)):
                    raise UnanalysableError("EXISTS in BIND")
                beside = Group(equations=_equation(node))
                yield from (one.beside(beside) for one in self._read(node.p, graph))
            case "ToMultiSet":
                inner = node.p
                yield from (
                    [Group(tables=(_table(inner),))] if inner.name == "values" else self._read(inner, graph)
                )
            case "values":
                yield Group(tables=(_table(node),))
            case "Project":
                kept = {str(one) for one in node.PV}
                yield from self._renamed(self._all(node.p, graph), kept)
            case name if name in _PASSED:
                yield from self._read(node.p, graph)
            case name:
                raise UnanalysableError(name)

    def _all(self, node: Any, graph: object) -> list[Group]:
        return list(self._read(node, graph))

    def _beside_optional(self, node: Any, graph: object) -> Iterator[Group]:
        left = _scope(node.p1)
        optional = self._nested(node.p2, left, graph, is_exact=False)
        tests = []
        if node.name == "LeftJoin":
            tests = [self._exists(one, left | _scope(node.p2), graph) for one in _tests(node.expr)]
        for one in self._read(node.p1, graph):
            yield one.beside(Group(nested=(optional, *tests), is_filtered=bool(tests)))

    def _exists(self, test: Any, scope: set[str], graph: object) -> Nested:
        return self._nested(test.graph, scope, graph, is_exact=True)

    def _nested(self, node: Any, scope: set[str], graph: object, *, is_exact: bool) -> Nested:
        branches = tuple(self._renamed(self._all(node, graph), scope))
        is_plain = all(
            not (one.is_filtered or one.nested or any(two.is_folded for two in one.equations))
            for one in branches
        )
        shared = frozenset().union(*(one.variables for one in branches)) & scope
        return Nested(branches, shared, is_exact and is_plain)

    def _renamed(self, groups: Iterable[Group], kept: set[str]) -> Iterator[Group]:
        """Give the variables that are not kept names of their own."""
        number = next(self.numbers)

        def name(term: Any) -> Any:
            return f"{term}#{number}" if isinstance(term, str) and term not in kept else term

        yield from (_rename(one, name) for one in groups)


def _rename(group: Group, name: Callable[[Any], Any]) -> Group:
    return Group(
        tuple(
            Pattern(name(one.subject), name(one.predicate), name(one.value), name(one.graph))
            for one in group.patterns
        ),
        tuple(Table(tuple({name(key): row[key] for key in row} for row in one.rows)) for one in group.tables),
        tuple(Equation(name(one.name), name(one.argument), one.is_folded) for one in group.equations),
        tuple(
            Nested(
                tuple(_rename(two, name) for two in one.branches),
                frozenset(map(name, one.shared)),
                one.is_exact,
            )
            for one in group.nested
        ),
        group.is_filtered,
    )


def _pattern(triple: tuple[Any, Any, Any], graph: object) -> Pattern:
    subject, predicate, value = triple
    if not isinstance(predicate, PropertyPath):
        return Pattern(_term(subject), _term(predicate), _term(value), graph)
    if isinstance(graph, str):
        raise UnanalysableError("a path in a graph that varies")
    route = Route.of(predicate)
    if route.is_nullable and isinstance(_term(subject), str) and isinstance(_term(value), str):
        raise UnanalysableError("a path of no length between two variables")
    return Pattern(_term(subject), route, _term(value), graph)


def _term(term: Any) -> Term:
    match term:
        case Variable() | rdflib.BNode():
            return str(term)
        case rdflib.URIRef():
            return ox.NamedNode(str(term))
        case rdflib.Literal() if term.language:
            return ox.Literal(str(term), language=term.language)
        case rdflib.Literal():
            datatype = ox.NamedNode(str(term.datatype)) if term.datatype else None
            return ox.Literal(str(term), datatype=datatype)
    raise UnanalysableError(f"{term!r}")


def _table(node: Any) -> Table:
    rows = []
    for row in node.res:
        terms = {str(name): _term(term) for name, term in row.items() if term != "UNDEF"}
        rows.append({name: term for name, term in terms.items() if not isinstance(term, str)})
    return Table(tuple(rows))


def _equation(node: Any) -> tuple[Equation, ...]:
    expression, is_folded = node.expr, False
    if isinstance(expression, CompValue) and expression.name == "Builtin_LCASE":
        inner = expression.arg
        if isinstance(inner, CompValue) and inner.name == "Builtin_STR":
            expression, is_folded = inner.arg, True
    if isinstance(expression, Variable) and str(expression) in _scope(node.p):
        return (Equation(str(node.var), str(expression), is_folded),)
    return ()


def _scope(node: Any) -> set[str]:
    """Return the variables that a part of a query may bind."""
    match node.name:
        case "BGP":
            return {str(one) for triple in node.triples for one in triple if isinstance(one, Variable)}
        case "Join" | "Union" | "LeftJoin":
            return _scope(node.p1) | _scope(node.p2)
        case "Minus":
            return _scope(node.p1)
        case "Graph":
            return _scope(node.p) | {str(one) for one in [node.term] if isinstance(one, Variable)}
        case "Extend":
            return _scope(node.p) | {str(node.var)}
        case "values":
            return {str(name) for row in node.res for name in row}
        case "Project":
            return {str(one) for one in node.PV}
        case "Filter" | "ToMultiSet" | "Distinct" | "Reduced" | "OrderBy":
            return _scope(node.p)
    raise UnanalysableError(str(node.name))


def _tests(expression: Any) -> Iterator[Any]:
    """Yield the EXISTS and NOT EXISTS of an expression."""
    if isinstance(expression, list):
        for one in expression:
            yield from _tests(one)
    elif isinstance(expression, CompValue):
        if expression.name in _EXISTS:
            yield expression
        else:
            for key, one in expression.items():
                if key != "_vars":
                    yield from _tests(one)


def _is_only_tests(expression: Any) -> bool:
    if not isinstance(expression, CompValue):
        return False
    if expression.name == "ConditionalAndExpression":
        return all(_is_only_tests(one) for one in (expression.expr, *expression.other))
    return expression.name in _EXISTS
