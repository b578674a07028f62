"""The benchmark: the multiplied graph keeps its shape, and the harness runs at a small size."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyoxigraph as ox
import pytest

from bench.__main__ import ROOT, main
from bench.growth import grow, read_shape, write_grown
from bench.mix import Values, make_mix, rotated
from kg.config import Settings
from kg.publication import publish

LAT = "https://w3id.org/lateral/ontology#"


@pytest.fixture(scope="module")
def source() -> Path:
    """Build the graph, if it is not built, and return its file."""
    return publish(Settings(root=ROOT), progress=lambda _: None).quads_path


@pytest.fixture(scope="module")
def grown(source: Path, tmp_path_factory: pytest.TempPathFactory) -> ox.Store:
    """Load the graph at three times its size."""
    path = tmp_path_factory.mktemp("grown") / "3x.nq"
    count = write_grown(source, path, factor=3)
    store = ox.Store()
    store.bulk_load(path=str(path), format=ox.RdfFormat.N_QUADS)
    assert len(store) == count
    return store


def number(store: ox.Store, pattern: str) -> int:
    """Count what matches a pattern."""
    rows = store.query(f"PREFIX lat: <{LAT}> SELECT (COUNT(*) AS ?n) WHERE {{ {pattern} }}")
    assert isinstance(rows, ox.QuerySolutions)
    return int(next(iter(rows))["n"].value)


@pytest.fixture(scope="module")
def original(source: Path) -> ox.Store:
    """Load the graph as it is."""
    store = ox.Store()
    store.bulk_load(path=str(source), format=ox.RdfFormat.N_QUADS)
    return store


def test_the_first_copy_is_the_graph_as_it_is(source: Path) -> None:
    """One copy holds the same statements."""
    lines = source.read_text(encoding="utf-8").splitlines()
    assert sorted("".join(grow(read_shape(source), 1)).splitlines()) == sorted(lines)


def test_the_same_seed_gives_the_same_bytes(source: Path) -> None:
    """Another seed sends other links into the next copy."""
    first, again, other = ("".join(grow(read_shape(source, seed=seed), 2)) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    "pattern",
    [
        "?s a lat:Person",
        "?s a lat:Claim",
        "?s a lat:Passage",
        "?s lat:hasParticipant ?o",
        "?s lat:employsTechnique ?o",
        "GRAPH ?g { ?s lat:involves ?o }",
        "?s lat:earliest ?o",
    ],
)
def test_what_grows_grows_alike(original: ox.Store, grown: ox.Store, source: Path, pattern: str) -> None:
    """Entities, claims, passages and their links come once for each copy."""
    copies = read_shape(source).copies(3)
    assert copies > 3
    assert number(grown, pattern) == copies * number(original, pattern) > 0


@pytest.mark.parametrize("pattern", ["?s a <http://www.w3.org/2002/07/owl#Class>", f"<{LAT}Mediation> ?p ?o"])
def test_what_is_single_stays_single(original: ox.Store, grown: ox.Store, pattern: str) -> None:
    """The ontology is there once."""
    assert number(grown, pattern) == number(original, pattern) > 0


def test_links_keep_their_degrees_and_their_inverses(
    original: ox.Store, grown: ox.Store, source: Path
) -> None:
    """How many links a thing has is spread as before; a link and its inverse go the same way."""
    copies = read_shape(source).copies(3)
    involved = ox.NamedNode(f"{LAT}involves")

    def degrees(store: ox.Store) -> Counter[int]:
        quads = store.quads_for_pattern(None, involved, None, ox.DefaultGraph())
        return Counter(Counter(str(one.object) for one in quads).values())

    assert number(grown, "?s lat:involves ?o FILTER NOT EXISTS { ?o lat:involvedIn ?s }") == 0
    assert sum(degrees(grown).values()) == copies * sum(degrees(original).values())


def test_labels_are_other_labels(original: ox.Store, grown: ox.Store) -> None:
    """A name finds one person, however large the graph."""
    pattern = '?s a lat:Person ; <http://www.w3.org/2000/01/rdf-schema#label> "Vivian Balakrishnan"@en'
    assert number(grown, pattern) == number(original, pattern) == 1


def test_the_harness_measures_our_service(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At a small size: every kind of run gives figures, nothing fails, peers that are missing are named."""
    arguments = f"--source {source} --rounds 1 --connections 1,2 --seconds 0.05 --raw smoke.json"
    chosen = ["--queries", "label,construct,count by type", "--engines", "lateral,oxigraph"]
    assert main([*arguments.split(), *chosen, "--scratch", str(tmp_path)]) == 0
    found = json.loads((ROOT / "build" / "bench" / "smoke.json").read_text())[0]
    ours = [cell for cell in found["cells"] if cell["engine"] == "lateral"]
    assert len(ours) == 3 * 3 * 2
    assert [
        cell for cell in ours if cell["failures"] or not cell["per_second"] or cell["per_second"][0] <= 0
    ] == []
    told = capsys.readouterr()
    assert "| label |" in told.out
    assert found["engines"]["oxigraph"].keys() & {"start_s", "failure"}
    assert "failure" not in found["engines"]["oxigraph"] or "oxigraph: " in told.err


def test_every_query_of_the_mix_answers(original: ox.Store, source: Path) -> None:
    """Each query gives rows on the real graph for some values, and differs from number to number."""
    for question in make_mix(ROOT, Values(source, 1)):
        texts = rotated(question, 0, 36)
        assert len(set(texts)) == 36, question.name
        answers = (original.query(text) for text in texts)
        found = (bool(one) if isinstance(one, ox.QueryBoolean) else next(iter(one), None) for one in answers)
        assert any(found), question.name
