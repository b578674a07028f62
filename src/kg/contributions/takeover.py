"""Opening the folder: what a crash left is finished, what came through git is taken, damage is told of."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kg import turtle
from kg.contributions import records
from kg.contributions.journal import Journal
from kg.contributions.publishing import PEOPLE
from kg.contributions.records import Contribution
from kg.errors import DataError, Problem


class Kept:
    """
    What lies in the folder of contributions.

    Args:
        journal: Of that folder.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.folder = journal.folder
        self.problems: list[Problem] = []
        self.damaged: dict[str, Problem] = {}

    def open(self) -> None:
        """Bring journal and files together."""
        wrong = self.journal.replay()
        known = self.journal.known()
        ids = {path.parent.name for path in self.folder.glob(".kept/*/record.json")}
        for id in sorted(ids):
            path = f".kept/{id}/record.json"
            if path not in known or path in wrong:
                self._take(id, is_known=path in known, wrong=wrong)
        if PEOPLE in wrong:
            self._take_people()
            del wrong[PEOPLE]
        for path, reason in wrong.items():
            self._tell(path, reason)

    def _take(self, id: str, *, is_known: bool, wrong: dict[str, str]) -> None:
        """Take a contribution as its files have it, if they are whole and forget nothing."""
        path = f".kept/{id}/record.json"
        try:
            files = self._files(id)
            record = records.from_bytes(files[path])
            if is_known:
                old = records.from_bytes(self.journal.find(path) or b"")
                if not records.begins_with(record.history, old.history):
                    raise ValueError("it is not what was written, nor what came after it")
        except (ValueError, OSError) as error:
            wrong[path] = str(error)
            return
        self.journal.adopt(files)
        for one in files:
            wrong.pop(one, None)

    def _files(self, id: str) -> dict[str, bytes]:
        """
        Return the files of a contribution.

        Raises:
            ValueError: They do not belong together.
        """
        path = f".kept/{id}/record.json"
        files = {path: (self.folder / path).read_bytes()}
        record = records.from_bytes(files[path])
        if record.id != id or not record.revisions[0].digest.startswith(id):
            raise ValueError("the record is of another contribution")
        for revision in record.revisions:
            for name, digest in (
                (revision.path, revision.digest),
                (revision.quads, revision.quads_digest),
            ):
                files[name] = self._whole(name, digest)
        if _is_published(record):
            name = f".kept/{id}/published.sha256"
            files[name] = (self.folder / name).read_bytes()
            files[f"{id}.trig"] = self._whole(f"{id}.trig", files[name].decode("ascii").split()[0])
        return files

    def _whole(self, name: str, digest: str) -> bytes:
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise ValueError(f"{name} is outside the folder")
        content = (self.folder / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            raise ValueError(f"{name} is not what the record speaks of (its SHA-256 is another)")
        return content

    def _take_people(self) -> None:
        """Take the contributors as somebody edited them; where that does not parse, write them again."""
        try:
            content = (self.folder / PEOPLE).read_bytes()
            turtle.read(content.decode("utf-8"))
        except (OSError, UnicodeDecodeError, DataError):
            self.journal.restore(PEOPLE)
        else:
            self.journal.adopt({PEOPLE: content})

    def _tell(self, path: str, reason: str) -> None:
        parts = path.split("/")
        id = parts[1] if len(parts) > 1 else path.removesuffix(".trig")
        fix = f"kg contributions {id} --restore writes it as it was"
        if path == f"{id}.trig":
            fix += "; --keep takes it as it is"
        is_contribution = path != ".journal.sqlite"
        problem = Problem(
            f"{reason}: it is left out." if is_contribution else f"{reason}.",
            self.folder / path,
            fix=f"{fix}." if is_contribution else None,
            code="damaged-file",
        )
        self.problems.append(problem)
        if is_contribution:
            self.damaged[id] = problem


def _is_published(record: Contribution) -> bool:
    return any(one.step == "accepted" for one in record.history)
