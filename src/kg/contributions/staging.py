"""Publish changed files from a copy of the project: what fails there has changed nothing here."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from kg import publication
from kg.config import Settings
from kg.contributions.journal import told_when_full
from kg.dataset import Snapshot
from kg.errors import DataError, Problem

_COPIED = ("ontology", "shapes", "data", "queries")
_STAGE = ".stage-"


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
