"""`kg validate`: files of anybody, in every form, with exit codes, edits and the hook for pre-commit."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyoxigraph as ox
import pytest
import yaml
from click.testing import CliRunner, Result

from kg.cli import main

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "tests" / "cases" / "contributions"
UNKNOWN = next((CASES / "refused" / "unknown-term").glob("class.trig"))
FINE = CASES / "accepted" / "harbour.trig"
NOTES = CASES / "documents" / "harbour-notes-2025.txt"
P = "@prefix e: <http://e/> . @prefix sh: <http://www.w3.org/ns/shacl#> .\n"
SHAPES = P + "e:S a sh:NodeShape ; sh:targetClass e:C ; sh:property [ sh:path e:name ; sh:minCount 1 ] ."
PAGE = (ROOT / "docs" / "spreadsheets.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```\w+ (\S+)\n(.*?)```", PAGE, re.DOTALL))
TABLE, COPY = FILES["lantern-bay.csv"], FILES["lantern-bay.txt"]
Run = Callable[..., Result]


@pytest.fixture
def run(published: ox.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what calls `kg` in an empty folder, with the version that the project has built."""
    assert len(published)
    monkeypatch.chdir(tmp_path)
    environment = {"KG_ROOT": str(ROOT), "KG_DOCUMENTS": "nowhere"}

    def call(*arguments: object, text: str | None = None) -> Result:
        words = ["--last", "validate", *map(str, arguments)]
        return CliRunner(env=environment).invoke(main, words, input=text)

    return call


def test_validate_is_still_and_exits_0_when_nothing_is_wrong(run: Run) -> None:
    """A good contribution, with its document."""
    done = run(FINE, "--document", NOTES)
    assert (done.exit_code, done.stdout) == (0, "Nothing is wrong.\n")


def test_validate_shows_the_place_and_exits_1(run: Run, tmp_path: Path) -> None:
    """Path as it was given, line, column, caret, fix; progress goes to standard error."""
    shutil.copy(UNKNOWN, tmp_path / "talks.trig")
    done = run("talks.trig")
    assert done.exit_code == 1
    assert done.stdout.startswith("talks.trig:45:20: error unknown-term\n")
    assert "^^^^^^^^^^^^^^\n" in done.stdout and "Fix: write lat:Negotiation" in done.stdout
    assert "validating talks.trig" in done.stderr and "validating" not in done.stdout


def test_validate_reads_spreadsheets(run: Run, tmp_path: Path) -> None:
    """A table with the copy of its document; a slip is told at its cell; --fix is for RDF."""
    (tmp_path / "lantern-bay.txt").write_text(COPY)
    (tmp_path / "lantern-bay.csv").write_text(TABLE)
    done = run("lantern-bay.csv", "--document", "lantern-bay.txt")
    assert (done.exit_code, done.stdout) == (0, "Nothing is wrong.\n")
    (tmp_path / "slip.csv").write_text(TABLE.replace("2025-05", "05/06/2025"))
    done = run("slip.csv", "--document", "lantern-bay.txt")
    assert done.exit_code == 1
    assert done.stdout.startswith("slip.csv row 11, column D (date): error ambiguous-date\n")
    assert run("slip.csv", "--fix").exit_code == 2


def test_warnings_alone_exit_0(run: Run) -> None:
    """What is told and not refused is fine for a check."""
    told = next((CASES / "told" / "odd-value").glob("percent.trig"))
    done = run(told)
    assert done.exit_code == 0 and ": warning odd-value" in done.stdout


def test_validate_takes_several_files_and_standard_input(run: Run, tmp_path: Path) -> None:
    """One report, file after file."""
    shutil.copy(UNKNOWN, tmp_path / "b.trig")
    done = run("b.trig", "-", FINE, "--format", "json", text="<urn:a> <urn:b> .")
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert list(dict.fromkeys(one["path"] for one in found["problems"])) == ["b.trig", "stdin.trig"]
    assert {one["code"] for one in found["problems"]} == {"unknown-term", "syntax"}


def test_media_type_tells_what_standard_input_is(run: Run) -> None:
    """Turtle has no graphs: what is TriG alone does not parse as Turtle."""
    text = "<urn:g> { <urn:a> <urn:b> 1 }"
    as_turtle = json.loads(run("-", "--media-type", "text/turtle", "--json", text=text).stdout)
    assert {one["path"] for one in as_turtle["problems"]} == {"stdin.ttl"}
    assert "syntax" in {one["code"] for one in as_turtle["problems"]}
    as_trig = json.loads(run("-", "--media-type", "application/trig", "--json", text=text).stdout)
    assert "syntax" not in {one["code"] for one in as_trig["problems"]}


def test_validate_holds_files_to_shapes_without_a_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With shapes no version of ours is needed; RDF is a report of SHACL."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shapes.ttl").write_text(SHAPES)
    (tmp_path / "data.ttl").write_text(P + "e:x a e:C .")
    done = CliRunner().invoke(
        main, ["validate", "data.ttl", "--shapes", "shapes.ttl", "--format", "ttl"], env={"KG_ROOT": "."}
    )
    assert done.exit_code == 1 and "sh:MinCountConstraintComponent" in done.stdout
    (tmp_path / "data.ttl").write_text(P + 'e:x a e:C ; e:name "n" .')
    done = CliRunner().invoke(main, ["validate", "data.ttl", "--shapes", "shapes.ttl"], env={"KG_ROOT": "."})
    assert (done.exit_code, done.stdout) == (0, "Nothing is wrong.\n")


def test_sarif_names_files_as_they_were_given(run: Run, tmp_path: Path) -> None:
    """Paths stay relative, so that an editor or a code host finds them."""
    (tmp_path / "claims").mkdir()
    shutil.copy(UNKNOWN, tmp_path / "claims" / "talks.trig")
    log = json.loads(run("claims/talks.trig", "--format", "sarif").stdout)
    (result,) = log["runs"][0]["results"]
    location = result["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "claims/talks.trig"
    assert result["fixes"][0]["artifactChanges"][0]["artifactLocation"]["uri"] == "claims/talks.trig"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["nowhere.trig"], 2, "does not exist"),
        ([], 2, "Missing argument"),
        (["a.trig", "--write"], 2, "expected both"),
        (["a.docx"], 2, "is not taken"),
        (["a.trig", "--shapes", "a.trig", "--document", "a.trig"], 2, "without --shapes"),
        (["-", "--fix", "--write"], 2, "cannot be written"),
    ],
)
def test_wrong_usage_exits_2(
    run: Run, tmp_path: Path, arguments: list[str], exit_code: int, words: str
) -> None:
    """Each with the reason."""
    shutil.copy(UNKNOWN, tmp_path / "a.trig")
    shutil.copy(UNKNOWN, tmp_path / "a.docx")
    done = run(*arguments, text=UNKNOWN.read_text())
    assert (done.exit_code, words in done.stderr) == (exit_code, True), done.output


def test_missing_graph_exits_3_and_tells_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In anyone's repository there may be no graph to hold a contribution against."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(UNKNOWN, tmp_path / "a.trig")
    done = CliRunner().invoke(main, ["validate", "a.trig"], env={"KG_ROOT": None, "KG_BUILD": None})
    assert done.exit_code == 3
    assert "KG_ROOT" in done.stderr and "KG_BUILD" in done.stderr


def test_build_folder_alone_is_enough(run: Run, tmp_path: Path, published: ox.Store) -> None:
    """KG_BUILD names what kg build has written; the files themselves need not be there."""
    shutil.copy(UNKNOWN, tmp_path / "a.trig")
    environment = {"KG_ROOT": str(tmp_path), "KG_BUILD": str(ROOT / "build")}
    done = CliRunner().invoke(main, ["validate", "a.trig"], env=environment)
    assert done.exit_code == 1 and "unknown-term" in done.stdout


def test_fix_prints_a_diff_and_changes_nothing(run: Run, tmp_path: Path) -> None:
    """The edits as a diff that patch takes; what is wrong stays on standard error."""
    path = Path(shutil.copy(UNKNOWN, tmp_path / "a.trig"))
    before = path.read_bytes()
    done = run("a.trig", "--fix")
    assert (done.exit_code, path.read_bytes()) == (1, before)
    changed = [line for line in done.stdout.splitlines() if line[:1] in "+-"]
    assert changed == [
        "--- a/a.trig",
        "+++ b/a.trig",
        "-id:harbour-talks a lat:Negotation ;",
        "+id:harbour-talks a lat:Negotiation ;",
    ]
    assert "unknown-term" in done.stderr
    subprocess.run(["git", "apply", "-"], input=done.stdout, text=True, check=True, cwd=tmp_path)
    assert run("a.trig").exit_code == 0


def test_fix_and_write_make_the_edits(run: Run, tmp_path: Path) -> None:
    """The file is mended and fine; its mode stays, other files are not touched."""
    text = UNKNOWN.read_bytes().replace(b"\n", b"\r\n").rstrip()
    path = tmp_path / "a.trig"
    path.write_bytes(text)
    path.chmod(0o640)
    done = run("a.trig", "--fix", "--write")
    assert done.exit_code == 0
    assert path.read_bytes() == text.replace(b"lat:Negotation", b"lat:Negotiation")
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["a.trig"]


def test_fix_leaves_what_has_no_proved_edit(run: Run, tmp_path: Path) -> None:
    """Without an edit there is no diff, and the report stands."""
    (tmp_path / "a.trig").write_text("<urn:a> <urn:b> .")
    done = run("a.trig", "--fix", "--write")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "error syntax" in done.stderr


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, with nobody's settings."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.mark.parametrize(("case", "exit_code"), [(UNKNOWN, 1), (FINE, 0)], ids=["refused", "fine"])
def test_hook_of_pre_commit_checks_what_is_staged(
    published: ox.Store, tmp_path: Path, case: Path, exit_code: int
) -> None:
    """The entry of the hook, with the staged files that its pattern names, as pre-commit would run it."""
    import re
    import shlex

    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert (hook["id"], hook["language"]) == ("lateral-validate", "python")
    git(tmp_path, "init", "--quiet")
    shutil.copy(case, tmp_path / "talks.trig")
    (tmp_path / "notes.txt").write_text("not RDF")
    git(tmp_path, "add", "talks.trig", "notes.txt")
    staged = git(tmp_path, "diff", "--cached", "--name-only").split()
    chosen = [one for one in staged if re.search(hook["files"], one)]
    assert chosen == ["talks.trig"]
    program, *words = shlex.split(hook["entry"])
    assert program == "kg"
    command = [sys.executable, "-m", "kg", *words, *hook.get("args", []), *chosen]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "src"),
        "KG_ROOT": str(tmp_path),
        "KG_BUILD": str(ROOT / "build"),
    }
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == exit_code, done.stderr
    assert ("talks.trig:45:20" in done.stdout) == (exit_code == 1)
