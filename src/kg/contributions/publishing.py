"""Changed files are checked and built in a copy of the project: a publication that fails changes nothing."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyoxigraph as ox

from kg import dataset, publication, turtle
from kg.config import Settings
from kg.contributions import composing, records
from kg.contributions.journal import Journal, told_when_full
from kg.contributions.people import person_iri
from kg.contributions.records import Contribution
from kg.dataset import Snapshot
from kg.errors import DataError, Problem, WrongStateError
from kg.turtle import Statement

FOLDER = "data/contributions"
PEOPLE = "contributors.ttl"
_COPIED = ("ontology", "shapes", "data", "queries")
_STAGE = ".stage-"


class Publication:
    """
    One publication: the files of some contributions change together, or none.

    Args:
        settings: Of the project.
        journal: Of the folder of contributions.
        progress: Called with one line at each step.
    """

    def __init__(self, settings: Settings, journal: Journal, progress: Callable[[str], None]) -> None:
        self.settings = settings
        self.journal = journal
        self.progress = progress
        self.prefixes = dataset.find_prefixes(settings.root)
        self.before: dict[str, bytes | None] = {}
        self.files: dict[str, bytes] = {}
        self.kept: dict[str, bytes] = {}
        self.people: dict[str, str] = {}
        self._store: ox.Store | None = None

    def add(self, before: Contribution, after: Contribution, said: Iterable[Statement]) -> None:
        """Set what a contribution says from now on."""
        content = composing.compose(said, after, self.prefixes)
        path = records.record_path(after.id)
        self.before[path] = self.journal.find(path)
        if self.before[path] != records.to_bytes(before):
            raise _changed(before.id)
        self.files[f"{after.id}.trig"] = content
        self.files[f".kept/{after.id}/published.sha256"] = sum_line(content, after.id)
        self.kept[path] = records.to_bytes(after)
        for name in (after.contributor, *(one.by for one in after.history)):
            self.people.setdefault(person_iri(name), name)

    def take_out(
        self,
        record: Contribution,
        claims: Collection[str],
        step: str,
        state: str,
        *,
        by: str,
        remark: str = "",
        corrected_by: str = "",
        also: Iterable[Statement] = (),
    ) -> None:
        """Take claims out of a contribution, and what then nothing speaks of."""
        gone = tuple(sorted(set(claims)))
        left = tuple(one for one in record.claims if one not in gone)
        after = record.after(
            step,
            by,
            records.ACCEPTED if left else state,
            remark=remark,
            claims=gone,
            corrected_by=corrected_by,
        )
        statements = self.read(record)
        mentioned = composing.mentions_elsewhere(self.store, record.id, statements)
        mentioned |= composing.mentions(also)
        said = composing.take_out(statements, gone, mentioned)
        self.add(record, replace(after, claims=left), said)

    def read(self, record: Contribution) -> list[Statement]:
        """Return what the file of an accepted contribution says."""
        content = self.journal.find(f"{record.id}.trig") or b""
        return turtle.read(content.decode("utf-8")).statements

    @property
    def store(self) -> ox.Store:
        """The graph as the files say it now."""
        if self._store is None:
            self._store = dataset.load_dataset(self.settings.root).store
        return self._store

    def run(self) -> None:
        """Check, build, make the changes last, serve."""
        folder = self.journal.folder
        people = folder / PEOPLE
        text = people.read_text(encoding="utf-8") if people.is_file() else None
        self.files[PEOPLE] = composing.name_people(text, self.people, self.prefixes)

        def commit() -> None:
            with self.journal.change() as change:
                for path, content in self.before.items():
                    if change.find(path) != content:
                        raise _changed(path.split("/")[1])
                for path, content in {**self.files, **self.kept}.items():
                    change.write(path, content)

        changes = {f"{FOLDER}/{path}": content for path, content in self.files.items()}
        publish_with(self.settings, changes, commit=commit, progress=self.progress)


def publish_with(
    settings: Settings,
    changes: Mapping[str, bytes],
    *,
    commit: Callable[[], None],
    progress: Callable[[str], None],
) -> Snapshot:
    """
    Check and build the files with changes, make the changes last, then serve the version.

    Args:
        settings: Of the project.
        changes: New bytes of files, by path below the root.
        commit: Makes the changes last; called when the version is on disk and nobody reads it yet.
        progress: Called with one line at each step.

    Raises:
        DataError: With the changes the files are not fine; everything is as before.
        StorageFullError: The disk is full; everything is as before.
    """
    with told_when_full(settings.build_path), _stage(settings, changes) as stage:
        staged = replace(
            settings,
            root=stage,
            build=settings.build_path.resolve(),
            documents=settings.documents_path.resolve(),
        )
        try:
            return publication.publish(staged, progress=progress, commit=commit)
        except DataError as error:
            raise DataError(_moved(one, stage, settings.root) for one in error.problems) from error


@contextmanager
def _stage(settings: Settings, changes: Mapping[str, bytes]) -> Iterator[Path]:
    settings.build_path.mkdir(parents=True, exist_ok=True)
    for left in settings.build_path.glob(f"{_STAGE}*"):
        shutil.rmtree(left, ignore_errors=True)
    stage = Path(tempfile.mkdtemp(prefix=_STAGE, dir=settings.build_path.resolve()))
    try:
        for name in _COPIED:
            _copy(settings.path(name), stage / name)
        kept = Path("data", "contributions", ".kept")
        for path in settings.path(str(kept)).glob("*/published.sha256"):
            _write(stage / kept / path.parent.name / path.name, path.read_bytes())
        copies = settings.path(FOLDER, ".copies")
        if copies.is_dir():  # the texts that new documents were proved in: held to them again
            (stage / FOLDER).mkdir(parents=True, exist_ok=True)
            (stage / FOLDER / ".copies").symlink_to(copies.resolve(), target_is_directory=True)
        for name, content in changes.items():
            _write(stage / name, content)
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _copy(folder: Path, to: Path) -> None:
    """Copy the files that are not hidden; unlike copytree, the first that fails tells why."""
    to.mkdir(parents=True)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            _copy(path, to / path.name)
        else:
            shutil.copyfile(path, to / path.name)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _moved(problem: Problem, stage: Path, root: Path) -> Problem:
    """Return a problem with its place in the project and not in the copy."""
    message = problem.message.replace(f"{stage}/", "")
    if problem.path is None or not problem.path.is_relative_to(stage):
        return replace(problem, message=message)
    return replace(problem, message=message, path=root / problem.path.relative_to(stage))


def sum_line(content: bytes, id: str) -> bytes:
    """Return the digest of an accepted contribution's file, as `sha256sum` writes it."""
    return f"{hashlib.sha256(content).hexdigest()}  {id}.trig\n".encode()


def _changed(id: str) -> WrongStateError:
    return WrongStateError(f"contribution {id} changed meanwhile: look at it again.", id=id)
