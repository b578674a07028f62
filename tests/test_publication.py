"""Tests of `kg.publication`: one version, whole or not at all, and never the one that is served."""

from __future__ import annotations

import multiprocessing
import re
from dataclasses import replace
from pathlib import Path

import pyoxigraph as ox
import pytest

from kg import publication
from kg.config import Settings
from kg.dataset import Dataset, find_snapshot
from kg.errors import DataError, MissingPartError, Problem
from kg.names import CLAIM, ID, INFERRED_GRAPH, LAT

MEETINGS = "data/documents/demo/meetings.trig"


@pytest.fixture(autouse=True)
def _no_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what shapes and checks say: tests of `kg.validation` hold that."""
    monkeypatch.setattr(publication, "validate", lambda dataset, settings: [])


def append(settings: Settings, name: str, text: str) -> None:
    """Write more at the end of a file of the project."""
    path = settings.path(name)
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its bytes, but for the lock."""
    files = (one for one in folder.rglob("*") if one.is_file() and one.name != "lock")
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in files}


def test_publish_checks_infers_and_writes_one_version(settings: Settings) -> None:
    """What the ontology entails is there, in its graph and in the merge."""
    told: list[str] = []
    snapshot = publication.publish(settings, progress=told.append)
    store = ox.Store()
    store.bulk_load(path=str(snapshot.quads_path), format=ox.RdfFormat.N_QUADS)
    meeting, person = ox.NamedNode(ID + "gull-rock-meeting"), ox.NamedNode(ID + "anna-teller")
    graphs = {
        quad.graph_name
        for quad in store.quads_for_pattern(meeting, ox.NamedNode(LAT + "hasParticipant"), person, None)
    }
    assert graphs == {ox.NamedNode(INFERRED_GRAPH), ox.DefaultGraph()}
    assert list(store.quads_for_pattern(meeting, ox.NamedNode(LAT + "earliest"), None, None))
    assert snapshot.version.startswith("2031-06-02-")
    assert snapshot.manifest["counts"]["claims"] == 2
    assert told[0] == "reading the files"
    assert told[-1] == "writing the version"


def test_publish_again_builds_nothing(settings: Settings) -> None:
    """The same files are the same version, found without a build."""
    first = publication.publish(settings)
    told: list[str] = []
    assert publication.publish(settings, progress=told.append) == first
    assert told == []


def test_publish_names_the_same_files_the_same(settings: Settings) -> None:
    """A build elsewhere of the same files has the same name and the same bytes."""
    one = publication.publish(settings)
    two = publication.publish(replace(settings, build=Path("elsewhere")))
    assert one.version == two.version
    assert one.quads_path.read_bytes() == two.quads_path.read_bytes()


def test_publish_builds_anew_when_files_or_code_change(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are part of what a version is; the old one stays as it was."""
    versions = [publication.publish(settings)]
    before = tree(versions[0].path)
    append(settings, MEETINGS, "\ndemo-claim:0003 {\n  id:skerry lat:p id:marrow .\n}\n")
    versions.append(publication.publish(settings))
    monkeypatch.setattr(publication, "code_digest", lambda: "other")
    versions.append(publication.publish(settings))
    assert len({one.version for one in versions}) == 3
    assert tree(versions[0].path) == before
    assert find_snapshot(settings) == versions[2]


@pytest.mark.parametrize(
    "bad", ["id:a lat:p yes .", '\ndemo-claim:0003 { id:skerry lat:date "2031-13"^^xsd:gYearMonth }\n']
)
def test_publish_leaves_everything_when_the_data_is_not_fine(settings: Settings, bad: str) -> None:
    """Syntax or a date that is none: every problem has its place, and nothing on disk changes."""
    publication.publish(settings)
    before = tree(settings.build_path)
    append(settings, MEETINGS, bad)
    with pytest.raises(DataError) as caught:
        publication.publish(settings)
    assert all(one.path and one.line for one in caught.value.problems)
    assert tree(settings.build_path) == before
    assert publication.check(settings) == caught.value.problems


def test_publish_gives_what_validation_finds_its_place(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A problem that names only its subject comes out with file and line; nothing is built."""

    def find(dataset: Dataset, settings: Settings) -> list[Problem]:
        return [Problem("no evidence", subject=CLAIM + "demo/0002"), Problem("odd", subject="urn:unknown")]

    monkeypatch.setattr(publication, "validate", find)
    found = publication.check(settings)
    assert (found[0].path, found[0].line) == (settings.path(MEETINGS), 30)
    assert found[1].path is None
    with pytest.raises(DataError, match="no evidence"):
        publication.publish(settings)
    assert find_snapshot(settings) is None


def test_check_of_good_files_finds_nothing_and_writes_nothing(settings: Settings) -> None:
    """A check is not a build."""
    assert publication.check(settings) == []
    assert not settings.build_path.exists()


def test_publish_outside_a_project_is_a_missing_part(tmp_path: Path) -> None:
    """The wrong folder is told of."""
    with pytest.raises(MissingPartError):
        publication.publish(Settings(root=tmp_path))


def build_and_tell(settings: Settings, queue: multiprocessing.Queue[tuple[str, int]]) -> None:
    """Publish in another process and tell the version and how many steps were taken."""
    publication.validate = lambda dataset, settings: []
    told: list[str] = []
    version = publication.publish(settings, progress=told.append).version
    queue.put((version, told.count("reading the files")))


def test_publish_from_two_processes_builds_once(settings: Settings) -> None:
    """The second waits for the first and takes its result."""
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[tuple[str, int]] = context.Queue()
    both = [context.Process(target=build_and_tell, args=(settings, queue)) for _ in range(2)]
    for one in both:
        one.start()
    results = [queue.get(timeout=60) for _ in both]
    for one in both:
        one.join(10)
    assert len({version for version, _ in results}) == 1
    assert sum(steps for _, steps in results) == 1


def test_build_stops_at_a_digest_that_does_not_match(settings: Settings) -> None:
    """A passage whose digest is not that of the words at its place is told of with its file and line."""
    path = settings.path(MEETINGS)
    text = path.read_text(encoding="utf-8")
    found = re.search(r"lat:digest \"sha256:([0-9a-f]{64})", text)
    assert found
    path.write_text(text.replace(found[1], "0" * 64), encoding="utf-8")
    problems = publication.check(settings)
    assert [one.path for one in problems] == [path]
    assert problems[0].line
    assert "digest" in problems[0].message
    assert problems[0].message.startswith("passage demo/0001: ")
    assert str(problems[0].fix).startswith("cite it again: kg cite demo ")


def test_build_says_which_passages_are_held_to_no_text(settings: Settings) -> None:
    """Without the documents a build goes on, and does not keep silent about it."""
    told: list[str] = []
    publication.publish(replace(settings, documents=Path("nowhere")), progress=told.append)
    (said,) = [one for one in told if "not holding" in one]
    assert "passages of demo" in said
    assert str(settings.root / "nowhere") in said


def test_build_removes_what_an_interrupted_one_left(settings: Settings) -> None:
    """A folder that no build finished takes no version's place."""
    left = settings.build_path / "versions" / ".new-killed"
    left.mkdir(parents=True)
    publication.publish(settings)
    assert not left.exists()


def test_build_stops_at_a_list_of_exceptions_that_does_not_parse(settings: Settings) -> None:
    """What is no fact is read too, whether the document is at hand or not."""
    path = settings.path("data", "documents", "demo", "not-facts.yaml")
    path.write_text("- {", encoding="utf-8")
    for one in (settings, replace(settings, documents=Path("nowhere"))):
        (problem,) = publication.check(one)
        assert (problem.path, problem.line) == (path, 1)


def test_build_stops_at_a_text_that_is_not_the_reference(settings: Settings) -> None:
    """A copy of a document with other bytes than the record says is refused by name."""
    copy = next(settings.documents_path.glob("*.txt"))
    copy.write_bytes(copy.read_bytes() + b"\n")
    problems = publication.check(settings)
    assert len(problems) == 1
    assert str(copy) in problems[0].message
    assert problems[0].fix


def test_build_stops_at_a_text_that_repeats_the_document(settings: Settings) -> None:
    """Twelve words in a row of a document are refused in its claims, with the claim's file and line."""
    words = "Anna Teller chaired the meeting on behalf of Marrow. Three islands sent delegates"
    path = settings.path(MEETINGS)
    text = path.read_text(encoding="utf-8")
    claim = text.index("demo-claim:0001 {") + len("demo-claim:0001 {")
    gist = f'\n  id:anna-teller lat:gist "{words}"@en .'
    path.write_text(text[:claim] + gist + text[claim:], encoding="utf-8")
    problems = publication.check(settings)
    assert [one.path for one in problems] == [path]
    assert problems[0].line == text[:claim].count("\n") + 2
    assert "three islands sent" in problems[0].message


def test_build_stops_at_a_question_with_a_bad_header(settings: Settings) -> None:
    """A question whose header is not fine stops the build, not the service."""
    path = settings.path("queries", "meetings", "broken.rq")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#+ titel: Broken\nSELECT ?a WHERE { ?a ?b ?c }\n", encoding="utf-8")
    problems = publication.check(settings)
    assert problems
    assert {one.path for one in problems} == {path}
