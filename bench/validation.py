"""
Validation of a change beside validation of everything, at three sizes of the graph.

The graph is multiplied in its own shape: ontology, concepts, shapes and descriptions stay single, everything
else comes again under other names. For the smallest size some claims are taken, with what they
speak of. Sizes count the named graphs; their merge is loaded beside them, as it is served.

    PYTHONPATH=src python bench/validation.py [--sizes 20000,200000,2000000] [--write docs/validation.md]
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyoxigraph as ox

from kg import names
from kg.config import Settings
from kg.dataset import find_snapshot
from kg.publication import publish
from kg.validation.affected import Dependencies
from kg.validation.checks import run_checks
from kg.validation.culprits import Checks
from kg.validation.matching import Texts
from kg.validation.overlay import EACH, Overlay, View
from kg.validation.shacl import project, to_rdflib, validate

ROOT = Path(__file__).resolve().parents[1]
CHECKS = ROOT / "queries" / "checks"
CASE = ROOT / "tests" / "cases" / "contributions" / "accepted" / "harbour.trig"
BEGIN, END = "<!-- growth: begin -->", "<!-- growth: end -->"
ROUNDS = 15
LIMIT_MS = 60_000.0  # what would take longer is reckoned from the size before, in brackets
SHAPES = ox.NamedNode(names.SHAPES_GRAPH)
SINGLE = {
    ox.NamedNode(names.GRAPH + one)
    for one in ("catalog", "concepts", "examples", "ontology", "shapes", "void")
}
NEEDED = {ox.NamedNode(names.GRAPH + one) for one in ("concepts", "ontology", "shapes")}
_GROWING = re.compile(rf"(<{re.escape(names.BASE)}(?:id|document|claim|passage)/[^/#>]+)")
_NAMED = re.compile(r'((?:label|altLabel|description)> "(?:[^"\\]|\\.)*)"')
Change = tuple[list[ox.Quad], list[ox.Quad]]
Action = Callable[[], object]


def read_quads(settings: Settings) -> list[ox.Quad]:
    """Return the named graphs of the current version."""
    snapshot = find_snapshot(settings) or publish(settings)
    store = ox.Store()
    store.bulk_load(path=str(snapshot.quads_path), format=ox.RdfFormat.N_QUADS)
    return [one for one in store if isinstance(one.graph_name, ox.NamedNode)]


def grow(quads: list[ox.Quad], size: int) -> ox.Store:
    """Return a store of so many quads in named graphs, or nearly, with their merge beside them."""
    single = [one for one in quads if one.graph_name in SINGLE]
    if size < len(quads):
        single = [one for one in single if one.graph_name in NEEDED]
    rest = [one for one in quads if one.graph_name not in SINGLE]
    store = ox.Store()
    fill(store, single)
    if size < len(quads):
        fill(store, take(rest, size - len(single)))
        return store
    text = serialise(rest)
    for number in range(max(1, round((size - len(single)) / len(rest)))):
        load(
            store, text if number == 0 else _NAMED.sub(rf'\1 {number}"', _GROWING.sub(rf"\1-{number}", text))
        )
    return store


def serialise(quads: Iterable[ox.Quad]) -> str:
    """Return quads as N-Quads, with their triples once more for the merge."""
    lines = []
    for one in quads:
        triple = f"{one.subject} {one.predicate} {one.object}"
        lines.append(f"{triple} {one.graph_name} .\n")
        if one.graph_name != SHAPES:
            lines.append(f"{triple} .\n")
    return "".join(lines)


def load(store: ox.Store, text: str) -> None:
    """Load N-Quads."""
    store.bulk_load(text.encode(), format=ox.RdfFormat.N_QUADS)


def fill(store: ox.Store, quads: Iterable[ox.Quad]) -> None:
    """Load quads and their merge."""
    load(store, serialise(quads))


def take(quads: list[ox.Quad], size: int) -> list[ox.Quad]:
    """Take claims, each with its passages and all that it speaks of, until there are so many quads."""
    store = ox.Store()
    store.extend(quads)
    taken: dict[ox.Quad, None] = {}
    seen: set[object] = set()
    claims = sorted(str(one)[1:-1] for one in store.named_graphs() if str(one)[1:].startswith(names.CLAIM))
    for claim in claims:
        said = list(store.quads_for_pattern(None, None, None, ox.NamedNode(claim)))
        taken |= dict.fromkeys(said)
        left = [ox.NamedNode(claim), *(one.subject for one in said), *(one.object for one in said)]
        while left:
            node = left.pop()
            if node in seen or not isinstance(node, ox.NamedNode):
                continue
            seen.add(node)
            for quad in store.quads_for_pattern(node, None, None, None):
                graph = str(quad.graph_name)[1:-1]
                if graph.startswith(names.GRAPH):
                    taken[quad] = None
                    if graph in (names.CLAIMS_GRAPH, names.PASSAGES_GRAPH):
                        left.append(quad.object)
        if len(taken) >= size:
            break
    return list(taken)


# --- what changes --------------------------------------------------------------------------------------


def new_things(store: ox.Store) -> Change:
    """A contribution about new things: a document, claims with their passages, entities."""
    found = []
    for quad in ox.parse(CASE.read_bytes(), format=ox.RdfFormat.TRIG):
        home = quad.graph_name
        if not isinstance(home, ox.NamedNode):
            subject = str(quad.subject)[1:]
            shared = {names.CLAIM: names.CLAIMS_GRAPH, names.PASSAGE: names.PASSAGES_GRAPH}
            homes = [graph for base, graph in shared.items() if subject.startswith(base)]
            home = ox.NamedNode(homes[0] if homes else names.ENTITIES_GRAPH)
        found.append(ox.Quad(quad.subject, quad.predicate, quad.object, home))
    return sorted(found, key=str)[-50:], []


def known_things(store: ox.Store) -> Change:
    """Fifty statements in five claims about the thing of which most is said."""
    entities = ox.NamedNode(names.ENTITIES_GRAPH)
    label = ox.NamedNode(names.RDFS + "label")
    named = [one.subject for one in store.quads_for_pattern(None, label, None, entities)]
    named = sorted({one for one in named if str(one)[1:].startswith(names.ID)}, key=str)[:2_000]
    hub = max(named, key=lambda one: sum(1 for _ in store.quads_for_pattern(None, None, one, None)))
    kind, records = ox.NamedNode(names.RDF + "type"), ox.NamedNode(names.CLAIMS_GRAPH)
    added = []
    for number in range(5):
        claim = ox.NamedNode(f"{names.CLAIM}draft/{number}")
        added.append(ox.Quad(claim, kind, ox.NamedNode(names.LAT + "Claim"), records))
        for other in named[number * 9 : number * 9 + 8]:
            added.append(ox.Quad(other, ox.NamedNode(names.LAT + "akinTo"), hub, claim))
        added.append(ox.Quad(hub, ox.NamedNode(names.LAT + "akinTo"), named[number], claim))
    return added, []


def retraction(store: ox.Store) -> Change:
    """Claims taken out with their records, fifty statements or some more."""
    claims = sorted(str(one)[1:-1] for one in store.named_graphs() if str(one)[1:].startswith(names.CLAIM))
    removed: list[ox.Quad] = []
    for claim in claims[10:]:
        node = ox.NamedNode(claim)
        removed += store.quads_for_pattern(None, None, None, node)
        removed += store.quads_for_pattern(node, None, None, ox.NamedNode(names.CLAIMS_GRAPH))
        if len(removed) >= 50:
            break
    return [], removed[:50]


CHANGES: dict[str, Callable[[ox.Store], Change]] = {
    "50 statements about new things": new_things,
    "50 statements about the best-known things": known_things,
    "50 statements taken out": retraction,
}


# --- measuring -------------------------------------------------------------------------------------------


def cpu_ms(action: Callable[[], object]) -> float:
    """Return what an action takes of the processor, in milliseconds; other work here does not count."""
    start = time.process_time()
    action()
    return (time.process_time() - start) * 1000


def actions(
    store: ox.Store, changes: dict[str, Change], dependencies: Dependencies, checks: Checks
) -> Iterator[tuple[str, Action]]:
    """Yield what is measured at one size."""
    texts = Texts(Overlay.of(store, ()).before)
    for title, change in changes.items():

        def shapes(change: Change = change) -> object:
            return dependencies.results(Overlay.of(store, *change))

        def rows(change: Change = change) -> object:
            return list(checks.changed_rows(Overlay.of(store, *change), texts))

        rows()  # the texts are read once for a version
        yield f"{title}: shapes", shapes
        yield f"{title}: checks", rows


def whole(store: ox.Store, dependencies: Dependencies) -> dict[str, Action]:
    """Return what validates everything."""

    def named() -> ox.Store:
        found = ox.Store()
        found.bulk_extend(View(store, None, frozenset()).quads(None, None, None, EACH))
        return found

    return {
        "the whole graph: shapes, by pyshacl": lambda: validate(project(named()), dependencies.shapes),
        "the whole graph: checks": lambda: list(run_checks(named(), CHECKS)),
    }


def report(sizes: list[int], *, progress: Callable[[str], None]) -> str:
    """Measure at every size, in turn, and return a table."""
    quads = read_quads(Settings(root=ROOT, documents=Path("nowhere")))
    shapes = to_rdflib(one for one in quads if one.graph_name == SHAPES)
    dependencies, checks = Dependencies(shapes), Checks(CHECKS)
    stores, counts = [], []
    for size in sizes:
        stores.append(grow(quads, size))
        counts.append(sum(1 for one in stores[-1] if isinstance(one.graph_name, ox.NamedNode)))
        progress(f"{counts[-1]:,} quads")
    changes = {title: make(stores[0]) for title, make in CHANGES.items()}  # the same at every size
    timed = [dict(actions(one, changes, dependencies, checks)) for one in stores]
    rows = []
    for title in timed[0]:
        rounds = [[cpu_ms(one[title]) for one in timed] for _ in range(ROUNDS)]
        figures = [statistics.median(column) for column in zip(*rounds, strict=True)]
        rows.append([title, *(f"{one:,.0f} ms" for one in figures), f"{max(figures) / min(figures):.2f}"])
        progress(" | ".join(rows[-1]))
    for title in whole(stores[0], dependencies):
        known: list[tuple[int, float]] = []
        cells = [title]
        for store, count in zip(stores, counts, strict=True):
            expected = known[-1][1] * count / known[-1][0] if known else 0.0
            if expected < LIMIT_MS:
                known.append((count, cpu_ms(whole(store, dependencies)[title])))
            cells.append(
                f"{known[-1][1] / 1000:,.1f} s" if known[-1][0] == count else f"({expected / 1000:,.0f} s)"
            )
        rows.append([*cells, ""])
        progress(" | ".join(rows[-1]))
    head = ["quads in named graphs", *(f"{one:,}" for one in counts), "most / least"]
    lines = [head, ["---", *["--:"] * (len(counts) + 1)], *rows]
    return "".join(f"| {' | '.join(one)} |\n" for one in lines)


def write_between_marks(path: Path, text: str) -> None:
    """Put a table between the marks of a file."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{path} has no marks {BEGIN} and {END}.")
    path.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")


def main() -> None:
    """Measure, print a table, and write it where that is asked."""
    parser = argparse.ArgumentParser(description="Validation of a change beside validation of everything.")
    parser.add_argument("--sizes", default="20000,200000,2000000", help="quads in named graphs, with commas")
    parser.add_argument("--write", type=Path, help="a file with marks, to put the table between")
    options = parser.parse_args()
    sizes = [int(one) for one in options.sizes.split(",")]
    table = report(sizes, progress=lambda line: print(line, flush=True))
    print(table)
    if options.write:
        write_between_marks(options.write, table)


if __name__ == "__main__":
    main()
