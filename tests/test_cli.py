"""Tests of `kg.cli`: what each verb prints, and how it exits."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from kg import publication
from kg.cli import main
from kg.names import load_prefixes
from kg.templates import load_templates

SOURCE = Path(__file__).parents[1] / "src"
MEETINGS = "data/documents/demo/meetings.trig"
Run = Callable[..., Result]


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what calls `kg --root <the small project>` in this process."""
    monkeypatch.setattr(publication, "validate", lambda dataset, settings: [])
    environment = {"KG_DOCUMENTS": "documents", "KG_QUICK_WORKERS": "1", "KG_SLOW_WORKERS": "1"}

    def call(*arguments: str, text: str | None = None) -> Result:
        return CliRunner(env=environment).invoke(main, ["--root", str(project), *arguments], input=text)

    return call


def verbs(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every verb."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from verbs(command, (*path, name))
        else:
            yield (*path, name)


VERBS = [
    *("ask", "build", "check", "cite", "contribute", "contributions", "correct", "coverage", "evidence"),
    *("export", "format", "mcp", "query", "retract", "review", "serve", "template", "token"),
    "validate",
]
ALL_VERBS = sorted(verbs(main))


def test_verbs_are_those_of_the_design() -> None:
    """The names are fixed."""
    assert {one[0] for one in ALL_VERBS} == set(VERBS)


@pytest.mark.parametrize("verb", ALL_VERBS, ids=" ".join)
def test_help_of_every_verb_holds_an_example(verb: tuple[str, ...]) -> None:
    """Help shows a line to copy, and says what the verb does in one sentence."""
    result = CliRunner().invoke(main, [*verb, "--help"])
    assert result.exit_code == 0
    assert f"\n    kg {' '.join(verb)}" in result.output


def test_questions_in_the_help_are_kept() -> None:
    """The question of an example is one that can be asked, with that parameter."""
    root = SOURCE.parent
    known = load_templates(root, load_prefixes(root / "ontology" / "prefixes.ttl"))
    found = re.findall(r"kg ask ([a-z-]+/[a-z-]+) --param ([A-Za-z]+)=", str(main.commands["ask"].epilog))
    assert found
    assert all(parameter in known[key].parameters for key, parameter in found)


def test_help_is_quick_and_loads_no_library() -> None:
    """`kg --help` loads neither the store nor the web nor rdflib."""
    script = (
        "import sys, kg.cli; "
        "print([one for one in ('pyoxigraph', 'rdflib', 'fastapi', 'uvicorn', 'yaml') if one in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=_environment()
    )
    assert done.stdout.strip() == "[]"


def test_build_says_what_was_published(run: Run) -> None:
    """Version and counts on standard output, progress on standard error."""
    result = run("build")
    assert result.exit_code == 0, result.output
    assert re.match(
        r"2031-06-02-[0-9a-f]{12}: 2 claims, 2 passages, 4 entities, [0-9]+ triples\.\n", result.stdout
    )
    assert "reading the files" in result.stderr
    assert json.loads(run("build", "--json").stdout)["counts"]["claims"] == 2


def test_check_of_good_files_is_fine(run: Run) -> None:
    """Exit 0 and a plain word; JSON is an empty list."""
    result = run("check")
    assert (result.exit_code, result.stdout) == (0, "The files are fine.\n")
    assert json.loads(run("check", "--json").stdout) == []


def test_check_and_build_tell_every_problem_with_its_place(run: Run, project: Path) -> None:
    """file:line:column, what was expected, the fix; exit 1; a machine gets fields."""
    path = project / "data/entities/zone.ttl"
    path.write_text("@prefix id: <https://w3id.org/lateral/id/> .\nid:a id:p yes .\nid:b a lit:C .\n")
    result = run("check")
    assert result.exit_code == 1
    first, second = result.stdout.splitlines()
    assert first.startswith(f"{path}:2:11: yes is not a valid RDF object: expected ")
    assert (
        second.startswith(f"{path}:3:8: prefix 'lit' is not declared") and "nearest there is 'lat'" in second
    )
    assert result.stderr.endswith("2 problems.\n")
    found = json.loads(run("check", "--json").stdout)
    assert [(one["line"], one["column"]) for one in found] == [(2, 11), (3, 8)]
    built = run("build")
    assert (built.exit_code, first in built.stderr) == (1, True)
    assert json.loads(run("build", "--json").stdout)["problems"][0]["line"] == 2


def test_last_uses_the_version_there_is(run: Run, project: Path) -> None:
    """With broken files the last version still answers, if that is asked for."""
    assert run("--last", "export").exit_code == 3
    assert run("build").exit_code == 0
    (project / "data/entities/zone.ttl").write_text("nonsense")
    assert run("export", "--format", "nt").exit_code == 1
    assert run("--last", "export", "--format", "nt").exit_code == 0
    (project / "queries/meetings/broken.rq").write_text("nonsense")
    assert run("ask").exit_code == 1
    assert "meetings/chairs" in run("--last", "ask").stdout


def test_query_prints_a_table_or_a_format(run: Run, project: Path) -> None:
    """Text, file and standard input; a table for people; formats by name."""
    text = "SELECT ?who WHERE { ?what <https://w3id.org/lateral/ontology#chairedBy> ?who }"
    (project / "q.rq").write_text(text)
    table = "who\n-------------------------------------\nhttps://w3id.org/lateral/id/anna-teller\n"
    result = run("query", text)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[::2] == table.splitlines()[::2]
    assert run("query", str(project / "q.rq")).stdout == result.stdout
    assert run("query", "-", text=text).stdout == result.stdout
    assert json.loads(run("query", text, "--json").stdout)["head"]["vars"] == ["who"]
    assert run("query", text, "--format", "csv").stdout.splitlines()[0] == "who"
    assert run("query", "ASK { ?s ?p ?o }").stdout == "true\n"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("SELEC * WHERE { ?s ?p ?o }", 1, "SELECT"),
        ("SELECT * WHERE { ?s a lta:State }", 1, "line"),
        ("DELETE WHERE { ?s ?p ?o }", 1, "update"),
        ("nowhere.rq", 1, "is not there"),
    ],
)
def test_query_explains_what_is_wrong(run: Run, text: str, code: int, words: str) -> None:
    """A typo, an update, a missing file: one message, exit 1."""
    result = run("query", text)
    assert result.exit_code == code, result.output
    assert words.lower() in result.stderr.lower()


def test_query_in_an_unknown_format_is_wrong_usage(run: Run) -> None:
    """Exit 2, with the formats there are."""
    result = run("query", "ASK {}", "--format", "docx")
    assert (result.exit_code, "json" in result.stderr) == (2, True)


def test_ask_lists_and_answers_questions(run: Run) -> None:
    """Names are forgiven their spelling; unknown ones are told with what is near."""
    assert "meetings/chairs  What did" in run("ask").stdout
    assert json.loads(run("ask", "--json").stdout)[0]["key"] == "meetings/chairs"
    result = run("ask", "meetings/chairs", "--param", "actor=anna teller", "--format", "csv")
    assert result.exit_code == 0, result.output
    assert (
        "gull-rock-meeting,Gull Rock meeting,https://w3id.org/lateral/id/anna-teller,Anna Teller"
        in result.stdout
    )
    assert run("ask", "chairs").exit_code == 0
    wrong = run("ask", "meetings/chair")
    assert (wrong.exit_code, "meetings/chairs" in wrong.stderr) == (1, True)
    person = run("ask", "chairs", "-p", "actor=Ana Tella")
    assert (person.exit_code, "id:anna-teller" in person.stderr) == (2, True)
    assert run("ask", "chairs", "-p", "actor").exit_code == 2
    assert run("ask", "chairs", "-p", "colour=red").exit_code == 2


def test_format_checks_and_writes(run: Run, project: Path) -> None:
    """--check exits 1 where something would change; the next run finds nothing."""
    path = project / "data/entities/zone.ttl"
    path.write_text("<urn:b> a <urn:c> . <urn:a> a <urn:c> .")
    result = run("format", "--check")
    assert (result.exit_code, result.stdout) == (1, f"{path} would change\n")
    assert run("format", str(path)).stdout == f"{path} changed\n"
    assert (run("format", "--check").exit_code, run("format", "--check", "--json").stdout) == (0, "[]\n")
    assert run("format", "nowhere.ttl").exit_code == 1


def test_cite_prints_a_block_that_can_be_pasted(run: Run, project: Path) -> None:
    """Pasted as it is, the block loads and the next check is fine."""
    result = run("cite", "demo", "Three islands", "delegates")
    assert result.exit_code == 0, result.output
    assert "demo-passage:0003 a lat:Passage" in result.stdout
    path = project / MEETINGS
    path.write_text(path.read_text() + "\n" + result.stdout)
    assert run("check").exit_code == 0
    assert run("cite", "demo", "Nine islands", "delegates").exit_code == 1
    assert run("cite", "elsewhere", "a", "b").exit_code == 1


def test_evidence_verify_finds_passages_in_a_copy(run: Run, project: Path) -> None:
    """Exact in the reference text; moved in another; missing where a sentence is gone."""
    result = run("evidence", "verify", "demo")
    assert (result.exit_code, result.stdout) == (0, "2 exact, 0 moved, 0 ambiguous, 0 missing.\n")
    copy = project / "copy.txt"
    text = (project / "documents/demo.txt").read_text()
    copy.write_text("A word before it all.\n\n" + text)
    moved = json.loads(run("evidence", "verify", "document:demo", str(copy), "--json").stdout)
    assert moved["counts"] == {"exact": 0, "moved": 2, "ambiguous": 0, "missing": 0}
    copy.write_text(text.replace("Anna Teller", "Somebody"))
    lost = run("evidence", "verify", "demo", str(copy))
    assert lost.exit_code == 1
    assert "demo-passage:0002 missing" in lost.stdout


def test_a_document_that_is_not_there_is_a_missing_part(run: Run, project: Path) -> None:
    """Exit 3, with the variable that mends it."""
    (project / "documents/demo.txt").unlink()
    result = run("evidence", "verify", "demo")
    assert (result.exit_code, "KG_DOCUMENTS" in result.stderr) == (3, True)


def test_passages_without_positions_are_counted(run: Run, project: Path) -> None:
    """Coverage and verification say how many passages they passed over."""
    path = project / MEETINGS
    passage = (
        "<https://w3id.org/lateral/passage/demo/0900> a lat:Passage ; lat:locatorOnly true ; "
        'lat:page "3" ; oa:hasSource document:demo .'
    )
    prefixes = (
        "@prefix document: <https://w3id.org/lateral/document/> .\n"
        "@prefix graph: <https://w3id.org/lateral/graph/> .\n"
        "@prefix lat: <https://w3id.org/lateral/ontology#> .\n"
        "@prefix oa: <http://www.w3.org/ns/oa#> .\n"
    )
    path.with_name("located.trig").write_text(f"{prefixes}graph:passages {{ {passage} }}\n", encoding="utf-8")
    for words in (["coverage", "demo"], ["evidence", "verify", "demo"]):
        assert "1 more kept by section, footnote or page only" in run(*words).stderr


def test_template_prints_forms_and_lists_kinds(run: Run, project: Path, tmp_path: Path) -> None:
    """A form is CSV or a workbook; without a kind, the kinds are listed; an unknown one is told."""
    text = "\n".join(
        (Path(__file__).parents[1] / "shapes" / f"{name}.ttl").read_text(encoding="utf-8")
        for name in ("hosting", "occurrence", "entity", "diplomatic-action", "source-document", "work")
    )
    (project / "shapes").mkdir(exist_ok=True)
    (project / "shapes" / "all.ttl").write_text(text, encoding="utf-8")
    done = run("template", "hosting")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("Hosting *,")  # the small project's ontology has no label for it
    assert done.stdout.splitlines()[1].startswith("lat:Hosting,lat:")
    assert "hosting: Hosting, document" in run("template").stdout
    book = tmp_path / "forms.xlsx"
    assert run("template", "hosting", "entity", "--xlsx", str(book)).exit_code == 0
    assert book.read_bytes().startswith(b"PK")
    assert run("template", "hostings").exit_code == 1


def test_coverage_lists_what_no_claim_covers(run: Run, project: Path) -> None:
    """Exit 1 and the sentence's first words; a page for the reader; counts for a machine."""
    result = run("coverage", "demo", "--html", str(project / "page.html"))
    assert result.exit_code == 1, result.output
    assert "Three islands" in result.stdout
    assert "<!doctype html>" in (project / "page.html").read_text()
    assert json.loads(run("coverage", "demo", "--json").stdout)


def test_export_writes_a_file_by_its_suffix(run: Run, project: Path) -> None:
    """TriG by default; a file's suffix decides; an unknown one is wrong usage and leaves no file."""
    assert b"claim/demo/0001" in run("export").stdout_bytes or "demo-claim:0001" in run("export").stdout
    assert run("export", "-o", str(project / "all.nq")).exit_code == 0
    assert (project / "all.nq").read_text().count("\n") > 50
    assert run("export", "-o", str(project / "all.docx")).exit_code == 2
    assert not (project / "all.docx").exists()


def test_export_to_where_nothing_can_be_written_is_wrong_usage(run: Run, project: Path) -> None:
    """The path is named and nothing is left."""
    result = run("export", "-o", str(project / "nowhere" / "all.nt"))
    assert result.exit_code == 2
    assert "nowhere/all.nt cannot be written (No such file or directory)" in result.stderr
    (project / "folder.nt").mkdir()
    assert run("export", "-o", str(project / "folder.nt")).exit_code == 2
    assert not list(project.glob(".*.part"))


def test_ask_tells_near_names_once(run: Run) -> None:
    """What is near stands in the message, or below it."""
    assert run("ask", "chairs", "--param", "actor=Ana Teller").stderr.lower().count("near: ") == 1


def test_wrong_usage_exits_2(run: Run) -> None:
    """click's own refusals and ours agree."""
    assert run("serve", "--port", "x").exit_code == 2
    assert run("nonsense").exit_code == 2
    assert CliRunner(env={"KG_PORT": "x"}).invoke(main, ["build"]).exit_code == 2


def test_an_unexpected_fault_is_one_line_and_exit_70(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """No trace unless asked for."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("one / zero")

    monkeypatch.setattr(publication, "check", fail)
    result = run("check")
    assert result.exit_code == 70
    assert result.stderr.count("\n") == 1
    assert "ZeroDivisionError: one / zero" in result.stderr
    assert "Traceback" in run("--debug", "check").stderr


def test_serve_on_a_taken_port_says_which_and_what_mends_it(run: Run) -> None:
    """Nothing is built; exit 3."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = run("serve", "--port", str(port))
    assert result.exit_code == 3
    assert f"port {port} of 127.0.0.1 is taken" in result.stderr
    assert f"PORT={port + 1} make serve" in result.stderr
    assert "reading" not in result.stderr


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7"])
def test_serve_on_an_address_of_another_machine_is_wrong_usage(run: Run, host: str) -> None:
    """An address that is not ours is refused plainly."""
    assert run("serve", "--host", host).exit_code == 2


def test_serve_takes_updates_on_this_machine_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """--scratch or KG_SCRATCH on an address that others reach: nothing starts, exit 2."""
    for host in ("0.0.0.0", "::", "203.0.113.7"):
        result = run("--last", "serve", "--scratch", "--host", host, "--port", "0")
        assert result.exit_code == 2
        assert "127.0.0.1, ::1 or localhost" in result.stderr
    monkeypatch.setenv("KG_SCRATCH", "1")
    assert run("--last", "serve", "--host", "0.0.0.0", "--port", "0").exit_code == 2
    monkeypatch.setenv("KG_HOST", "0.0.0.0")
    assert run("--last", "serve").exit_code == 2


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE)}


def test_serve_says_what_it_holds_and_answers(run: Run, project: Path) -> None:
    """Address, counts and seconds on standard output; it answers; SIGINT ends it with exit 0."""
    assert run("build").exit_code == 0
    command = [sys.executable, "-m", "kg", "--root", str(project), "--last", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment()) as process:
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline() for _ in range(3)]
            address = lines[0].removeprefix("Lateral is at ").strip()
            assert "It holds 2 claims, 2 passages, 4 entities" in lines[1]
            assert ", 1 questions; version 2031-06-02-" in lines[1]
            assert re.match(r"Ready in [0-9.]+ s\.", lines[2])
            with urllib.request.urlopen(f"{address}health", timeout=10) as answer:
                assert json.load(answer)["status"] == "ok"
        finally:
            process.send_signal(signal.SIGINT)
            deadline = time.monotonic() + 10
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            process.kill()
    assert process.returncode == 0
