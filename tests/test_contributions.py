"""Tests of `kg.contributions`: nothing wrong, nothing half, nothing lost; who may do what, when."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pyoxigraph as ox
import pytest

from kg import dataset, names, publication
from kg.config import Settings
from kg.contributions import (
    STATES,
    STEPS,
    Contribution,
    Contributions,
    Person,
    Tokens,
    check_name,
    journal,
    preview,
)
from kg.contributions.journal import Journal
from kg.dataset import find_snapshot
from kg.errors import (
    BodyTooLargeError,
    DamagedError,
    DataError,
    NotAllowedError,
    NotFoundError,
    Problem,
    StorageFullError,
    UnknownTokenError,
    UsageError,
    WrongStateError,
)
from kg.validation import Verdict

Serve = Callable[[Settings], AbstractContextManager[httpx.Client]]
ANNA = Person("Anna Teller")
CLEO = Person("Cleo")
BO = Person("Bo", frozenset({"contributor", "reviewer"}))
CASES = Path(__file__).parent / "cases"
CLAIM = names.CLAIM + "contribution/{}/0001"


def text(number: int, *, day: str = "2031-07") -> bytes:
    """Return a contribution of one claim about a new meeting, with its own passage."""
    form = (CASES / "meeting.trig").read_text(encoding="utf-8")
    return form.replace("NUMBER", str(number)).replace("DAY", day).encode()


def fine(content: bytes) -> Verdict:
    """Return the verdict on a contribution that is fine."""
    return Verdict((), tuple(ox.parse(content, format=ox.RdfFormat.TRIG)))


def submit(kept: Contributions, number: int = 1, *, by: Person = ANNA, **more: Any) -> Contribution:
    """Submit a contribution that is fine."""
    content = text(number)
    return kept.submit(content, name="mine.trig", contributor=by, verdict=fine(content), **more)


@pytest.fixture(autouse=True)
def _no_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what shapes and checks say: tests of `kg.validation` hold that."""
    monkeypatch.setattr(publication, "validate", lambda dataset, settings: [])


@pytest.fixture
def kept(settings: Settings) -> Contributions:
    """Return the contributions of the small project: none yet."""
    return Contributions(settings)


def served(settings: Settings) -> ox.Store:
    """Load the version that is current."""
    snapshot = find_snapshot(settings)
    assert snapshot is not None
    store = ox.Store()
    store.bulk_load(path=str(snapshot.quads_path), format=ox.RdfFormat.N_QUADS)
    return store


def has(store: ox.Store, iri: str) -> bool:
    """Tell whether a graph says anything of a thing, or is named so."""
    node = ox.NamedNode(iri)
    return any(store.quads_for_pattern(node, None, None, None)) or store.contains_named_graph(node)


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its bytes, but for locks and the journal."""
    files = (one for one in folder.rglob("*") if one.is_file())
    return {
        one.relative_to(folder).as_posix(): one.read_bytes()
        for one in files
        if not one.name.endswith(("lock", ".sqlite"))
    }


# --- the life -----------------------------------------------------------------------------------------


def test_submit_keeps_the_bytes_as_sent(kept: Contributions) -> None:
    """What was sent comes back byte for byte, named by the start of its digest."""
    found = submit(kept, media_type="application/trig")
    assert found.is_new and found.state == "submitted" and len(found.id) == 12
    assert kept.original(found.id) == text(1)
    assert found.current.digest.startswith(found.id)
    assert (kept.folder / found.current.path).read_bytes() == text(1)
    assert kept.get(found.id) == replace(found, is_new=False)
    assert kept.get(found.id[:6]).id == found.id


def test_submit_of_the_same_bytes_is_one(kept: Contributions) -> None:
    """A second sender is told that it exists, whose it is, and nothing changes."""
    first = submit(kept)
    before = tree(kept.folder)
    again = submit(kept, by=CLEO)
    assert not again.is_new and again.contributor == "Anna Teller"
    assert again == replace(first, is_new=False)
    assert tree(kept.folder) == before


def test_submit_refuses_what_the_verdict_refuses(kept: Contributions) -> None:
    """Nothing is kept of it, not even a folder; every reason is told."""
    bad = Verdict((Problem("one"), Problem("two")), ())
    with pytest.raises(DataError) as caught:
        kept.submit(b"x", name="x.trig", contributor=ANNA, verdict=bad)
    assert len(caught.value.problems) == 2
    assert not kept.folder.exists()


def test_submit_refuses_a_contribution_without_a_claim(kept: Contributions) -> None:
    """Names alone are no contribution."""
    with pytest.raises(DataError, match="no claim"):
        kept.submit(b"", name="x.trig", contributor=ANNA, verdict=Verdict((), ()))


def test_submit_refuses_to_name_contributors(kept: Contributions) -> None:
    """Nobody speaks of who contributes: that is told by the graph itself."""
    content = text(1).replace(b"id/meeting-1>", b"id/contributor-bo>")
    with pytest.raises(DataError, match="contributor-"):
        kept.submit(content, name="x.trig", contributor=ANNA, verdict=fine(content))


def test_submit_refuses_what_is_too_large(settings: Settings) -> None:
    """The limit of bodies holds whoever asks."""
    kept = Contributions(replace(settings, max_body_bytes=10))
    with pytest.raises(BodyTooLargeError):
        submit(kept)


def test_accept_publishes(kept: Contributions, settings: Settings) -> None:
    """The claim is served under its own name, with who contributed it, and the files are canonical."""
    publication.publish(settings)
    one = submit(kept)
    told: list[str] = []
    done = kept.accept(one.id, by=BO, remark="Good.", progress=told.append)
    claim = CLAIM.format(one.id)
    assert (done.state, done.claims) == ("accepted", (claim,))
    assert "writing the version" in told
    store = served(settings)
    node = ox.NamedNode(claim)
    curator = store.quads_for_pattern(node, ox.NamedNode(names.LAT + "curatedBy"), None, ox.DefaultGraph())
    assert [quad.object for quad in curator] == [ox.NamedNode(names.ID + "contributor-anna-teller")]
    assert store.contains_named_graph(node)
    assert has(store, names.ID + "meeting-1") and has(store, names.ID + "contributor-bo")
    assert not has(store, names.CLAIM + "draft/1")
    found = find_snapshot(settings)
    assert found and publication.is_current(found, settings)
    assert publication.check(settings) == []
    prefixes = dataset.find_prefixes(settings.root)
    assert dataset.format_files([settings.path("data")], check=True, prefixes=prefixes) == []


def test_accept_tells_the_history_in_prov(kept: Contributions, settings: Settings) -> None:
    """Who did what when stands in the graph of contributions."""
    one = submit(kept)
    kept.accept(one.id, by=BO, remark="Good.")
    rows = served(settings).query(
        f"""PREFIX prov: <{names.PROV}> PREFIX rdfs: <{names.RDFS}>
        SELECT ?label ?who ?time ?said WHERE {{ GRAPH <{names.CONTRIBUTIONS_GRAPH}> {{
          ?step a prov:Activity ; rdfs:label ?label ; prov:wasAssociatedWith ?who ; prov:endedAtTime ?time .
          OPTIONAL {{ ?step rdfs:comment ?said }} }} }} ORDER BY ?step"""
    )
    assert isinstance(rows, ox.QuerySolutions)
    found = [[row[name].value if row[name] else None for name in ("label", "who", "said")] for row in rows]
    assert found == [
        [f"Contribution {one.id} submitted", names.ID + "contributor-anna-teller", None],
        [f"Contribution {one.id} accepted", names.ID + "contributor-bo", "Good."],
    ]


@pytest.mark.parametrize("by", [Person("anna  teller", BO.roles), replace(BO, name="Anna-Teller")])
def test_nobody_accepts_their_own(kept: Contributions, by: Person) -> None:
    """However the name is spelt; nor do they reject it or send it back."""
    one = submit(kept)
    with pytest.raises(NotAllowedError, match="own"):
        kept.accept(one.id, by=by)
    with pytest.raises(NotAllowedError, match="own"):
        kept.reject(one.id, by=by, reason="x")
    with pytest.raises(NotAllowedError, match="own"):
        kept.send_back(one.id, by=by, remarks="x")
    assert kept.get(one.id).state == "submitted"


def test_only_reviewers_decide(kept: Contributions) -> None:
    """A contributor's role does not do."""
    one = submit(kept)
    with pytest.raises(NotAllowedError, match="not a reviewer"):
        kept.accept(one.id, by=CLEO)


def test_sent_back_and_resubmitted(kept: Contributions, settings: Settings) -> None:
    """The id stays, both revisions are kept, the last one is published."""
    one = submit(kept)
    back = kept.send_back(one.id, by=BO, remarks="Which month?")
    assert (back.state, back.history[-1].remark) == ("sent-back", "Which month?")
    better = text(1, day="2031-08")
    given: dict[str, Any] = {"name": "better.trig", "verdict": fine(better)}
    with pytest.raises(NotAllowedError):
        kept.resubmit(one.id, better, contributor=CLEO, **given)
    with pytest.raises(UsageError, match="nothing has changed"):
        kept.resubmit(one.id, text(1), name="x", contributor=ANNA, verdict=fine(text(1)))
    again = kept.resubmit(one.id, better, contributor=ANNA, remark="August.", **given)
    assert again.state == "submitted" and len(again.revisions) == 2
    assert kept.resubmit(one.id, better, contributor=ANNA, **given) == again  # the answer was lost
    assert (kept.original(one.id, 1), kept.original(one.id)) == (text(1), better)
    assert submit(kept).id == one.id  # the first revision's bytes are known too
    kept.accept(one.id, by=BO)
    assert "2031-08" in (settings.path("data", "contributions", f"{one.id}.trig")).read_text(encoding="utf-8")


def test_withdrawn_and_resubmitted(kept: Contributions) -> None:
    """Only the contributor withdraws; the same bytes may come back."""
    one = submit(kept)
    with pytest.raises(NotAllowedError):
        kept.withdraw(one.id, by=CLEO)
    assert kept.withdraw(one.id, by=ANNA).state == "withdrawn"
    back = kept.resubmit(one.id, text(1), name="x", contributor=ANNA, verdict=fine(text(1)))
    assert [step.step for step in back.history] == ["submitted", "withdrawn", "resubmitted"]


def test_resubmit_refuses_bytes_of_another(kept: Contributions) -> None:
    """One text is one contribution."""
    one, other = submit(kept, 1), submit(kept, 2)
    kept.send_back(one.id, by=BO, remarks="x")
    with pytest.raises(WrongStateError, match=other.id):
        kept.resubmit(one.id, text(2), name="x", contributor=ANNA, verdict=fine(text(2)))


def test_rejected_is_the_end(kept: Contributions) -> None:
    """With a reason, which must be given; a step that may not follow says what may."""
    one = submit(kept)
    with pytest.raises(UsageError, match="reason"):
        kept.reject(one.id, by=BO, reason=" ")
    kept.reject(one.id, by=BO, reason="Not in the document.")
    with pytest.raises(WrongStateError) as caught:
        kept.accept(one.id, by=BO)
    assert caught.value.fields == {"id": one.id, "state": "rejected", "allowed": []}
    assert submit(kept).state == "rejected"


def in_state(kept: Contributions, state: str) -> Contribution:
    """Return a contribution that was brought into a state."""
    one = submit(kept)
    if state == "sent-back":
        return kept.send_back(one.id, by=BO, remarks="x")
    if state == "rejected":
        return kept.reject(one.id, by=BO, reason="x")
    if state == "withdrawn":
        return kept.withdraw(one.id, by=ANNA)
    if state in ("accepted", "corrected", "retracted"):
        kept.accept(one.id, by=BO)
    if state == "retracted":
        kept.retract([CLAIM.format(one.id)], by=BO, reason="x")
    if state == "corrected":
        new = submit(kept, 2, by=CLEO, replaces=[CLAIM.format(one.id)])
        kept.accept(new.id, by=BO)
    return kept.get(one.id)


@pytest.mark.parametrize("state", STATES)
def test_every_state_survives_a_restart_and_allows_what_it_says(
    kept: Contributions, settings: Settings, state: str
) -> None:
    """In any state it is the same after a restart, without its journal too, and allows what it says."""
    one = in_state(kept, state)
    assert one.state == state and one.steps == STEPS[state]
    assert Contributions(settings).get(one.id) == one
    kept.journal.path.unlink()
    fresh = Contributions(settings)
    assert fresh.problems == [] and fresh.get(one.id) == one
    steps: dict[str, Callable[[], object]] = {
        "send back": lambda: fresh.send_back(one.id, by=BO, remarks="x"),
        "resubmit": lambda: fresh.resubmit(
            one.id, text(9), name="x", contributor=ANNA, verdict=fine(text(9))
        ),
        "withdraw": lambda: fresh.withdraw(one.id, by=ANNA),
        "accept": lambda: fresh.accept(one.id, by=BO),
        "retract": lambda: fresh.retract([CLAIM.format(one.id)], by=BO, reason="x"),
        "reject": lambda: fresh.reject(one.id, by=BO, reason="x"),
    }
    for name in steps.keys() - set(STEPS[state]):
        with pytest.raises(WrongStateError):
            steps[name]()
    assert fresh.get(one.id) == one
    for name in [name for name in steps if name in STEPS[state]][:1]:
        steps[name]()
        assert fresh.get(one.id).state != state


def test_retract_takes_the_claim_out_and_keeps_its_record(kept: Contributions, settings: Settings) -> None:
    """Claim, passage and what only they spoke of leave the graph; who, when and why stay."""
    one = submit(kept)
    kept.accept(one.id, by=BO)
    claim = CLAIM.format(one.id)
    with pytest.raises(NotAllowedError):
        kept.retract([claim], by=CLEO, reason="x")
    (done,) = kept.retract([claim], by=ANNA, reason="The notes were wrong.")
    assert (done.state, done.claims, done.history[-1].claims) == ("retracted", (), (claim,))
    store = served(settings)
    assert not store.contains_named_graph(ox.NamedNode(claim))
    assert not has(store, names.ID + "meeting-1")
    assert not has(store, claim.replace("/claim/", "/passage/"))
    gone = store.query(
        f"""PREFIX prov: <{names.PROV}> SELECT ?time ?why WHERE {{
        <{claim}> prov:invalidatedAtTime ?time ; prov:wasInvalidatedBy ?step .
        ?step <{names.RDFS}comment> ?why }}"""
    )
    assert isinstance(gone, ox.QuerySolutions)
    assert [row["why"].value for row in gone] == ["The notes were wrong."]
    with pytest.raises(WrongStateError):
        kept.retract([claim], by=BO, reason="again")
    assert publication.check(settings) == []


def test_retract_keeps_what_others_speak_of(kept: Contributions, settings: Settings) -> None:
    """A thing that one contribution named and another speaks of stays named."""
    one = submit(kept)
    kept.accept(one.id, by=BO)
    content = text(2).replace(
        b"chairedBy> <" + names.ID.encode() + b"anna-teller>",
        b"onBehalfOf> <" + names.ID.encode() + b"meeting-1>",
    )
    two = kept.submit(content, name="x.trig", contributor=CLEO, verdict=fine(content))
    kept.accept(two.id, by=BO)
    kept.retract([CLAIM.format(one.id)], by=BO, reason="x")
    assert has(served(settings), names.ID + "meeting-1")
    kept.retract([CLAIM.format(two.id)], by=BO, reason="x")
    assert not has(served(settings), names.ID + "meeting-2")


def test_retract_refuses_a_claim_of_a_document(kept: Contributions) -> None:
    """Those stand in files that people change."""
    with pytest.raises(NotFoundError, match="data/documents"):
        kept.retract([names.CLAIM + "demo/0001"], by=BO, reason="x")


def test_correct_replaces_claims_when_it_is_accepted(kept: Contributions, settings: Settings) -> None:
    """Until then the old claim stands; afterwards the new one does, and each knows the other."""
    one = submit(kept)
    kept.accept(one.id, by=BO)
    old = CLAIM.format(one.id)
    new = submit(kept, 2, by=CLEO, replaces=[old])
    assert served(settings).contains_named_graph(ox.NamedNode(old))
    kept.accept(new.id, by=BO)
    store = served(settings)
    assert not store.contains_named_graph(ox.NamedNode(old))
    assert store.contains_named_graph(ox.NamedNode(CLAIM.format(new.id)))
    first = kept.get(one.id)
    assert (first.state, first.history[-1].corrected_by) == ("corrected", new.id)
    revision = ox.Quad(
        ox.NamedNode(names.CONTRIBUTION + new.id),
        ox.NamedNode(names.PROV + "wasRevisionOf"),
        ox.NamedNode(names.CONTRIBUTION + one.id),
        ox.NamedNode(names.CONTRIBUTIONS_GRAPH),
    )
    assert revision in store
    with pytest.raises(WrongStateError):
        submit(kept, 3, replaces=[old])


def test_correction_of_a_claim_that_went_meanwhile_is_refused(kept: Contributions) -> None:
    """The reviewer hears what happened to the claim, and nothing changes."""
    one = submit(kept)
    kept.accept(one.id, by=BO)
    new = submit(kept, 2, by=CLEO, replaces=[CLAIM.format(one.id)])
    kept.retract([CLAIM.format(one.id)], by=BO, reason="x")
    with pytest.raises(WrongStateError):
        kept.accept(new.id, by=BO)
    assert kept.get(new.id).state == "submitted"


def test_accept_that_fails_changes_nothing(
    kept: Contributions, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the build finds is told with its place in the project, and everything is as before."""
    publication.publish(settings)
    one = submit(kept)
    before = tree(settings.root)

    def refuse(found: dataset.Dataset, settings: Settings) -> list[Problem]:
        return [Problem("it contradicts", found.root / "data" / "contributions" / f"{one.id}.trig", 3)]

    monkeypatch.setattr(publication, "validate", refuse)
    with pytest.raises(DataError, match="it contradicts") as caught:
        kept.accept(one.id, by=BO)
    assert caught.value.problems[0].path == settings.path("data", "contributions", f"{one.id}.trig")
    assert tree(settings.root) == before
    assert kept.get(one.id).state == "submitted"


def test_accept_of_a_thing_that_another_named_meanwhile_is_refused(
    kept: Contributions, settings: Settings
) -> None:
    """Two contributions name one thing: the second is told where it stands, and stays in the queue."""
    one = submit(kept)
    other = text(1, day="2031-09")
    two = kept.submit(other, name="x.trig", contributor=CLEO, verdict=fine(other))
    kept.accept(one.id, by=BO)
    before = tree(settings.root)
    with pytest.raises(DataError, match="meeting-1 is defined twice") as caught:
        kept.accept(two.id, by=BO)
    assert ".stage-" not in str(caught.value)
    assert tree(settings.root) == before


def accept_one(settings: Settings, id: str) -> None:
    """Accept a contribution."""
    Contributions(settings).accept(id, by=BO)


def test_acceptances_at_once_are_all_published(kept: Contributions, settings: Settings) -> None:
    """One publication at a time: none is lost, and the last version is of the files as they are."""
    ids = [submit(kept, number).id for number in range(4)]
    context = multiprocessing.get_context("fork")
    reviewers = [context.Process(target=accept_one, args=(settings, id)) for id in ids]
    for one in reviewers:
        one.start()
    for one in reviewers:
        one.join(120)
    assert [one.exitcode for one in reviewers] == [0] * 4
    store = served(settings)
    assert all(store.contains_named_graph(ox.NamedNode(CLAIM.format(id))) for id in ids)
    found = find_snapshot(settings)
    assert found and publication.is_current(found, settings)
    whole(Contributions(settings))


def test_accept_refuses_what_changed_while_it_was_built(
    kept: Contributions, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A contribution that is withdrawn in the midst is not published."""
    one = submit(kept)
    first = publication.publish(settings)

    def withdraw(found: dataset.Dataset, settings: Settings) -> list[Problem]:
        kept.withdraw(one.id, by=ANNA)
        return []

    monkeypatch.setattr(publication, "validate", withdraw)
    with pytest.raises(WrongStateError, match="changed meanwhile"):
        kept.accept(one.id, by=BO)
    assert kept.get(one.id).state == "withdrawn"
    assert find_snapshot(settings) == first
    assert not (kept.folder / f"{one.id}.trig").exists()


# --- durable ------------------------------------------------------------------------------------------


def in_child(work: Callable[[], object]) -> int:
    """Run something in a process of its own and return how it ended."""
    child = os.fork()
    if child == 0:
        status = 70
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_at(number: int) -> None:
    """Let this process die at the n-th call that reaches the disk, before or after it is done."""
    left = [number]

    def deadly(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os._exit(9)
            result = call(*given, **named)
            left[0] -= 1
            if left[0] == 0:
                os._exit(9)
            return result

        return run

    os.fsync = deadly(os.fsync)
    Path.replace = deadly(Path.replace)  # type: ignore[method-assign]
    Path.rename = deadly(Path.rename)  # type: ignore[method-assign]
    journal._commit = deadly(journal._commit)


def deaths(work: Callable[[], object]) -> Iterator[int]:
    """Run something until it comes through, each time dying one call later; yield the number of the call."""
    for number in range(1, 200):

        def doomed(number: int = number) -> None:
            die_at(number)
            work()

        status = in_child(doomed)
        assert status in (0, 9), f"ended with {status} at {number}"
        yield number
        if status == 0:
            return
    raise AssertionError("it never came through")


def whole(kept: Contributions) -> None:
    """Hold that journal and files say the same, and that nothing unfinished lies about."""
    assert kept.problems == []
    for path, content in kept.journal.read("*"):
        assert (kept.folder / path).read_bytes() == content
    assert list(kept.folder.rglob(".part-*")) == []


def test_submit_killed_at_any_write_is_whole_or_not_there(settings: Settings) -> None:
    """At whichever call the power fails, it is there whole, or not at all; sent again it is one."""
    count = 0
    for number in deaths(lambda: submit(Contributions(settings))):
        count = number
        kept = Contributions(settings)
        whole(kept)
        found = kept.list()
        assert len(found) <= 1
        if found:
            assert kept.original(found[0].id) == text(1)
        assert submit(kept).state == "submitted"
        assert len(kept.list()) == 1
        shutil.rmtree(kept.folder)
    assert count > 8


def test_accept_killed_at_any_write_is_done_or_undone(settings: Settings, tmp_path: Path) -> None:
    """At whichever call the power fails, it is accepted, file and all, or still in the queue."""
    one = submit(Contributions(settings))
    publication.publish(settings)
    start = tmp_path / "start"
    shutil.copytree(settings.root, start)
    states = []
    for _ in deaths(lambda: Contributions(settings).accept(one.id, by=BO)):
        kept = Contributions(settings)
        whole(kept)
        record = kept.get(one.id)
        states.append(record.state)
        is_there = (kept.folder / f"{one.id}.trig").is_file()
        assert is_there == (record.state == "accepted")
        publication.publish(settings)
        assert has(served(settings), CLAIM.format(one.id)) == is_there
        if not is_there:
            kept.accept(one.id, by=BO)
        shutil.rmtree(settings.root)
        shutil.copytree(start, settings.root)
    assert states == sorted(states, reverse=True)  # submitted up to some call, accepted from there on
    assert set(states) == {"submitted", "accepted"} and len(states) > 15


SENDER = """
import sys
from pathlib import Path
import pyoxigraph as ox
from kg.config import Settings
from kg.contributions import Contributions, Person
sys.path.insert(0, {tests!r})
from test_contributions import fine, text
kept = Contributions(Settings(root=Path({root!r})))
for number in range({first}, {first} + 1000):
    content = text(number)
    done = kept.submit(content, name="x.trig", contributor=Person("Anna"), verdict=fine(content))
    print(done.id, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9(settings: Settings) -> None:
    """A sender killed at a random moment: all that it was told is there is there, byte for byte."""
    told = 0
    for run in range(4):
        code = SENDER.format(tests=str(Path(__file__).parent), root=str(settings.root), first=run * 1000)
        lines = []
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as sender:
            assert sender.stdout is not None
            lines.append(sender.stdout.readline())
            time.sleep(0.05 + 0.07 * run)
            sender.send_signal(signal.SIGKILL)
            lines += sender.stdout.readlines()
        kept = Contributions(settings)
        whole(kept)
        ids = {one.id for one in kept.list()}
        for line in lines:
            if line.endswith("\n"):
                assert line.strip() in ids
                told += 1
        for id in ids:
            assert kept.get(id).current.digest.startswith(id)
    assert told >= 4


def send_some(settings: Settings, queue: multiprocessing.Queue[list[tuple[str, bool]]], same: bool) -> None:
    """Submit three contributions in another process and tell their ids."""
    kept = Contributions(settings)
    found = [submit(kept, number if same else os.getpid() * 10 + number) for number in range(3)]
    queue.put([(one.id, one.is_new) for one in found])


@pytest.mark.parametrize("same", [True, False])
def test_twenty_senders_at_once(settings: Settings, same: bool) -> None:
    """Each contribution is whole; the same bytes are taken once, and one sender is told so."""
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[list[tuple[str, bool]]] = context.Queue()
    senders = [context.Process(target=send_some, args=(settings, queue, same)) for _ in range(20)]
    for one in senders:
        one.start()
    found = [pair for _ in senders for pair in queue.get(timeout=120)]
    for one in senders:
        one.join(10)
    kept = Contributions(settings)
    whole(kept)
    expected = 3 if same else 60
    assert len(kept.list()) == expected
    assert sum(is_new for _, is_new in found) == expected
    assert {id for id, _ in found} == {one.id for one in kept.list()}


@pytest.mark.parametrize("number", range(1, 12))
def test_a_full_disk_is_told_and_leaves_nothing_half(
    kept: Contributions, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """At whichever synced write the disk is full: an error of its own and nothing there, or all of it."""
    first = submit(kept, 1)
    before = tree(kept.folder)
    calls = [0]
    sync = os.fsync

    def full(descriptor: int) -> None:
        calls[0] += 1
        if calls[0] >= number:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    try:
        submit(kept, 2)
    except StorageFullError as error:
        assert error.outcome.status == 507
        monkeypatch.undo()
        assert tree(kept.folder) == before
    monkeypatch.undo()
    fresh = Contributions(kept.settings)
    whole(fresh)
    assert fresh.get(first.id) == replace(first, is_new=False)
    assert submit(fresh, 2).state == "submitted"


def test_a_full_disk_under_the_journal_is_told(settings: Settings) -> None:
    """The system itself refuses to let files grow: the error is ours, and what was there is served."""
    kept = Contributions(settings)
    first = submit(kept, 1)
    size = kept.journal.path.stat().st_size

    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        for number in range(2, 30):
            try:
                submit(kept, number)
            except StorageFullError:
                return
        raise AssertionError("the disk was never full")

    assert in_child(fill) == 0
    fresh = Contributions(settings)
    whole(fresh)
    assert fresh.get(first.id).state == "submitted"


def test_accept_on_a_full_disk_changes_nothing(
    kept: Contributions, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no room for the version: 507, and the contribution is still in the queue."""
    publication.publish(settings)
    one = submit(kept)
    before = tree(settings.root)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFullError):
        kept.accept(one.id, by=BO)
    monkeypatch.undo()
    assert tree(settings.root) == before
    assert Contributions(settings).get(one.id).state == "submitted"


def test_a_damaged_file_is_refused_by_name_and_the_rest_served(kept: Contributions) -> None:
    """One contribution is told of with its file; the others are as they were; it can be restored."""
    one, two = submit(kept, 1), submit(kept, 2)
    path = kept.folder / one.current.path
    path.write_bytes(path.read_bytes()[:100])
    fresh = Contributions(kept.settings)
    assert [problem.path for problem in fresh.problems] == [path]
    assert "--restore" in str(fresh.problems[0].fix)
    with pytest.raises(DamagedError, match=one.id):
        fresh.get(one.id)
    with pytest.raises(DamagedError):
        fresh.accept(one.id, by=BO)
    assert [other.id for other in fresh.list()] == [two.id]
    fresh.restore(one.id)
    assert fresh.problems == [] and fresh.original(one.id) == text(1)


def test_a_damaged_record_is_refused_by_name(kept: Contributions) -> None:
    """A record that does not read, or says another past, is not taken for what was written."""
    one = submit(kept)
    path = kept.folder / ".kept" / one.id / "record.json"
    good = path.read_text(encoding="utf-8")
    for bad in ("{", good.replace("Anna Teller", "Cleo"), good.replace('"submitted"', '"accepted"', 1)):
        path.write_text(bad, encoding="utf-8")
        fresh = Contributions(kept.settings)
        assert [problem.path for problem in fresh.problems] == [path]
    fresh.restore(one.id)
    assert Contributions(kept.settings).get(one.id).contributor == "Anna Teller"


def test_a_damaged_published_file_is_left_out_of_the_graph(kept: Contributions, settings: Settings) -> None:
    """The build tells of it and serves the rest; restored it is served, and kept as it is it is too."""
    one, two = submit(kept, 1), submit(kept, 2)
    kept.accept(one.id, by=BO)
    kept.accept(two.id, by=BO)
    path = kept.folder / f"{one.id}.trig"
    good = path.read_text(encoding="utf-8")
    path.write_text(good[:200], encoding="utf-8")
    told: list[str] = []
    publication.publish(settings, progress=told.append)
    assert any(str(path) in line for line in told)
    assert [problem.path for problem in publication.check(settings)] == [path]
    store = served(settings)
    assert not has(store, CLAIM.format(one.id)) and has(store, CLAIM.format(two.id))
    fresh = Contributions(settings)
    with pytest.raises(DataError):
        fresh.keep(one.id)
    fresh.restore(one.id)
    publication.publish(settings)
    assert has(served(settings), CLAIM.format(one.id))
    path.write_text(good.replace("2031-07", "2031-09"), encoding="utf-8")
    publication.publish(settings)
    assert not has(served(settings), CLAIM.format(one.id))
    Contributions(settings).keep(one.id)
    publication.publish(settings)
    assert has(served(settings), CLAIM.format(one.id))
    assert publication.check(settings) == []


def test_a_missing_file_is_written_again(kept: Contributions) -> None:
    """What the journal has and the files lack is there after a start."""
    one = submit(kept)
    shutil.rmtree(kept.folder / ".kept")
    fresh = Contributions(kept.settings)
    whole(fresh)
    assert fresh.original(one.id) == text(1)


def test_a_damaged_journal_is_made_anew_of_the_files(kept: Contributions) -> None:
    """It is set aside, told of, and nothing is lost."""
    one = submit(kept)
    kept.journal.path.write_bytes(b"no database at all" * 1000)
    fresh = Contributions(kept.settings)
    assert [problem.path for problem in fresh.problems] == [kept.journal.path]
    assert fresh.get(one.id) == replace(one, is_new=False)
    assert Contributions(kept.settings).problems == []


def test_a_history_that_came_through_git_is_taken(kept: Contributions, tmp_path: Path) -> None:
    """Files with a longer past are newer; files that forget something are refused."""
    one = submit(kept)
    old = tree(kept.folder)
    there = tmp_path / "clone"
    shutil.copytree(kept.settings.root, there)
    clone = Contributions(replace(kept.settings, root=there))
    clone.send_back(one.id, by=BO, remarks="Which month?")
    path = f".kept/{one.id}/record.json"
    shutil.copyfile(clone.folder / path, kept.folder / path)
    fresh = Contributions(kept.settings)
    assert fresh.problems == [] and fresh.get(one.id).state == "sent-back"
    (kept.folder / path).write_bytes(old[path])
    assert [problem.path for problem in Contributions(kept.settings).problems] == [kept.folder / path]


def test_a_foreign_file_is_not_the_journals_to_judge(kept: Contributions, settings: Settings) -> None:
    """A contribution written by hand, without a record, is published as it stands."""
    one = submit(kept)
    kept.accept(one.id, by=BO)
    trig = (kept.folder / f"{one.id}.trig").read_text(encoding="utf-8")
    other = "0123456789ab"
    hand = trig.replace(one.id, other).replace("meeting-1", "meeting-7").replace("Meeting 1", "Meeting 7")
    (kept.folder / f"{other}.trig").write_text(hand, encoding="utf-8")
    publication.publish(settings)
    assert has(served(settings), CLAIM.format(other))
    assert Contributions(settings).problems == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("contribution/{id}/0001> {{", "contribution/other/0001> {{"),
        ("id:meeting-1 a lat:Gathering", "lat:Gathering a lat:Gathering"),
        ("contribution/{id}/1> a <", "contribution/other/1> a <"),
    ],
)
def test_a_contribution_speaks_of_its_own_only(
    kept: Contributions, settings: Settings, old: str, new: str
) -> None:
    """A file of a contribution with another's claim, history, or a term is refused with its line."""
    one = submit(kept)
    kept.accept(one.id, by=BO)
    path = kept.folder / f"{one.id}.trig"
    before = path.read_text(encoding="utf-8")
    path.write_text(before.replace(old.format(id=one.id), new.format(id=one.id)), encoding="utf-8")
    (kept.folder / ".kept" / one.id / "published.sha256").unlink()
    assert path.read_text(encoding="utf-8") != before
    assert any(problem.path == path and problem.line for problem in publication.check(settings))


def test_the_journal_syncs_every_commit(kept: Contributions) -> None:
    """SQLite is told to sync files and folder before a commit returns."""
    submit(kept)
    with Journal(kept.folder)._connection() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (3,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert sqlite3.sqlite_version_info > (3, 12)


def test_nothing_is_made_before_something_is_sent(kept: Contributions) -> None:
    """Looking changes nothing."""
    assert kept.list() == [] and kept.problems == []
    with pytest.raises(NotFoundError):
        kept.get("0123456789ab")
    with pytest.raises(UsageError, match="not a state"):
        kept.list(state="lost")
    assert not kept.folder.exists()


def test_a_running_service_serves_what_was_accepted(
    kept: Contributions, settings: Settings, serve: Serve
) -> None:
    """Without a restart, and the pages of the claim and its contributor are there."""
    publication.publish(settings)
    with serve(settings) as client:
        one = submit(kept)
        claim = CLAIM.format(one.id)
        query = {"query": f"ASK {{ GRAPH <{claim}> {{ ?s ?p ?o }} }}"}
        assert client.get("/sparql", params=query).json()["boolean"] is False
        kept.accept(one.id, by=BO)
        deadline = time.monotonic() + 20
        while not client.get("/sparql", params=query).json()["boolean"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        for iri in (claim, names.ID + "contributor-anna-teller"):
            path = "/" + iri.removeprefix(names.BASE)
            assert client.get(path, follow_redirects=True).status_code == 200


def test_what_a_crash_left_is_seen_quickly(kept: Contributions, monkeypatch: pytest.MonkeyPatch) -> None:
    """A committed change whose files were not renamed is unfinished until the next opening."""
    assert not kept.journal.is_unfinished()
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_settle", lambda *_: None)
        one = submit(kept)
    assert kept.journal.is_unfinished()
    fresh = Contributions(kept.settings)
    whole(fresh)
    assert not fresh.journal.is_unfinished() and fresh.original(one.id) == text(1)


# --- names and tokens ---------------------------------------------------------------------------------


def test_tokens_are_shown_once_and_kept_hashed(settings: Settings) -> None:
    """The file holds no token and is its owner's only; a token gives name and role; a revoked one nothing."""
    tokens = Tokens(settings.path("tokens.json"))
    token = tokens.make("Anna  Teller", "contributor")
    reviewing = tokens.make("Bo", "reviewer")
    content = tokens.path.read_text(encoding="utf-8")
    assert token not in content and token.removeprefix("lat_") not in content
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600
    assert len(token) >= 43 and token != reviewing
    assert tokens.person(token) == Person("Anna Teller", frozenset({"contributor"}))
    assert tokens.person(f" {reviewing}\n").roles == {"contributor", "reviewer"}
    assert [one["name"] for one in tokens.list()] == ["Anna Teller", "Bo"]
    assert all("sha256" not in one for one in tokens.list())
    assert tokens.revoke("anna teller") == 1
    for wrong in (token, "", None, token[:-1]):
        with pytest.raises(UnknownTokenError):
            tokens.person(wrong)
    with pytest.raises(NotFoundError):
        tokens.revoke("Anna Teller")
    assert tokens.revoke(tokens.list()[0]["id"]) == 1


def test_tokens_that_cannot_be_read_are_told_of(settings: Settings) -> None:
    """A damaged file lets nobody in."""
    tokens = Tokens(settings.path("tokens.json"))
    token = tokens.make("Anna", "reviewer")
    tokens.path.write_text("[{", encoding="utf-8")
    with pytest.raises(DamagedError):
        tokens.person(token)


@pytest.mark.parametrize("name", ["", "  ", "a\x00b", "x" * 81, "\u202ereversed", "—"])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    """Nothing hidden, nothing endless."""
    with pytest.raises(UsageError):
        check_name(name)


def test_a_name_in_any_script_will_do() -> None:
    """Who writes their name otherwise has an IRI too, and is not everybody else who does."""
    assert Person("安娜").iri != Person("Анна").iri
    assert check_name("Анна") == "Анна"


# --- review -------------------------------------------------------------------------------------------


def test_preview_says_what_would_change(kept: Contributions, settings: Settings) -> None:
    """The claim in words, its passage from the contributor's copy, what follows, and which answers change."""
    snapshot = publication.publish(settings)
    one = submit(kept, copies={"demo": settings.path("documents", "demo.txt").read_text(encoding="utf-8")})
    before = tree(settings.root)
    found = preview(kept.statements(one.id), snapshot, settings.root, copies=kept.copies(one.id))
    assert found.claims[0].sentences == ("Meeting 1 chaired by Anna Teller.", "Meeting 1 date 2031-07.")
    assert found.claims[0].status == "stated"
    assert found.claims[0].passages[0].count(" ") > 10
    assert found.named == ["Meeting 1 (gathering)"]
    assert "Anna Teller chaired Meeting 1." in found.inferred
    (chairs, *_) = found.answers
    assert chairs.template == "meetings/chairs" and chairs.counts["added"] == 1
    assert any("Meeting 1" in row for row in chairs.added)
    assert found.asked and not found.not_asked
    assert tree(settings.root) == before


def test_preview_of_a_correction_says_what_goes(kept: Contributions, settings: Settings) -> None:
    """The claim that would be replaced is told, and so are the answers that lose it."""
    one = submit(kept)
    kept.accept(one.id, by=BO)
    two = submit(kept, 2, by=CLEO, replaces=[CLAIM.format(one.id)])
    snapshot = publication.publish(settings)
    found = preview(kept.statements(two.id), snapshot, settings.root, taking_out=two.replaces)
    assert found.taken_out[0].sentences[0] == "Meeting 1 chaired by Anna Teller."
    assert "Anna Teller chaired Meeting 1." in found.no_longer_inferred
    assert any("Meeting 1" in row for row in found.answers[0].removed)


def test_preview_keeps_its_time(kept: Contributions, settings: Settings) -> None:
    """What there is no time to ask is counted."""
    snapshot = publication.publish(settings)
    one = submit(kept)
    found = preview(kept.statements(one.id), snapshot, settings.root, limit_s=-1)
    assert found.asked == 0 and found.not_asked > 0 and found.claims
