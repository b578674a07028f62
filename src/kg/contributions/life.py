"""The life of contributions: submit, send back, accept, reject, withdraw, correct, retract."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import pyoxigraph as ox

from kg import names, turtle
from kg.config import Settings
from kg.contributions import composing, records
from kg.contributions.intake import Judged, clean, require_fine, required, take_revision
from kg.contributions.journal import Change, Journal, locked
from kg.contributions.people import CONTRIBUTOR, REVIEWER, Person, check_name
from kg.contributions.publishing import FOLDER, Publication, sum_line
from kg.contributions.records import Contribution
from kg.contributions.takeover import Kept
from kg.errors import (
    DamagedError,
    NotAllowedError,
    NotFoundError,
    Problem,
    UsageError,
    WrongStateError,
)
from kg.turtle import Statement

Progress = Callable[[str], None]
_CLAIM = re.compile(re.escape(names.CLAIM) + r"contribution/([0-9a-f]{12})/([0-9]{4})\Z")


def _silent(message: str) -> None:
    """Say nothing."""


class Contributions:
    """
    All contributions of a project.

    Opening it does what a crash left undone. Contributions whose files are damaged are told of in `problems`
    and refused by name; the others are served.

    Args:
        settings: Of the project.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.path(FOLDER)
        self.journal = Journal(self.folder)
        self._damaged: dict[str, Problem] = {}
        self.problems: list[Problem] = []
        self.reopen()

    def reopen(self) -> None:
        """Replay the journal, take what the files have and it lacks, and look for damage."""
        kept = Kept(self.journal)
        kept.open()
        self.problems, self._damaged = kept.problems, kept.damaged

    # --- asking -------------------------------------------------------------------------------------

    def get(self, id: str) -> Contribution:
        """
        Return a contribution.

        Args:
            id: Its twelve digits, or the first of them where they tell it from others.

        Raises:
            NotFoundError: There is none.
            DamagedError: Its files are damaged.
        """
        if id in self._damaged:
            raise self._refuse(id)
        content = self.journal.find(records.record_path(id)) if re.fullmatch("[0-9a-f]{12}", id) else None
        if content is not None:
            return records.from_bytes(content)
        near = [one.id for one in self.list() if one.id.startswith(id)] if len(id) >= 4 else []
        if len(near) == 1:
            return self.get(near[0])
        raise NotFoundError(
            f"no contribution is named {id!r}: kg contributions lists them.", name=id, near=near[:5]
        )

    def list(self, *, state: str | None = None) -> Sequence[Contribution]:
        """
        Return the contributions that are not damaged, oldest first, perhaps only those in one state.

        Raises:
            UsageError: That is no state.
        """
        if state is not None and state not in records.STATES:
            raise UsageError(f"{state!r} is not a state: expected one of {', '.join(records.STATES)}.")
        found = [
            records.from_bytes(content)
            for path, content in self.journal.read(".kept/*/record.json")
            if path.split("/")[1] not in self._damaged
        ]
        wanted = [one for one in found if state in (None, one.state)]
        return sorted(wanted, key=lambda one: (one.history[0].on, one.id))

    def original(self, id: str, number: int | None = None) -> bytes:
        """Return the bytes of a contribution as they were sent, by default those sent last."""
        record = self.get(id)
        revisions = [one for one in record.revisions if number in (None, one.number)]
        if not revisions:
            raise NotFoundError(f"contribution {record.id} has no revision {number}.", name=str(number))
        return self._bytes(revisions[-1].path)

    def find_same(self, content: bytes) -> Contribution | None:
        """Return the contribution that was sent with these bytes."""
        return self._find_same(self.journal, hashlib.sha256(content).hexdigest())

    def quads(self, id: str) -> Sequence[ox.Quad]:
        """Return what a contribution says, in draft graphs."""
        return _parse(self._bytes(self.get(id).current.quads))

    def copies(self, id: str) -> dict[str, str]:
        """Return the contributor's copies of documents, by slug, as far as they are at hand."""
        found = {slug: self.journal.find(path) for slug, path in self.get(id).current.copies.items()}
        return {slug: content.decode() for slug, content in found.items() if content is not None}

    def statements(self, id: str) -> Sequence[Statement]:
        """Return what a contribution says, under the names that it gets or has in the graph."""
        record = self.get(id)
        if record.claims:
            return self._published(record)
        return composing.to_published(self.quads(record.id), record)

    # --- the contributor's steps ---------------------------------------------------------------------

    def submit(
        self,
        content: bytes,
        *,
        name: str,
        contributor: Person,
        verdict: Judged,
        media_type: str = "",
        copies: Mapping[str, str] | None = None,
        replaces: Collection[str] = (),
    ) -> Contribution:
        """
        Take a contribution that was found fine; when this returns, it is durable.

        Args:
            content: The bytes as sent.
            name: The file's name.
            contributor: Who sends it.
            verdict: What was said of it.
            media_type: As sent.
            copies: Texts of documents that its passages were proved in, by slug.
            replaces: Published claims of other contributions that it corrects.

        Returns:
            The contribution; the one there is, with `is_new` false, where the same bytes came before.

        Raises:
            DataError: The verdict refuses it.
            StorageFullError: The disk is full; nothing was taken.
        """
        contributor.require(CONTRIBUTOR)
        check_name(contributor.name)
        require_fine(content, verdict, limit=self.settings.max_body_bytes)
        digest = hashlib.sha256(content).hexdigest()
        id = digest[:12]
        found = self._find_same(self.journal, digest)
        if found:
            return found
        for old, claims in _by_contribution(replaces).items():
            self.get(old).require("correct")
            self._require_claims(self.get(old), claims)
        with self.journal.change() as change:
            found = self._find_same(change, digest)
            if found:
                return found
            if change.find(records.record_path(id)) is not None:
                raise WrongStateError(f"contribution {id} is another one: change a byte and send it again.")
            revision = take_revision(change, id, 1, content, name, media_type, verdict, copies or {})
            record = Contribution(
                id, contributor.name, records.SUBMITTED, (revision,), (), tuple(sorted(set(replaces)))
            )
            record = record.after("submitted", contributor.name, records.SUBMITTED, on=revision.on)
            change.write(records.record_path(id), records.to_bytes(record))
        return replace(record, is_new=True)

    def resubmit(
        self,
        id: str,
        content: bytes,
        *,
        name: str,
        contributor: Person,
        verdict: Judged,
        media_type: str = "",
        copies: Mapping[str, str] | None = None,
        remark: str = "",
    ) -> Contribution:
        """
        Take a new revision of a contribution that was sent back or withdrawn.

        Raises:
            DataError: The verdict refuses it.
            NotAllowedError: Somebody else contributed it.
            WrongStateError: It was neither sent back nor withdrawn, or these bytes are another contribution.
            UsageError: Nothing has changed since it was sent back.
        """
        require_fine(content, verdict, limit=self.settings.max_body_bytes)
        digest = hashlib.sha256(content).hexdigest()

        def step(change: Change, record: Contribution) -> Contribution:
            self._require_own(record, contributor)
            if record.state == records.SUBMITTED and record.current.digest == digest:
                return record  # sent twice: the first answer was lost
            record.require("resubmit")
            other = self._find_same(change, digest)
            if other and other.id != record.id:
                raise WrongStateError(f"these bytes are contribution {other.id} already.", id=other.id)
            if record.state == records.SENT_BACK and record.current.digest == digest:
                raise UsageError("nothing has changed since it was sent back: expected another text.")
            number = len(record.revisions) + 1
            revision = take_revision(
                change, record.id, number, content, name, media_type, verdict, copies or {}
            )
            record = replace(record, revisions=(*record.revisions, revision))
            return record.after(
                "resubmitted", contributor.name, records.SUBMITTED, on=revision.on, remark=clean(remark)
            )

        return self._step(id, step)

    def withdraw(self, id: str, *, by: Person, remark: str = "") -> Contribution:
        """
        Take a contribution out of the queue; it may be resubmitted.

        Raises:
            NotAllowedError: Somebody else contributed it.
            WrongStateError: It is in no queue.
        """

        def step(_: Change, record: Contribution) -> Contribution:
            self._require_own(record, by)
            record.require("withdraw")
            return record.after("withdrawn", by.name, records.WITHDRAWN, remark=clean(remark))

        return self._step(id, step)

    # --- the reviewer's steps ------------------------------------------------------------------------

    def send_back(self, id: str, *, by: Person, remarks: str) -> Contribution:
        """
        Ask the contributor for another revision.

        Raises:
            NotAllowedError: They are no reviewer, or it is their own.
            WrongStateError: It is not in the queue.
        """
        return self._review(id, by, "send back", "sent back", records.SENT_BACK, remarks)

    def reject(self, id: str, *, by: Person, reason: str) -> Contribution:
        """
        Refuse a contribution for good.

        Raises:
            NotAllowedError: They are no reviewer, or it is their own.
            WrongStateError: It is not in the queue.
        """
        return self._review(id, by, "reject", "rejected", records.REJECTED, reason)

    def accept(self, id: str, *, by: Person, remark: str = "", progress: Progress = _silent) -> Contribution:
        """
        Publish a contribution; when this returns, a version with it is the current one.

        The graph with it is held to all shapes and checks first. One publication at a time.

        Raises:
            NotAllowedError: They are no reviewer, or it is their own.
            WrongStateError: It is not in the queue, or changed meanwhile.
            DataError: With it the graph is not fine; everything is as before.
            StorageFullError: The disk is full; everything is as before.
        """
        with self._publishing():
            record = self.get(id)
            self._require_reviewer(record, by)
            record.require("accept")
            said = composing.to_published(self.quads(record.id), record)
            accepted = record.after("accepted", by.name, records.ACCEPTED, remark=clean(remark))
            accepted = replace(accepted, claims=composing.claims_of(said))
            publication = Publication(self.settings, self.journal, progress)
            publication.add(record, accepted, said)
            for old_id, claims in _by_contribution(record.replaces).items():
                old = self.get(old_id)
                old.require("correct")
                self._require_claims(old, claims)
                publication.take_out(
                    old, claims, "corrected", records.CORRECTED, by=by.name, corrected_by=record.id, also=said
                )
            publication.run()
        return accepted

    def retract(
        self, claims: Collection[str], *, by: Person, reason: str, progress: Progress = _silent
    ) -> Sequence[Contribution]:
        """
        Take claims of accepted contributions out of the graph; a record with reason and time stays.

        Args:
            claims: IRIs of claims.
            by: A reviewer, or who contributed them.
            reason: Why.
            progress: Called with one line at each step.

        Raises:
            NotAllowedError: They are neither.
            WrongStateError: A claim is not in the graph.
            NotFoundError: A claim is not of a contribution.
            DataError: Without them the graph is not fine; everything is as before.
        """
        text = required(reason, "a reason")
        with self._publishing():
            publication = Publication(self.settings, self.journal, progress)
            for id, some in _by_contribution(claims).items():
                record = self.get(id)
                if not _is_same(record.contributor, by):
                    by.require(REVIEWER)
                record.require("retract")
                self._require_claims(record, some)
                publication.take_out(record, some, "retracted", records.RETRACTED, by=by.name, remark=text)
            publication.run()
        return [self.get(id) for id in _by_contribution(claims)]

    # --- damage --------------------------------------------------------------------------------------

    def restore(self, id: str) -> None:
        """
        Write the files of a contribution as they were written last.

        Raises:
            NotFoundError: There is no such contribution.
        """
        self._require_known(id)
        for pattern in (f"{id}.trig", f".kept/{id}/*", f".copies/{id}/*"):
            self.journal.restore(pattern)
        self.reopen()

    def keep(self, id: str) -> None:
        """
        Take the file of an accepted contribution as it is now, because somebody mended it by hand.

        Raises:
            NotFoundError: There is no such contribution, or no file.
            DataError: The file does not parse.
        """
        self._require_known(id)
        path = self.folder / f"{id}.trig"
        if not path.is_file():
            raise NotFoundError(f"{path} is not there: expected the file to keep.", name=str(path))
        content = path.read_bytes()
        turtle.read(content.decode("utf-8"))
        with self.journal.change() as change:
            change.write(f"{id}.trig", content)
            change.write(f".kept/{id}/published.sha256", sum_line(content, id))
        self.reopen()

    # --- inside --------------------------------------------------------------------------------------

    def _step(self, id: str, step: Callable[[Change, Contribution], Contribution]) -> Contribution:
        whole = self.get(id).id
        with self.journal.change() as change:
            record = records.from_bytes(change.find(records.record_path(whole)) or b"")
            after = step(change, record)
            if after is not record:
                change.write(records.record_path(whole), records.to_bytes(after))
        return after

    def _review(self, id: str, by: Person, verb: str, step: str, state: str, remark: str) -> Contribution:
        text = required(remark, "remarks" if state == records.SENT_BACK else "a reason")

        def review(_: Change, record: Contribution) -> Contribution:
            self._require_reviewer(record, by)
            record.require(verb)
            return record.after(step, by.name, state, remark=text)

        return self._step(id, review)

    def _find_same(self, where: Change | Journal, digest: str) -> Contribution | None:
        path = where.find_digest(digest, ".kept/*/sent-*")
        content = where.find(records.record_path(path.split("/")[1])) if path else None
        return records.from_bytes(content) if content else None

    def _publishing(self) -> AbstractContextManager[None]:
        return locked(self.folder / ".publishing.lock")

    def _published(self, record: Contribution) -> Sequence[Statement]:
        return turtle.read(self._bytes(f"{record.id}.trig").decode("utf-8")).statements

    def _bytes(self, path: str) -> bytes:
        content = self.journal.find(path)
        if content is None:
            raise DamagedError(f"{self.folder / path} is not there.", path=str(self.folder / path))
        return content

    def _require_own(self, record: Contribution, person: Person) -> None:
        if not _is_same(record.contributor, person):
            raise NotAllowedError(
                f"contribution {record.id} is {record.contributor}'s: only they may do that.",
                name=person.name,
                id=record.id,
            )

    def _require_reviewer(self, record: Contribution, person: Person) -> None:
        person.require(REVIEWER)
        if _is_same(record.contributor, person):
            raise NotAllowedError(
                f"contribution {record.id} is {person.name}'s own: another reviewer has to decide.",
                name=person.name,
                id=record.id,
            )

    def _require_claims(self, record: Contribution, claims: Collection[str]) -> None:
        for claim in claims:
            if claim not in record.claims:
                taken = next((one for one in record.history if claim in one.claims), None)
                how = f"was {taken.step} on {taken.on[:10]}" if taken else "is not in the graph"
                raise WrongStateError(f"{claim} {how}.", id=record.id, claim=claim, state=record.state)

    def _require_known(self, id: str) -> None:
        if self.journal.find(records.record_path(id)) is None:
            raise NotFoundError(f"no contribution is named {id!r}: kg contributions lists them.", name=id)

    def _refuse(self, id: str) -> DamagedError:
        one = self._damaged[id]
        return DamagedError(f"contribution {id} is damaged: {one}", id=id, path=str(one.path), fix=one.fix)


def _by_contribution(claims: Iterable[str]) -> dict[str, list[str]]:
    """
    Group claims by the contribution that they are of.

    Raises:
        NotFoundError: One is of none.
    """
    found: dict[str, list[str]] = {}
    for claim in sorted(set(claims)):
        match = _CLAIM.match(claim)
        if match is None:
            raise NotFoundError(
                f"{claim} is not a claim of a contribution: expected {names.CLAIM}contribution/…/0001. "
                "Claims of data/documents are changed in their files.",
                name=claim,
            )
        found.setdefault(match[1], []).append(claim)
    return found


def _parse(content: bytes) -> list[ox.Quad]:
    return list(ox.parse(content, format=ox.RdfFormat.N_QUADS))


def _is_same(name: str, person: Person) -> bool:
    return Person(name).slug == person.slug
