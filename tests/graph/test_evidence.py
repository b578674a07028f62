"""Every passage of the project against the reference texts; no run of the documents' words in any file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pyoxigraph import NamedNode, RdfFormat, Store

from kg.evidence import (
    Exceptions,
    Passage,
    SourceRuns,
    check_passages,
    coverage,
    digest_file_text,
    load_document,
    load_exceptions,
    load_passages,
    load_sections,
    read_copy,
    verify,
    words,
)
from kg.evidence.republication import plain_words
from kg.names import DOCUMENT, ENTITIES_GRAPH

ROOT = Path(__file__).parents[2]
REFERENCES = ROOT.parent / "shared" / "documents"
FOLDERS = sorted(path for path in (ROOT / "data" / "documents").glob("*") if any(path.glob("*.trig")))
# Titles of works and bodies longer than eleven words, one a line: the only runs that may be shared.
TITLES = Path(__file__).with_name("titles.txt")
MAX_FILE_BYTES = 8_000_000

needs_references = pytest.mark.skipif(
    not any(REFERENCES.glob("*.txt")), reason="the source documents are not beside the project (../shared)"
)
each_document = pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.name))


@pytest.fixture(scope="module")
def store() -> Store:
    """Load claims and entities, each entity file into its graph."""
    loaded = Store()
    for path in sorted((ROOT / "data" / "documents").glob("*/*.trig")):
        loaded.load(path=str(path), format=RdfFormat.TRIG)
    for path in sorted((ROOT / "data" / "entities").glob("*.ttl")):
        loaded.load(path=str(path), format=RdfFormat.TURTLE, to_graph=NamedNode(ENTITIES_GRAPH))
    return loaded


def read_reference(store: Store, folder: Path) -> tuple[str, list[Passage]]:
    """Return a document's reference text and its passages."""
    record = load_document(store, folder.name)
    return read_copy(REFERENCES / record.reference_file), load_passages(store, folder.name)


@each_document
def test_document_has_passages(store: Store, folder: Path) -> None:
    """A folder of claims without passages would make every other test here pass unseen."""
    assert load_passages(store, folder.name)


@needs_references
@each_document
def test_document_record_agrees_with_its_reference_file(store: Store, folder: Path) -> None:
    """The digest and the length are those of the file on disk."""
    record = load_document(store, folder.name)
    text = read_copy(REFERENCES / record.reference_file)
    assert record.reference_digest == digest_file_text(text)
    assert record.code_points == len(text)


@needs_references
@each_document
def test_every_passage_agrees_with_the_reference_text(store: Store, folder: Path) -> None:
    """Bounds, 600 code points, first and last words, digest and word count."""
    text, passages = read_reference(store, folder)
    assert [str(one.subject) + " " + one.message for one in check_passages(passages, text)] == []


@needs_references
@each_document
def test_every_passage_is_found_when_the_copy_has_other_line_ends(store: Store, folder: Path) -> None:
    """A preface and CRLF move every passage; none gets lost."""
    text, passages = read_reference(store, folder)
    copy = "A preface.\r\n\r\n" + text.replace("\n", "\r\n")
    found = verify(passages, copy, code_points=len(text))
    assert [one.passage.iri for one in found if one.outcome == "missing"] == []


@needs_references
@each_document
def test_every_passage_names_a_section_of_its_own_document(store: Store, folder: Path) -> None:
    """A section of the other document would be a slip of the prefix."""
    _, passages = read_reference(store, folder)
    own = f"{DOCUMENT}{folder.name}/"
    wrong = [one.iri for one in passages if one.section and not one.section.startswith(own)]
    assert wrong == []


@needs_references
@each_document
def test_every_sentence_is_covered_or_excepted(store: Store, folder: Path) -> None:
    """No factual sentence is left; what is said to state no fact anchors, and no passage covers it."""
    text, passages = read_reference(store, folder)
    path = folder / "not-facts.yaml"
    exceptions = load_exceptions(path) if path.is_file() else Exceptions()
    found = coverage(text, passages, exceptions, sections=load_sections(store, folder.name, text))
    assert [str(one) for one in found.problems] == []
    assert [one.line for one in found.uncovered] == []


@needs_references
def test_no_file_of_the_project_republishes_the_documents() -> None:
    """No twelve words in a row of either document stand in any file, titles excepted by name."""
    runs = SourceRuns(read_copy(path) for path in sorted(REFERENCES.glob("*.txt")))
    listed = TITLES.read_text(encoding="utf-8").splitlines() if TITLES.is_file() else []
    titles = [" ".join(one.text for one in read(line)) for line in listed for read in (words, plain_words)]
    found = []
    files = list_files()
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        shared = [one for one in runs.find_runs(text) if not any(one.words in title for title in titles)]
        found += [f"{path.relative_to(ROOT)}:{one.line}: {one.words}" for one in shared]
    assert len(files) > 20
    assert found == []


def list_files() -> list[Path]:
    """List the files that git tracks or would track."""
    command = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout: there is no list of the project's files")
    paths = (ROOT / name for name in listed)
    return [path for path in paths if path.is_file() and path.stat().st_size <= MAX_FILE_BYTES]
