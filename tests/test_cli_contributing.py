"""Tests of the verbs of contributions: what each prints, and how it exits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest
from click.testing import CliRunner, Result

from kg import publication
from kg.cli import contributing, main
from kg.cli.contributing import _Judged
from kg.errors import Problem
from kg.validation import Verdict

Run = Callable[..., Result]
CASES = Path(__file__).parent / "cases"


def text(number: int, *, day: str = "2031-07") -> bytes:
    """Return a contribution of one claim about a new meeting, with its own passage."""
    form = (CASES / "meeting.trig").read_text(encoding="utf-8")
    return form.replace("NUMBER", str(number)).replace("DAY", day).encode()


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what calls `kg --root <the small project>`; every contribution but `bad.trig` is found fine."""

    def judge(call: object, content: bytes, path: Path, copies: dict[str, str]) -> _Judged:
        slugs = {key: text for key, text in copies.items() if "." not in key}
        return _Judged(verdict(content, path), str, slugs)

    def verdict(content: bytes, path: Path) -> Verdict:
        if path.name == "bad.trig":
            return Verdict((Problem("no such term", path, 3, 7, fix="write lat:date"),), ())
        told = Problem("odd", path, 1, level="warning")
        quads = tuple(ox.parse(content, format=ox.RdfFormat.TRIG))
        return Verdict((told,) if path.name == "odd.trig" else (), quads)

    monkeypatch.setattr(publication, "validate", lambda dataset, settings: [])
    monkeypatch.setattr(contributing, "_judge", judge)

    def call(*arguments: str, **more: Any) -> Result:
        return CliRunner(env={"KG_DOCUMENTS": "documents"}).invoke(
            main, ["--root", str(project), *arguments], **more
        )

    return call


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a contribution in a file."""
    path = tmp_path / "mine.trig"
    path.write_bytes(text(1))
    return path


def contribute(run: Run, file: Path, *more: str) -> str:
    """Contribute a file as Anna and return its id."""
    done = run("contribute", str(file), "--as", "Anna", "--json", *more)
    assert done.exit_code == 0, done.output
    return str(json.loads(done.stdout)["id"])


def test_contribute_says_what_becomes_of_it(run: Run, file: Path) -> None:
    """The id and whose it is; the same bytes again are told to be there, whoever sends them."""
    first = run("contribute", str(file), "--as", "Anna")
    assert first.exit_code == 0 and "is in the queue, as Anna's" in first.stdout
    again = run("contribute", str(file), "--as", "Cleo")
    assert again.exit_code == 0 and "already: Anna's, submitted" in again.stdout


def test_contribute_with_a_mistake_sends_nothing(run: Run, file: Path) -> None:
    """The problem stands there with its place and its fix; exit 1."""
    bad = file.rename(file.with_name("bad.trig"))
    done = run("contribute", str(bad), "--as", "Anna")
    assert done.exit_code == 1
    assert f"{bad}:3:7: no such term. Fix: write lat:date" in done.stdout
    assert run("contributions").stdout == ""


def test_contribute_tells_warnings_and_sends(run: Run, file: Path) -> None:
    """What does not refuse is told, and kept for the reviewer."""
    odd = file.rename(file.with_name("odd.trig"))
    done = run("contribute", str(odd), "--as", "Anna")
    assert done.exit_code == 0 and done.stdout.startswith("warning: ")
    id = json.loads(run("contributions", "--json").stdout)[0]["id"]
    assert "The verdict told:\n  odd" in run("review", id).stdout


def test_dry_run_sends_nothing(run: Run, file: Path) -> None:
    """Only the verdict."""
    done = run("contribute", str(file), "--as", "Anna", "--dry-run")
    assert done.exit_code == 0 and done.stdout == "Nothing is wrong with it.\n"
    assert run("contributions").stdout == ""


def test_contribute_reads_copies_of_documents(run: Run, file: Path, project: Path) -> None:
    """The passage is shown to the reviewer in the words of the contributor's copy."""
    copy = project / "documents" / "demo.txt"
    id = contribute(run, file, "--document", f"demo={copy}")
    words = copy.read_text(encoding="utf-8")[33:88]
    assert " ".join(words.split()) in run("review", id).stdout


def test_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    """Exit 1, and its name."""
    done = run("contribute", str(tmp_path / "none.trig"), "--as", "Anna")
    assert done.exit_code == 1 and "none.trig is not there" in done.stderr


def test_review_shows_the_change_and_decides(run: Run, file: Path) -> None:
    """The queue; the change in words; back, again, accepted; then corrected and retracted."""
    id = contribute(run, file)
    assert run("review").stdout.startswith(f"{id}  submitted")
    shown = run("review", id).stdout
    assert "Meeting 1 chaired by Anna Teller." in shown
    assert "From it follows:\n  Anna Teller chaired Meeting 1." in shown
    assert "meetings/chairs" in shown
    own = run("review", id, "--accept", "--as", "anna")
    assert own.exit_code == 1 and "another reviewer" in own.stderr
    back = run("review", id, "--send-back", "Which month?", "--as", "Bo")
    assert back.exit_code == 0 and "“Which month?”" in back.stdout
    file.write_bytes(text(1, day="2031-08"))
    again = run("contribute", str(file), "--again", id, "--as", "Anna", "--remark", "August.")
    assert again.exit_code == 0 and f"Revision 2 of contribution {id}" in again.stdout
    done = run("review", id, "--accept", "--as", "Bo")
    assert done.exit_code == 0, done.output
    claim = f"contribution/{id}/0001"
    ask = f"ASK {{ GRAPH <https://w3id.org/lateral/claim/{claim}> {{ ?s ?p ?o }} }}"
    assert run("query", ask).stdout == "true\n"
    file.write_bytes(text(2))
    new = run("correct", f"{id}/0001", str(file), "--as", "Cleo", "--json")
    new_id = json.loads(new.stdout)["id"]
    assert "It takes out:\n  0001, stated in " in run("review", new_id).stdout
    assert run("review", new_id, "--accept", "--as", "Bo").exit_code == 0
    assert run("query", ask).stdout == "false\n"
    gone = run("retract", f"{new_id}/0001", "--reason", "Withdrawn.", "--as", "Bo")
    assert gone.exit_code == 0 and gone.stdout.startswith(f"{new_id}  retracted")
    life = run("contributions", id).stdout
    assert "sent back by Bo: Which month?" in life and "possible now: nothing more" in life


def test_review_takes_one_decision(run: Run, file: Path) -> None:
    """Two at once are wrong usage."""
    id = contribute(run, file)
    assert run("review", id, "--accept", "--reject", "x").exit_code == 2


def test_contributions_shows_withdraws_and_mends(run: Run, file: Path, project: Path) -> None:
    """The bytes as sent; withdrawn; damaged and restored."""
    id = contribute(run, file)
    assert run("contributions", id, "--original").stdout_bytes == text(1)
    assert run("contributions", "--withdraw").exit_code == 2
    assert "withdrawn by Anna" in run("contributions", id, "--withdraw", "--as", "Anna").stdout
    assert run("contributions", "--state", "withdrawn").stdout.startswith(id)
    assert run("contributions", "--state", "lost").exit_code == 2
    (project / "data" / "contributions" / ".kept" / id / "says-1.nq").write_bytes(b"")
    broken = run("contributions", id)
    assert broken.exit_code == 1 and f"contribution {id} is damaged" in broken.stderr
    assert run("contributions", id, "--restore").exit_code == 0
    assert run("contributions", id).exit_code == 0


def test_tokens_prove_who_acts(run: Run, file: Path, project: Path) -> None:
    """Made, used, listed, taken back; a contributor's does not review."""
    made = run("token", "make", "Anna Teller", "--role", "contributor")
    token = made.stdout.strip()
    done = run("contribute", str(file), "--token", token, "--json")
    found = json.loads(done.stdout)
    assert found["contributor"] == "Anna Teller"
    assert run("review", found["id"], "--accept", "--token", token).exit_code == 1
    wrong = run("contribute", str(file), "--token", token, "--as", "Bo")
    assert wrong.exit_code == 2 and "Anna Teller's" in wrong.stderr
    assert "Anna Teller" in run("token", "list").stdout and token not in run("token", "list").stdout
    assert run("token", "revoke", "Anna Teller").stdout == "1 token revoked.\n"
    assert run("contribute", str(file), "--token", token).exit_code == 1
    assert run("token", "list", "--json").stdout.strip() == "[]"
    assert token not in (project / "data" / "contributions" / ".tokens.json").read_text(encoding="utf-8")


def test_a_verb_finishes_what_a_crash_left(
    run: Run, file: Path, monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    """A commit whose files are missing is in the graph at the next verb that reads it."""
    from kg.contributions.journal import Journal

    id = contribute(run, file)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_settle", lambda *_: None)
        assert run("review", id, "--accept", "--as", "Bo").exit_code == 0
    path = project / "data" / "contributions" / f"{id}.trig"
    assert not path.exists()
    ask = f"ASK {{ GRAPH <https://w3id.org/lateral/claim/contribution/{id}/0001> {{ ?s ?p ?o }} }}"
    assert run("query", ask).stdout == "true\n"
    assert path.is_file()
