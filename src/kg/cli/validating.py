"""The verb for files of anybody: validate, and mend what has a proved edit."""

from __future__ import annotations

import difflib
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kg.cli.call import Call, example, json_option, main, writing
from kg.errors import MissingPartError, Problem, UsageError

if TYPE_CHECKING:
    from kg.isolation import Job, Sent
    from kg.reporting import Report
    from kg.validation import Published

_FORMATS = ("text", "json", "sarif", "ttl", "jsonld", "nt", "rdf")
_SPREADSHEETS = (".csv", ".tsv", ".xlsx", ".xlsm", ".xls")
_MAX_ROUNDS = 20


@main.command(
    epilog=example(
        "kg validate talks.trig",
        "kg validate talks.trig --document harbour-notes-2025.txt",
        "kg validate talks.csv --document harbour-notes-2025.pdf",
        "kg validate --format sarif claims/*.trig > problems.sarif",
        "kg validate data.ttl --shapes shapes.ttl",
        "kg validate --fix --write talks.trig",
    )
)
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@click.option("--format", "format_name", type=click.Choice(_FORMATS), help="How to report; default: text.")
@click.option(
    "--document",
    "documents",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Copy of a document that passages are proved in; its name is the document's slug.",
)
@click.option(
    "--shapes",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Hold the files to these SHACL shapes alone.",
)
@click.option("--media-type", help="What standard input is, where the file is -.")
@click.option("--fix", is_flag=True, help="Print proved edits as a diff.")
@click.option("--write", is_flag=True, help="With --fix: make the edits.")
@json_option
@click.pass_obj
def validate(
    call: Call,
    files: tuple[Path, ...],
    format_name: str | None,
    documents: tuple[Path, ...],
    shapes: tuple[Path, ...],
    media_type: str | None,
    fix: bool,
    write: bool,
) -> None:
    """
    Say what is wrong with contributions, or with RDF held to shapes; FILE may be - for standard input.

    Exits with 1 where something is refused; warnings and notes alone exit with 0.
    """
    from kg import reporting

    if write and not fix:
        raise UsageError("--write makes the edits of --fix: expected both.")
    if fix and any(one.suffix.lower() in _SPREADSHEETS for one in files):
        raise UsageError("--fix writes RDF: what is proposed for a spreadsheet is told cell by cell.")
    if documents and shapes:
        raise UsageError("--document proves passages of contributions: expected it without --shapes.")
    jobs = list(_jobs(files, documents, shapes, media_type))
    published = _published(call, is_needed=not shapes)
    reports = []
    for job in jobs:
        call.progress(f"validating {job.data.name}")
        reports.append(_fixed(job, published, is_written=write) if fix else _report(job, published))
    profile = "shacl" if shapes else "contribution"
    report = reporting.Report.join(reports, profile=profile)
    if len(reports) == 1:
        report = replace(report, graph=reports[0].graph)
    name = format_name or ("json" if call.is_json else "text")
    body = reporting.write(report, name, published.prefixes.items())
    (sys.stderr if fix and name == "text" else sys.stdout).buffer.write(body)
    if not report.conforms:
        sys.exit(1)


def _jobs(
    files: tuple[Path, ...], documents: tuple[Path, ...], shapes: tuple[Path, ...], media_type: str | None
) -> Iterator[Job]:
    from kg.evidence import read_copy
    from kg.isolation import Job, Sent

    # read once, though there be many files
    copies = tuple(Sent(read_copy(one).encode(), one.name, "text/plain") for one in documents)
    along = tuple(Sent.of(one.read_bytes(), str(one), "", "shapes") for one in shapes)
    for path in files:
        if str(path) == "-":
            data = Sent.of(sys.stdin.buffer.read(), "", media_type or "", "stdin")
        else:
            data = Sent.of(path.read_bytes(), str(path), "", "data")
        yield Job("shacl" if shapes else "contribution", data, along, copies)


def _published(call: Call, *, is_needed: bool) -> Published:
    """
    Return the graph to hold contributions against.

    Raises:
        MissingPartError: None is at hand.
    """
    import pyoxigraph as ox

    from kg import dataset
    from kg.names import Prefixes
    from kg.validation import Published

    if not is_needed:
        return Published(ox.Store(), Prefixes({}))
    settings = call.settings
    has_files = settings.path("ontology", "prefixes.ttl").is_file()
    snapshot = call.snapshot() if has_files else dataset.find_snapshot(settings)
    if snapshot is None:
        raise MissingPartError(
            f"there is no graph at {settings.root.resolve()} to hold a contribution against: set KG_ROOT to "
            "a copy of Lateral, or KG_BUILD to a folder that kg build has written. With --shapes none is "
            "needed.",
            part="snapshot",
        )
    call.progress(f"reading version {snapshot.version}")
    return Published.load(snapshot, settings)


def _report(job: Job, published: Published) -> Report:
    from kg.isolation import report_on

    return report_on(job, published)


def _fixed(job: Job, published: Published, *, is_written: bool) -> Report:
    """Print the edits of one file as a diff; make them if asked to; report on what is there then."""
    before = _report(job, published)
    if not before.texts:
        return before
    old = next(iter(before.texts.values()))
    mended, after = _mend(job, before, published)
    new = mended.content.decode("utf-8")
    if new == old:
        return before
    name = job.data.name
    told = name.lstrip("/")
    click.echo("".join(difflib.unified_diff(_lines(old), _lines(new), f"a/{told}", f"b/{told}")), nl=False)
    if not is_written:
        return before
    path = Path(name)
    if not path.is_file():
        raise UsageError("--write needs a file: standard input cannot be written.")
    with writing(path):
        partial = path.with_name(f".{path.name}.part")
        partial.write_bytes(mended.content)
        partial.chmod(path.stat().st_mode)
        partial.replace(path)
    return after


def _lines(text: str) -> list[str]:
    """Split after each line end, and nowhere else; a last line without one is told as diff does."""
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop()
    return lines if last == "\n" else [*lines, f"{last}\\ No newline at end of file\n"]


def _mend(job: Job, before: Report, published: Published) -> tuple[Sent, Report]:
    """
    Make proved edits until none is left: all together, else the first that leaves fewer problems.

    An edit is kept only if fewer problems are left, and none that was not there before.
    """
    from kg.validation.fixes import apply_edits

    current, report = job.data, before
    for _ in range(_MAX_ROUNDS):
        sets = [one.edits for one in report.problems if one.edits]
        together = tuple(edit for one in sets for edit in one)
        for edits in dict.fromkeys([together, *sets]):
            try:
                text = apply_edits(next(iter(report.texts.values())), edits)
            except UsageError:
                continue
            trial = replace(current, content=text.encode("utf-8"))
            found = _report(replace(job, data=trial), published)
            if (
                edits
                and not _keys(found.problems) - _keys(report.problems)
                and len(found.problems) < len(report.problems)
            ):
                current, report = trial, found
                break
        else:
            break
    return current, report


def _keys(problems: tuple[Problem, ...]) -> Counter[tuple[str | None, str | None, str]]:
    return Counter((one.code, one.subject, one.message) for one in problems)
