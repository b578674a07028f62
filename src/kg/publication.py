"""
Check, infer and publish one version: whole or not at all.

A version is named by the date of its newest claim and by what made it, files and code: the same input has
the same name on every machine, and what is served is never written to again.

What a build needs is imported where it is used: a start with nothing to build pays for none of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyoxigraph as ox

import kg
from kg import names
from kg.config import Settings
from kg.dataset import (
    Dataset,
    Snapshot,
    build_lock,
    find_snapshot,
    fingerprint,
    load_dataset,
    write_snapshot,
)
from kg.errors import DataError, Problem

if TYPE_CHECKING:
    from kg.evidence import SourceRuns

Progress = Callable[[str], None]
_ANSWERING = ("api", "cli", "client", "contents.py", "engine", "mcp")
_REFERENCE_FILE = ox.NamedNode(names.LAT + "referenceFile")
_CURATED_ON = ox.NamedNode(names.LAT + "curatedOn")


def _silent(message: str) -> None:
    """Say nothing."""


def check(settings: Settings, *, progress: Progress = _silent) -> list[Problem]:
    """
    Return all that is wrong with the files: none means that a build would publish them all.

    Files that do not even load are told of first, alone: nothing more could be said of them.
    """
    try:
        return _prepare(settings, progress).damaged
    except DataError as error:
        return error.problems


def is_current(snapshot: Snapshot, settings: Settings) -> bool:
    """Tell whether a version was made of the files and the code as they are now."""
    found = (snapshot.manifest.get("fingerprint"), snapshot.manifest.get("code"))
    return found == (made_of(settings.root), code_digest())


def publish(
    settings: Settings, *, progress: Progress = _silent, commit: Callable[[], None] | None = None
) -> Snapshot:
    """
    Publish the files as a version, unless the current version is of just these files.

    One build at a time; others wait for it and take its result. On any error everything stays as it was.
    An accepted contribution whose file is damaged is told of and left out.

    Args:
        settings: Where the files are and where to build.
        progress: Called with one line at each step.
        commit: Called once, when the version is on disk and not yet the current one; if it raises, it
            never is.

    Raises:
        DataError: The files are not fine; holds every problem.
        MissingPartError: The folder is not the root of a project.
    """
    found = find_snapshot(settings)
    if found is not None and is_current(found, settings) and commit is None:
        return found
    with build_lock(settings, waiting=lambda: progress("waiting for another build to end")):
        found = find_snapshot(settings)
        if found is None or not is_current(found, settings):
            return _build(settings, progress, commit or (lambda: None))
        if commit is not None:
            commit()
        return found


def made_of(root: Path) -> str:
    """Return what stands for the files of a version: those of the graph, and the questions told in it."""
    digest = hashlib.sha256(fingerprint(root).encode())
    for path in sorted((root / "queries").rglob("*.rq")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def code_digest() -> str:
    """Return what stands for the code that makes a version: all but what only asks or answers."""
    folder = Path(kg.__file__).parent
    digest = hashlib.sha256(kg.__version__.encode())
    for path in sorted(folder.rglob("*.py")):
        if path.relative_to(folder).parts[0] not in _ANSWERING:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _build(settings: Settings, progress: Progress, commit: Callable[[], None]) -> Snapshot:
    files = made_of(settings.root)
    dataset = _prepare(settings, progress)
    version = _version(dataset.store, files)
    progress("describing")
    _describe(dataset, version)
    progress("writing the version")
    manifest = {
        "fingerprint": files,
        "code": code_digest(),
        "software": kg.__version__,
        "prefixes": dict(dataset.prefixes),
    }
    return write_snapshot(dataset.store, settings, version=version, manifest=manifest, commit=commit)


def _prepare(settings: Settings, progress: Progress) -> Dataset:
    """Load, check and infer; raise every problem, each with its place."""
    progress("reading the files")
    dataset = load_dataset(settings.root)
    for one in dataset.damaged:
        progress(str(one))
    progress(f"checking {len(dataset.files)} files")
    problems = [
        *validate(dataset, settings),
        *_check_evidence(dataset, settings, progress),
        *_check_queries(dataset),
    ]
    if problems:
        raise DataError(_placed(one, dataset) for one in problems)
    progress("inferring")
    try:
        infer(dataset, progress=progress)
    except DataError as error:
        raise DataError(_placed(one, dataset) for one in error.problems) from error
    return dataset


def validate(dataset: Dataset, settings: Settings) -> list[Problem]:
    """Hold a dataset to the shapes and the checks."""
    from kg import validation

    return validation.check(dataset, settings)


def _check_evidence(dataset: Dataset, settings: Settings, progress: Progress) -> list[Problem]:
    """Hold the passages to the reference texts that are at hand; those that are not are told of."""
    from kg import evidence

    problems = []
    for quad in dataset.store.quads_for_pattern(None, _REFERENCE_FILE, None, None):
        assert isinstance(quad.subject, ox.NamedNode) and isinstance(quad.object, ox.Literal)
        path = settings.documents_path / quad.object.value
        problems += _check_exceptions(settings.root, quad.subject.value)
        record = evidence.load_document(dataset.store, quad.subject.value)
        if not path.is_file():
            path = evidence.find_kept(settings.root, path.name, record.reference_digest) or path
        if not path.is_file():
            slug = quad.subject.value.removeprefix(names.DOCUMENT)
            progress(f"not holding the passages of {slug} to its text: {path} is not there")
            continue
        text = path.read_bytes().decode("utf-8", errors="replace")
        found = evidence.digest_file_text(text)
        if found != record.reference_digest:
            message = (
                f"{path} is not the reference text: its digest is {found}, "
                f"expected {record.reference_digest}. "
                "Usual cause: another edition, or line ends were changed."
            )
            problems.append(Problem(message, subject=record.iri, fix="put the reference text there"))
            continue
        passages = evidence.load_passages(dataset.store, record.iri)
        problems += evidence.check_passages(passages, text)
        problems += _check_wording(dataset, record.iri, evidence.SourceRuns([text]))
    return problems


def _check_wording(dataset: Dataset, document: str, runs: SourceRuns) -> list[Problem]:
    """Refuse texts in a document's claims that repeat a long run of its words; addresses are no texts."""
    claims = names.CLAIM + document.removeprefix(names.DOCUMENT) + "/"
    problems = []
    for subject, predicate, text, claim in dataset.store:
        is_text = isinstance(text, ox.Literal) and text.datatype.value != names.XSD + "anyURI"
        if not (is_text and isinstance(claim, ox.NamedNode) and claim.value.startswith(claims)):
            continue
        for shared in runs.find_runs(text.value):
            place = dataset.locate(subject.value, predicate=predicate.value, graph=claim.value)
            message = (
                f"{dataset.prefixes.compress(predicate.value)} repeats words of the document in a row "
                f"(“{shared.words}”): expected a text in our own words, since it is not ours to republish."
            )
            path, line = place or (None, None)
            problems.append(Problem(message, path, line, fix="say it in other words", subject=subject.value))
    return problems


def _check_exceptions(root: Path, document: str) -> list[Problem]:
    """Read the list of what in a document is no fact, if it has one."""
    from kg import evidence

    slug = document.removeprefix(names.DOCUMENT)
    path = root / "data" / "documents" / slug / "not-facts.yaml"
    try:
        if path.is_file():
            evidence.load_exceptions(path)
    except DataError as error:
        return error.problems
    return []


def _check_queries(dataset: Dataset) -> list[Problem]:
    """Read every question, so that a bad header stops the build and not the service."""
    from kg import templates

    try:
        templates.load_templates(dataset.root, dataset.prefixes)
    except DataError as error:
        return error.problems
    return []


def infer(dataset: Dataset, *, progress: Progress = _silent) -> None:
    """Add the graph of what is inferred, and the date bounds, to a dataset's store."""
    import rdflib

    from kg import reasoning

    ontology = ox.NamedNode(names.ONTOLOGY_GRAPH)
    content = dataset.store.dump(format=ox.RdfFormat.N_TRIPLES, from_graph=ontology)
    graph = rdflib.Graph().parse(data=content, format="nt")
    rules = [*reasoning.compile_rules(graph), *reasoning.load_rules(dataset.root)]
    reasoning.infer(dataset.store, rules, progress=progress)
    reasoning.date_bounds(dataset.store)


def _describe(dataset: Dataset, version: str) -> None:
    """Add what the version says of itself."""
    from kg import descriptions, templates

    kept = templates.load_templates(dataset.root, dataset.prefixes).values()
    examples = [
        descriptions.Example(
            key=one.key,
            comment=f"{one.title}. {one.description}",
            keywords=(one.topic, *one.tags),
            query=one.query,
        )
        for one in kept
    ]
    descriptions.describe(dataset.store, version=version, prefixes=dataset.prefixes, examples=examples)


def _placed(problem: Problem, dataset: Dataset) -> Problem:
    """Give a problem that names only its subject the file and line where that is written."""
    found = dataset.locate(problem.subject) if problem.subject and problem.path is None else None
    return replace(problem, path=found[0], line=found[1]) if found else problem


def _version(store: ox.Store, files: str) -> str:
    """Name a version by the newest claim's date, if any, and twelve digits of what it was made of."""
    digits = hashlib.sha256(f"{files}{code_digest()}".encode()).hexdigest()[:12]
    found = store.quads_for_pattern(None, _CURATED_ON, None, None)
    dates = [one.object.value for one in found if isinstance(one.object, ox.Literal)]
    newest = max(dates, default="")
    return f"{newest[:10]}-{digits}" if newest else digits
