"""
Rules: each is one SPARQL CONSTRUCT; run to their fixpoint over the data, and backwards to explain a triple.

The fixpoint is semi-naive: after the first round a rule runs only where one of its patterns reads a triple of
the round before (kept in a graph of its own), so a round costs what it adds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import rdflib
from pyoxigraph import BlankNode, DefaultGraph, Literal, NamedNode, Quad, QuerySolutions, QueryTriples, Store
from pyoxigraph import Triple as OxTriple
from rdflib.paths import Path as PropertyPath
from rdflib.plugins.sparql import prepareQuery

from kg.errors import DataError, Problem
from kg.names import CATALOG_GRAPH, INFERRED_GRAPH, ONTOLOGY_GRAPH, RDF, SHAPES_GRAPH

Node = NamedNode | BlankNode | Literal
Triple = tuple[NamedNode | BlankNode, NamedNode, Node]

TYPE = f"<{RDF}type>"
NOT_READ = frozenset({ONTOLOGY_GRAPH, SHAPES_GRAPH, CATALOG_GRAPH, INFERRED_GRAPH})
"""Graphs that inference does not read: they describe terms, shapes and files, not the world."""

_DELTA = NamedNode("urn:lateral:delta")
_VARIABLE = re.compile(r"\?(\w+)\Z")


@dataclass(frozen=True, slots=True)
class Pattern:
    """
    One triple pattern; each place is a SPARQL token.

    >>> str(Pattern("?x", "<urn:p>", "?y"))
    '?x <urn:p> ?y .'
    """

    subject: str
    predicate: str
    object: str

    def __str__(self) -> str:
        return f"{self.subject} {self.predicate} {self.object} ."

    @property
    def key(self) -> tuple[str, str]:
        """What the pattern reads: a predicate, or a class of rdf:type; "" is any."""
        predicate = "" if _VARIABLE.match(self.predicate) else self.predicate
        about_class = predicate == TYPE and not _VARIABLE.match(self.object)
        return predicate, self.object if about_class else ""


@dataclass(frozen=True, slots=True)
class Rule:
    """
    One rule: where the body holds, the head holds.

    Args:
        name: Unique name, e.g. `subClassOf(lat:State lat:Actor)`.
        axiom: The axiom or the file that it comes from.
        head: The triple that it adds.
        body: The triple patterns that it reads.
        where: The text between the braces of WHERE; for a compiled rule, the body.
        header: PREFIX lines that `where` needs.
        compiled: Whether `where` is the body and nothing else.
    """

    name: str
    axiom: str
    head: Pattern
    body: tuple[Pattern, ...]
    where: str
    header: str = ""
    compiled: bool = True

    @property
    def sparql(self) -> str:
        """The rule as SPARQL CONSTRUCT."""
        return f"{self.header}CONSTRUCT {{ {self.head} }}\nWHERE {{ {self.where} }}"


@dataclass(frozen=True, slots=True)
class Derivation:
    """One way in which a rule yields a triple: the triples that it read."""

    rule: Rule
    premises: tuple[Triple, ...]


def make_rule(name: str, head: Pattern, body: Sequence[Pattern], *, axiom: str = "") -> Rule:
    """
    Make a rule of plain patterns.

    >>> make_rule("r", Pattern("?y", "<urn:q>", "?x"), [Pattern("?x", "<urn:p>", "?y")]).sparql
    'CONSTRUCT { ?y <urn:q> ?x . }\\nWHERE { ?x <urn:p> ?y . }'
    """
    return Rule(name, axiom or name, head, tuple(body), " ".join(map(str, body)))


def load_rules(root: Path) -> list[Rule]:
    """
    Read the rules that the ontology cannot say, `queries/rules/*.rq`, in name order.

    Each file is one CONSTRUCT; a template of several triples makes several rules.

    Raises:
        DataError: Files that are not such a query; all of them.
    """
    rules: list[Rule] = []
    problems: list[Problem] = []
    for path in sorted((root / "queries" / "rules").glob("*.rq")):
        try:
            rules += _read_rules(path)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return rules


def _read_rules(path: Path) -> list[Rule]:
    text = path.read_text(encoding="utf-8")
    try:
        algebra = prepareQuery(text).algebra
    except Exception as error:  # the parser raises many kinds; all mean the same here
        message = f"not a SPARQL query: {str(error).splitlines()[0]}"
        raise DataError([Problem(message, path, fix="run it with `kg query` to see the place")]) from error
    if algebra.name != "ConstructQuery" or not algebra.template:
        raise DataError([Problem("expected one CONSTRUCT { … } WHERE { … } query", path)])
    opening = re.search(r"\bCONSTRUCT\b", text, re.IGNORECASE)
    closing = re.search(r"\bWHERE\s*\{", text, re.IGNORECASE)
    if opening is None or closing is None:
        raise DataError([Problem("expected CONSTRUCT { … } WHERE { … } in full", path)])
    heads = [_pattern(one) for one in algebra.template]
    body = tuple(_pattern(one) for one in _triples_of(algebra.p) if not isinstance(one[1], PropertyPath))
    where = text[closing.end() : text.rindex("}")].strip()
    header = re.sub(r"(?m)^\s*#.*$\n?", "", text[: opening.start()])
    names = [path.stem] if len(heads) == 1 else [f"{path.stem}#{n}" for n in range(1, len(heads) + 1)]
    return [
        Rule(name, f"queries/rules/{path.name}", head, body, f"{where}\n", header, compiled=False)
        for name, head in zip(names, heads, strict=True)
    ]


def _pattern(triple: Sequence[rdflib.term.Node]) -> Pattern:
    return Pattern(*(one.n3() for one in triple))


def _triples_of(algebra: object) -> Iterator[Sequence[rdflib.term.Node]]:
    """Yield the triple patterns that must hold: those in groups and joins, not in OPTIONAL, UNION or
    FILTER."""
    name = getattr(algebra, "name", "")
    if name == "BGP":
        yield from algebra.triples  # type: ignore[attr-defined]
    elif name == "Join":
        yield from _triples_of(algebra.p1)  # type: ignore[attr-defined]
        yield from _triples_of(algebra.p2)  # type: ignore[attr-defined]
    elif name in {"LeftJoin", "Minus"}:
        yield from _triples_of(algebra.p1)  # type: ignore[attr-defined]
    elif hasattr(algebra, "p"):
        yield from _triples_of(algebra.p)


def infer(store: Store, rules: Sequence[Rule], *, progress: Callable[[str], None] | None = None) -> int:
    """
    Run the rules to their fixpoint and put what they add into `graph:inferred`, which is emptied first.

    Read are all named graphs but ontology, shapes, catalogue and the inferred one. A triple that is asserted
    in any
    graph is not written.

    Args:
        store: Named graphs; `graph:inferred` is replaced.
        rules: From `compile_rules` and `load_rules`.
        progress: Called with one line per round.

    Returns:
        How many triples `graph:inferred` now holds, in triples.
    """
    target = NamedNode(INFERRED_GRAPH)
    store.clear_graph(target)
    work = Store()
    quads = [one for one in store if getattr(one.graph_name, "value", "") not in NOT_READ]
    work.bulk_extend(Quad(one.subject, one.predicate, one.object, DefaultGraph()) for one in quads)
    added = saturate(work, rules, progress=progress)
    fresh = [one for one in added if next(store.quads_for_pattern(*one, None), None) is None]
    store.bulk_extend(Quad(*one, target) for one in fresh)
    return len(fresh)


def saturate(
    work: Store, rules: Sequence[Rule], *, progress: Callable[[str], None] | None = None
) -> set[Triple]:
    """Add to the default graph all that the rules yield from it; return what was added."""
    added: set[Triple] = set()
    jobs = [_query(one, None) for one in rules]
    for number in range(1, 10_000):
        new: set[Triple] = set()
        for text in jobs:
            found = cast(QueryTriples, work.query(text))
            new.update(cast(Triple, (one.subject, one.predicate, one.object)) for one in found)
        new -= added
        if progress:
            progress(f"inference, round {number}: {len(new)} new triples")
        if not new:
            break
        added |= new
        work.clear_graph(_DELTA)
        work.extend(Quad(*one, graph) for one in new for graph in (DefaultGraph(), _DELTA))
        jobs = _jobs_for(rules, new)
    work.remove_graph(_DELTA)
    return added


def _jobs_for(rules: Sequence[Rule], new: Iterable[Triple]) -> list[str]:
    """Return the queries that could yield more, given what the last round added."""
    keys = {("", "")}
    for _, predicate, value in new:
        keys |= {(str(predicate), ""), (str(predicate), str(value))}
    jobs = []
    for rule in rules:
        if not rule.compiled:
            jobs.append(_query(rule, None))
        else:
            jobs += [_query(rule, n) for n, one in enumerate(rule.body) if one.key in keys]
    return jobs


def _query(rule: Rule, changed: int | None) -> str:
    """Write the rule for one round: body pattern `changed` reads the last round only, if it is given."""
    where = rule.where
    if changed is not None:
        rest = [str(one) for n, one in enumerate(rule.body) if n != changed]
        where = " ".join([f"GRAPH {_DELTA} {{ {rule.body[changed]} }}", *rest])
    return f"{rule.header}CONSTRUCT {{ {rule.head} }} WHERE {{ {where} FILTER NOT EXISTS {{ {rule.head} }} }}"


def explain(store: Store, triple: Triple | OxTriple, rules: Iterable[Rule]) -> list[Derivation]:
    """
    Find every rule that yields a triple, and the triples that it read, by running the rule backwards.

    One step: a premise may itself be inferred; ask again for it. Derivations that rest on the triple itself
    are left out.

    Args:
        store: The store that `infer` filled.
        triple: The inferred triple.
        rules: The rules that `infer` ran.

    Returns:
        The derivations, in rule order; none if no rule yields the triple.
    """
    wanted = cast(Triple, (triple[0], triple[1], triple[2]))
    found: list[Derivation] = []
    for rule in rules:
        bindings = _match(rule.head, wanted)
        if bindings is not None:
            found += _derivations(store, rule, bindings, wanted)
    return found


def _match(head: Pattern, triple: Triple) -> dict[str, Node] | None:
    bindings: dict[str, Node] = {}
    for token, value in zip((head.subject, head.predicate, head.object), triple, strict=True):
        variable = _VARIABLE.match(token)
        if variable is None:
            if token != str(value):
                return None
        elif bindings.setdefault(variable[1], value) != value:
            return None
    return bindings


def _derivations(store: Store, rule: Rule, bindings: dict[str, Node], wanted: Triple) -> list[Derivation]:
    values = "".join(f"VALUES ?{name} {{ {value} }} " for name, value in bindings.items())
    text = f"{rule.header}SELECT DISTINCT * WHERE {{ {values} {rule.where} }}"
    solutions = cast(QuerySolutions, store.query(text, use_default_graph_as_union=True))
    names = {one.value for one in solutions.variables}
    seen: dict[tuple[Triple, ...], None] = {}
    for solution in solutions:
        ground = [
            _ground(one, {n: solution[n] for n in names if solution[n] is not None}) for one in rule.body
        ]
        premises = tuple(one for one in ground if one is not None)
        if wanted not in premises:
            seen[premises] = None
    return [Derivation(rule, one) for one in sorted(seen, key=str)]


def _ground(pattern: Pattern, bindings: dict[str, object]) -> Triple | None:
    """Fill a pattern; None where a variable is bound only inside an EXISTS."""
    places: list[object] = []
    for token in (pattern.subject, pattern.predicate, pattern.object):
        variable = _VARIABLE.match(token)
        places.append(bindings.get(variable[1]) if variable else _constant(token))
    return None if None in places else cast(Triple, tuple(places))


def _constant(token: str) -> NamedNode | Literal:
    if token.startswith("<"):
        return NamedNode(token[1:-1])
    given = rdflib.util.from_n3(token)
    assert isinstance(given, rdflib.Literal)
    if given.language:
        return Literal(str(given), language=given.language)
    return (
        Literal(str(given), datatype=NamedNode(str(given.datatype)))
        if given.datatype
        else Literal(str(given))
    )
