"""Tests of `kg.dataset`: every bad file gets one message with its place; what is written is read back."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pyoxigraph as ox
import pytest

from kg.config import Settings
from kg.dataset import (
    EXPORTS,
    Snapshot,
    build_lock,
    count,
    export,
    find_prefixes,
    find_snapshot,
    find_sources,
    fingerprint,
    format_files,
    format_text,
    hold,
    load_dataset,
    write_snapshot,
)
from kg.dataset import snapshot as snapshot_module
from kg.errors import DataError, MissingPartError, NotAcceptableError, NotFoundError, Problem
from kg.names import CLAIM, ID, INFERRED_GRAPH, LAT, PASSAGE, SHAPES_GRAPH

REAL = Path(__file__).parents[1]
MEETINGS = "data/documents/demo/meetings.trig"
HEAD = "@prefix id: <https://w3id.org/lateral/id/> .\n@prefix lat: <https://w3id.org/lateral/ontology#> .\n"


def problems_of(root: Path) -> list[Problem]:
    """Return what is wrong with a project."""
    with pytest.raises(DataError) as caught:
        load_dataset(root)
    return caught.value.problems


def append(path: Path, text: str) -> None:
    """Write more at the end of a file."""
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_find_sources_lists_every_file_with_its_graph(project: Path) -> None:
    """Each folder has one kind and one graph; hidden files and README.md are passed over."""
    (project / "data" / ".DS_Store").write_text("x")
    (project / "data" / "README.md").write_text("x")
    (project / "data" / "documents" / "demo" / "not-facts.yaml").write_text("")
    found = {one.path.relative_to(project).as_posix(): (one.kind, one.graph) for one in find_sources(project)}
    assert len(found) == 11
    assert found[MEETINGS] == ("claims", None)
    assert found["data/open/almanac/islands.ttl"] == ("open", "https://w3id.org/lateral/graph/open/almanac")
    assert found["data/documents/demo/not-facts.yaml"] == ("exceptions", None)


@pytest.mark.parametrize(
    "stray", ["data/entities/state.ttl~", "data/notes.txt", "shapes/deep/x.ttl", "data/documents/a.trig"]
)
def test_find_sources_refuses_a_file_that_nothing_reads(project: Path, stray: str) -> None:
    """Nothing is silently ignored."""
    (project / stray).parent.mkdir(exist_ok=True, parents=True)
    (project / stray).write_text("")
    with pytest.raises(DataError) as caught:
        find_sources(project)
    assert [one.path for one in caught.value.problems] == [project / stray]
    assert "expected" in caught.value.message


def test_load_dataset_outside_a_project_says_where_to_go(tmp_path: Path) -> None:
    """The wrong folder is named, with the option that mends it."""
    with pytest.raises(MissingPartError, match="--root"):
        load_dataset(tmp_path)


def test_load_dataset_puts_each_triple_into_its_graph(project: Path) -> None:
    """Named graphs only; the counts are those of the files."""
    dataset = load_dataset(project)
    assert not list(dataset.store.quads_for_pattern(None, None, None, ox.DefaultGraph()))
    held = count(dataset.store)
    assert (held["claims"], held["passages"], held["documents"], held["entities"]) == (2, 2, 1, 4)
    assert held["graphs"]["claim graphs"] == 3
    assert held["triples"] <= held["quads"]


def test_locate_finds_file_and_line_of_block_and_predicate(project: Path) -> None:
    """The defining block first; a predicate where it is written; a graph by its head."""
    dataset = load_dataset(project)
    assert dataset.locate(ID + "marrow") == (project / "data/entities/state.ttl", 6)
    label = dataset.locate(ID + "marrow", predicate="http://www.w3.org/2004/02/skos/core#altLabel")
    assert label == (project / "data/entities/state.ttl", 8)
    chaired = dataset.locate(ID + "gull-rock-meeting", predicate=LAT + "chairedBy")
    assert chaired == (project / MEETINGS, 19)
    assert dataset.locate(CLAIM + "demo/0001", predicate=LAT + "evidence") == (project / MEETINGS, 27)
    assert dataset.locate(ID + "gull-rock-meeting", graph=CLAIM + "demo/0001") == (project / MEETINGS, 13)
    assert dataset.locate(PASSAGE + "demo/0001#selector") == (project / MEETINGS, 48)
    assert dataset.locate(ID + "nobody") is None


def test_locate_finds_a_claim_without_record_by_its_graph(project: Path) -> None:
    """A claim that nothing is said about is found by where its graph opens."""
    append(project / MEETINGS, "\ndemo-claim:0003 {\n  id:skerry lat:p id:marrow .\n}\n")
    assert load_dataset(project).locate(CLAIM + "demo/0003") == (project / MEETINGS, 66)


SYNTAX = [
    # text, line, column, words of the message, words of the fix
    ("id:a a lat:State\nid:b a lat:State .", 4, 1, "expected ' .', ' ;'", "end line 3 with ' .'"),
    ("id:a a lat:State ;\n  lat:p id:b\n\n  lat:q id:c .", 6, 3, "is not ended", "end line 4 with ' .'"),
    ("id:a a lat:State", 3, 17, "the file ends inside a statement", "end line 3 with ' .'"),
    ("id:a a lat:State\n\n", 5, 1, "the file ends inside a statement", "end line 3 with ' .'"),
    ('id:a lat:p "open ;\n  lat:q id:b .\n', 3, 12, "string that opens here", 'with "'),
    ('id:a lat:p "x" ; lat:q "open .\nid:b lat:p "y" .\n', 3, 24, "string that opens here", 'with "'),
    ("id:a a lta:State .", 3, 8, "nearest there is 'lat'", "write lta:State".replace("lta", "lat")),
    (
        "id:a skos:note 1 .",
        3,
        6,
        "'skos' is not declared",
        "@prefix skos: <http://www.w3.org/2004/02/skos/core#> .",
    ),
    ("id:a zzzzzz:note 1 .", 3, 6, "nor in ontology/prefixes.ttl", "write the IRI in full"),
    ("id:a lat:p yes .", 3, 12, "expected an IRI", '"yes"@en'),
    ("id:a lat:p id:b , .", 3, 19, "expected an IRI", "delete the ' ,'"),
    ("id:a lat:p <b c> .", 3, 12, "not a whole IRI", "prefixed name"),
    ("id:a lat:p <b> .", 3, 12, "not a whole IRI", "prefixed name"),
    ('id:a lat:p "a\\q" .', 3, 14, "escape", None),
    ("id:g { id:a lat:p id:b }", 3, 6, "predicate", "only .trig files"),
    ("\ufeff", 1, 1, "byte order mark", "without BOM"),
    ("<<<<<<< HEAD\nid:a lat:p id:b .", 3, 7, "merge conflict", "keep one side"),
]


@pytest.mark.parametrize(("text", "line", "column", "message", "fix"), SYNTAX)
def test_load_dataset_explains_a_syntax_error(
    project: Path, text: str, line: int, column: int, message: str, fix: str | None
) -> None:
    """One message for one slip: file, line, column, what was expected, how to mend it."""
    path = project / "data/entities/zone.ttl"
    path.write_text(text + HEAD if text == "\ufeff" else HEAD + text, encoding="utf-8")
    (problem,) = problems_of(project)
    assert (problem.path, problem.line, problem.column) == (path, line, column)
    assert message in problem.message
    assert "expected" in problem.message or "prefix" in problem.message or "conflict" in problem.message
    assert fix is None or fix in str(problem.fix)


@pytest.mark.parametrize(
    ("text", "line", "message", "fix"),
    [
        ("\ndemo-claim:0003 {\n  id:skerry lat:p id:marrow .\n", 68, "inside a statement or a graph", "' }'"),
        ("\ndemo-claim:0003 { id:skerry lat:p id:marrow . } }\n", 66, "subject", "delete it"),
        (
            "\ndemo-claim:0003 {\n  id:skerry lat:p id:marrow\n  lat:q id:marrow .\n}\n",
            68,
            "not ended",
            "line 67",
        ),
        (
            "\ndemo-claim:0003 {\n  id:skerry lat:p id:marrow ;\n    lat:q id:marrow\n    lat:r id:marrow .\n"
            "}\n\ndemo-claim:0004 {\n  id:skerry lat:p id:marrow .\n}\n",
            69,
            "not ended",
            "line 68",
        ),
        ("\ndemo-claim:0003 {\n  id:skerry lta:p id:marrow .\n}\n", 67, "prefix 'lta'", "write lat:p"),
    ],
)
def test_load_dataset_explains_a_broken_graph(
    project: Path, text: str, line: int, message: str, fix: str
) -> None:
    """Braces are told of too; what only follows from a slip in a graph is not."""
    append(project / MEETINGS, text)
    (problem,) = problems_of(project)
    assert problem.line == line
    assert message in problem.message
    assert fix in str(problem.fix)


def test_load_dataset_tells_all_problems_of_all_files(project: Path) -> None:
    """Reading goes on after an error, in the file and beyond; the order is that of files and lines."""
    (project / "data/entities/aa.ttl").write_text(
        HEAD + "id:a lat:p yes .\nid:b lat:p 1 .\nid:c lat:p no .\n"
    )
    (project / "shapes").mkdir(exist_ok=True)  # git keeps no empty folder
    (project / "shapes/bad.ttl").write_bytes(b'<urn:a> <urn:b> "\xff" .')
    (project / "data/entities/zz.ttl").write_text("@prefix id: <http://elsewhere/> .\nid:a a id:B .\n")
    found = [(one.path.relative_to(project).as_posix(), one.line) for one in problems_of(project) if one.path]
    assert found == [
        ("data/entities/aa.ttl", 3),
        ("data/entities/aa.ttl", 5),
        ("data/entities/zz.ttl", 1),
        ("shapes/bad.ttl", 1),
    ]


def test_load_dataset_tells_an_unknown_prefix_once(project: Path) -> None:
    """Forty uses of one wrong prefix are one problem."""
    lines = "".join(f"id:a{number} a lit:State .\n" for number in range(40))
    (project / "data/entities/zone.ttl").write_text(HEAD + lines)
    assert len(problems_of(project)) == 1


def test_load_dataset_refuses_a_prefix_bound_otherwise(project: Path) -> None:
    """A prefix means one thing everywhere."""
    (project / "data/entities/zone.ttl").write_text(HEAD.replace("/id/", "/ids/") + "id:a a lat:State .")
    (problem,) = problems_of(project)
    assert problem.line == 1
    assert problem.fix == "@prefix id: <https://w3id.org/lateral/id/> ."


def test_load_dataset_refuses_an_entity_in_two_files(project: Path) -> None:
    """Both places are named, with their lines."""
    (project / "data/entities/zone.ttl").write_text(HEAD + "\nid:marrow a lat:Zone .\n")
    (problem,) = problems_of(project)
    assert (problem.path, problem.line) == (project / "data/entities/zone.ttl", 4)
    assert f"{project / 'data/entities/state.ttl'}:6" in problem.message
    assert problem.subject == ID + "marrow"


def test_load_dataset_refuses_two_blocks_of_one_entity_in_a_file(project: Path) -> None:
    """A name that was given twice in one file is seen as well."""
    append(project / "data/entities/state.ttl", "\nid:marrow a lat:State .\n")
    (problem,) = problems_of(project)
    assert problem.line == 14


@pytest.mark.parametrize("other", [MEETINGS, "data/documents/demo/more.trig"])
def test_load_dataset_refuses_a_claim_or_passage_written_twice(project: Path, other: str) -> None:
    """Copies of a claim's graph, its record and a passage are told of, in one file or two."""
    text = (project / MEETINGS).read_text()
    copied = (
        "demo-claim:0001 {\n  id:skerry lat:p id:marrow .\n}\ngraph:claims { demo-claim:0002 a lat:Claim }\n"
    )
    copied += "graph:passages { demo-passage:0001 a lat:Passage }\n"
    head = text[: text.index("\n\n") + 2] if other != MEETINGS else ""
    (project / other).touch()
    append(project / other, head + copied)
    found = problems_of(project)
    assert len(found) == 3
    assert all("twice" in one.message and one.path == project / other for one in found)


def test_load_dataset_refuses_blank_nodes_in_data_with_their_lines(project: Path) -> None:
    """Data must be citable; ontology and shapes may nest."""
    (project / "data/entities/zone.ttl").write_text(
        HEAD + "id:a lat:p [ lat:q 1 ] .\n_:b lat:p 1 .\nid:c lat:p () ."
    )
    (project / "shapes").mkdir(exist_ok=True)
    (project / "shapes/x.ttl").write_text("<urn:s> <urn:p> [ <urn:q> ( 1 2 ) ] .")
    assert [one.line for one in problems_of(project)] == [3, 4]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("id:skerry lat:p id:marrow .\n", 65, "outside any claim"),
        ("<https://w3id.org/lateral/claim/other/1> { id:skerry lat:p id:marrow }\n", 65, "does not belong"),
        ("graph:entities { id:skerry lat:p id:marrow }\n", 65, "does not belong"),
        ("graph:claims { <https://w3id.org/lateral/claim/other/1> a lat:Claim }\n", 65, "does not belong"),
        ("graph:passages {\n  id:skerry a lat:Passage }\n", 66, "does not belong"),
    ],
)
def test_load_dataset_refuses_triples_in_the_wrong_graph(
    project: Path, text: str, line: int, words: str
) -> None:
    """A document's folder holds claims and passages of that document only."""
    append(project / MEETINGS, text)
    (problem,) = problems_of(project)
    assert problem.line == line
    assert words in problem.message


def test_fingerprint_changes_with_every_byte_and_name(project: Path) -> None:
    """Content, names and rules count; templates do not."""
    before = fingerprint(project)
    assert before == fingerprint(project)
    append(project / "queries/meetings/chairs.rq", "\n")
    assert fingerprint(project) == before
    seen = {before}
    (project / "data/entities/person.ttl").rename(project / "data/entities/people.ttl")
    seen.add(fingerprint(project))
    (project / "queries/rules").mkdir(exist_ok=True)
    (project / "queries/rules/a.rq").write_text("CONSTRUCT {} WHERE {}")
    seen.add(fingerprint(project))
    append(project / "data/entities/people.ttl", "\n")
    assert len({*seen, fingerprint(project)}) == 4


@pytest.fixture
def written(settings: Settings) -> Snapshot:
    """Publish the small project as version one."""
    store = load_dataset(settings.root).store
    store.add(
        ox.Quad(
            ox.NamedNode(ID + "x"),
            ox.NamedNode(LAT + "p"),
            ox.NamedNode(ID + "y"),
            ox.NamedNode(INFERRED_GRAPH),
        )
    )
    store.add(
        ox.Quad(
            ox.NamedNode(ID + "x"),
            ox.NamedNode(LAT + "p"),
            ox.NamedNode(ID + "y"),
            ox.NamedNode(CLAIM + "demo/9"),
        )
    )
    store.add(
        ox.Quad(
            ox.NamedNode(ID + "s"),
            ox.NamedNode(LAT + "p"),
            ox.NamedNode(ID + "y"),
            ox.NamedNode(SHAPES_GRAPH),
        )
    )
    return write_snapshot(store, settings, version="one", manifest={"fingerprint": "f"})


def test_write_snapshot_merges_each_triple_once_without_shapes(written: Snapshot, settings: Settings) -> None:
    """The default graph is the merge; the manifest counts what the file holds."""
    assert find_snapshot(settings) == written
    quads = list(ox.parse(path=str(written.quads_path), format=ox.RdfFormat.N_QUADS))
    flat = [one for one in quads if one.graph_name == ox.DefaultGraph()]
    assert len(flat) == len(set(flat)) == written.manifest["counts"]["triples"]
    assert len(quads) - len(flat) == written.manifest["counts"]["quads"]
    subjects = [getattr(one.subject, "value", "") for one in flat]
    assert subjects.count(ID + "x") == 1
    assert ID + "s" not in subjects
    assert written.prefixes["demo-claim"] == CLAIM + "demo/"


def test_write_snapshot_gives_the_same_bytes_each_time(settings: Settings) -> None:
    """The same files make the same bytes, blank nodes of the ontology included."""
    append(settings.path("ontology", "tiny.ttl"), "lat:x lat:p [ lat:q ( 1 2 ) ] .\n")
    one, two = (
        write_snapshot(load_dataset(settings.root).store, settings, version=name, manifest={})
        for name in ("1", "2")
    )
    assert one.quads_path.read_bytes() == two.quads_path.read_bytes()


def test_write_snapshot_leaves_everything_when_it_fails(
    written: Snapshot, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that fails leaves the version there was, and nothing half written."""

    def fail(path: Path, content: bytes) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(snapshot_module, "_write_durably", fail)
    with pytest.raises(OSError, match="disk full"):
        write_snapshot(ox.Store(), settings, version="two", manifest={})
    assert find_snapshot(settings) == written
    assert [one.name for one in written.path.parent.iterdir()] == ["one"]


@pytest.mark.parametrize("damage", ["dataset.nq", "manifest.json"])
def test_find_snapshot_passes_over_a_damaged_version_and_it_can_be_written_again(
    written: Snapshot, settings: Settings, damage: str
) -> None:
    """A truncated file is not served; building again repairs it."""
    (written.path / damage).write_bytes(b"")
    assert find_snapshot(settings) is None
    write_snapshot(load_dataset(settings.root).store, settings, version="one", manifest={})
    assert find_snapshot(settings) is not None


def test_write_snapshot_keeps_three_versions_and_those_that_are_held(
    written: Snapshot, settings: Settings
) -> None:
    """What a service holds is never tidied away under it."""
    store = load_dataset(settings.root).store
    with hold(written):
        for name in ("two", "three", "four", "five"):
            write_snapshot(store, settings, version=name, manifest={})
        assert {one.name for one in written.path.parent.iterdir()} == {"one", "three", "four", "five"}
    write_snapshot(store, settings, version="six", manifest={})
    assert {one.name for one in written.path.parent.iterdir()} == {"four", "five", "six"}


def test_build_lock_lets_one_through_at_a_time(settings: Settings) -> None:
    """The second waits, and says so."""
    import threading

    waited = threading.Event()

    def second() -> None:
        with build_lock(settings, waiting=waited.set):
            pass

    with build_lock(settings, waiting=lambda: pytest.fail("nobody else builds")):
        thread = threading.Thread(target=second)
        thread.start()
        assert waited.wait(5)
        assert thread.is_alive()
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.parametrize("name", sorted(EXPORTS))
def test_export_writes_what_parses_back(written: Snapshot, name: str) -> None:
    """Each format holds all quads, or all triples of the merge."""
    stream = io.BytesIO()
    export(written, name, stream)
    rdf_format, is_named = EXPORTS[name]
    found = {*ox.parse(stream.getvalue(), format=rdf_format)}
    counts = written.manifest["counts"]
    assert len(found) == counts["quads" if is_named else "triples"]


def test_export_refuses_an_unknown_format(written: Snapshot) -> None:
    """The formats there are are listed."""
    with pytest.raises(NotAcceptableError, match="trig"):
        export(written, "docx", io.BytesIO())


def test_format_files_changes_nothing_that_is_canonical(project: Path) -> None:
    """The small project is written as `kg format` writes."""
    assert format_files([project / "data"], check=True, prefixes=find_prefixes(project)) == []


def test_format_files_checks_or_writes(project: Path) -> None:
    """--check leaves the file; without it the file is canonical afterwards."""
    path = project / "data/entities/zone.ttl"
    path.write_bytes(b'PREFIX x: <https://w3id.org/lateral/id/>\r\nx:b a x:C .\r\nx:a x:p "01"^^x:t .\r\n')
    prefixes = find_prefixes(project)
    assert format_files([project / "data"], check=True, prefixes=prefixes) == [path]
    assert b"PREFIX" in path.read_bytes()
    assert format_files([path], check=False, prefixes=prefixes) == [path]
    assert path.read_text() == (
        '@prefix id: <https://w3id.org/lateral/id/> .\n\nid:a id:p "01"^^id:t .\n\nid:b a id:C .\n'
    )


def test_format_files_loses_nothing_silently(project: Path) -> None:
    """Comments, empty graphs and blank nodes are refused with their lines, and no file is touched."""
    good, bad = project / "data/entities/a.ttl", project / "data/entities/b.trig"
    good.write_text(HEAD + "id:b a lat:C . id:a a lat:C .")
    bad.write_text("# note\n<urn:a> <urn:b> '# not one' . # one\n<urn:g> { }\n")
    with pytest.raises(DataError) as caught:
        format_files([good, bad], check=False, prefixes=find_prefixes(project))
    assert [(one.path, one.line) for one in caught.value.problems] == [(bad, 1), (bad, 2), (bad, 3)]
    assert "skos:editorialNote" in str(caught.value.problems[0].fix)
    assert good.read_text().endswith("id:b a lat:C . id:a a lat:C .")
    bad.write_text("<urn:a> <urn:b> [] .")
    with pytest.raises(DataError, match="blank node"):
        format_files([bad], check=True, prefixes=find_prefixes(project))
    bad.write_bytes(b"\xff")
    with pytest.raises(DataError, match="UTF-8"):
        format_files([bad], check=True, prefixes=find_prefixes(project))


@pytest.mark.parametrize("name", ["nowhere.ttl", "documents/demo.txt"])
def test_format_files_refuses_what_it_cannot_format(project: Path, name: str) -> None:
    """A wrong path is an error, not nothing to do."""
    with pytest.raises(NotFoundError, match=Path(name).name):
        format_files([project / name], check=True, prefixes=find_prefixes(project))


def test_format_text_tells_syntax_errors(project: Path) -> None:
    """Bad text is refused with line and column."""
    with pytest.raises(DataError, match="is not ended"):
        format_text("<urn:a> <urn:b> <urn:c>\n<urn:d> <urn:e> <urn:f> .", ".ttl", find_prefixes(project))


def test_format_leaves_the_old_file_when_writing_fails(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is replaced whole or not at all."""

    def fail(**_: object) -> Callable[..., None]:
        raise OSError("disk full")

    path = project / "data/entities/zone.ttl"
    path.write_text("<urn:b> a <urn:c> . <urn:a> a <urn:c> .")
    monkeypatch.setattr("tempfile.mkstemp", fail)
    with pytest.raises(OSError, match="disk full"):
        format_files([path], check=False, prefixes=find_prefixes(project))
    assert path.read_text() == "<urn:b> a <urn:c> . <urn:a> a <urn:c> ."


def test_real_data_is_formatted() -> None:
    """Everything below data/ is as `kg format` writes it."""
    assert format_files([REAL / "data"], check=True, prefixes=find_prefixes(REAL)) == []
