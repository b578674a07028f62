"""The verbs over one document: cite, evidence verify, coverage."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kg.cli.call import Call, example, json_option, main, print_json, writing
from kg.errors import MissingPartError

if TYPE_CHECKING:
    from kg.dataset import Dataset
    from kg.evidence import Coverage


@main.command(
    epilog=example('kg cite wef-2026 "first words" "last words"', 'kg cite wef-2026 "on" "it." --footnote 4')
)
@click.argument("document")
@click.argument("first")
@click.argument("last")
@click.option("--section", help="Slug of the section; found by itself where headings are known.")
@click.option("--footnote", type=int, help="Number of the footnote that it stands in.")
@click.option("--page", help="Page as printed.")
@click.option("--after", help="Words that stand before it, where several passages fit.")
@click.option("--nth", type=click.IntRange(1), help="Which of several that fit.")
@click.option(
    "--copy", type=click.Path(path_type=Path), help="The reference text, if it is not where expected."
)
@click.pass_obj
def cite(call: Call, /, document: str, first: str, last: str, copy: Path | None, **where: Any) -> None:
    """Print the passage block of DOCUMENT from the FIRST to the LAST words, ready to paste."""
    from kg import evidence

    dataset = call.dataset()
    _, text = _reference(call, dataset, document, copy)
    given = {name: value for name, value in where.items() if value is not None}
    name = _slug(document)
    block = evidence.cite(name, text, first, last, prefixes=dataset.prefixes, store=dataset.store, **given)
    click.echo(block, nl=False)


@main.group(name="evidence")
def evidence_group() -> None:
    """Hold the passages to the documents."""


@evidence_group.command(epilog=example("kg evidence verify wef-2026", "kg evidence verify wef-2026 mine.pdf"))
@click.argument("document")
@click.argument("copy", required=False, type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def verify(call: Call, document: str, copy: Path | None) -> None:
    """Find every passage of DOCUMENT in COPY: text, HTML or PDF; by default the reference text."""
    from kg import evidence

    dataset = call.dataset()
    record, text = _reference(call, dataset, document, copy)
    passages = evidence.load_passages(dataset.store, record.iri)
    found = evidence.verify(
        passages, text, exact_digest=record.reference_digest, code_points=record.code_points
    )
    rows = [
        {
            "passage": one.passage.iri,
            "outcome": one.outcome,
            "start": one.start,
            "end": one.end,
            "note": one.note,
        }
        for one in found
    ]
    counts = {
        name: sum(row["outcome"] == name for row in rows)
        for name in ("exact", "moved", "ambiguous", "missing")
    }
    if call.is_json:
        print_json({"counts": counts, "passages": rows})
    else:
        for one in found:
            if one.outcome != "exact":
                place = "" if one.start is None else f" at {one.start}-{one.end}"
                note = f" ({one.note})" if one.note else ""
                click.echo(f"{dataset.prefixes.compress(one.passage.iri)} {one.outcome}{place}{note}")
        click.echo(", ".join(f"{number} {name}" for name, number in counts.items()) + ".")
    _tell_located(dataset, record.iri)
    if counts["missing"] or counts["ambiguous"]:
        sys.exit(1)


@main.command(epilog=example("kg coverage wef-2026", "kg coverage wef-2026 --html coverage.html"))
@click.argument("document")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page that shows the text, tinted.")
@click.option(
    "--copy", type=click.Path(path_type=Path), help="The reference text, if it is not where expected."
)
@json_option
@click.pass_obj
def coverage(call: Call, document: str, html: Path | None, copy: Path | None) -> None:
    """Say which sentences of DOCUMENT no claim covers; exit 1 if there are any."""
    from kg import evidence

    dataset = call.dataset()
    record, text = _reference(call, dataset, document, copy)
    name = _slug(document)
    excused = call.settings.path("data", "documents", name, "not-facts.yaml")
    found = evidence.coverage(
        text,
        evidence.load_passages(dataset.store, record.iri),
        evidence.load_exceptions(excused) if excused.is_file() else None,
        sections=evidence.load_sections(dataset.store, name, text),
    )
    if html:
        with writing(html):
            html.write_text(found.as_html(text, title=record.label), encoding="utf-8")
        click.echo(f"{html} holds the text of the document: it is for you, not to be published.", err=True)
    print_json(found.as_json()) if call.is_json else _print_coverage(found)
    _tell_located(dataset, record.iri)
    if found.uncovered or found.problems:
        sys.exit(1)


def _slug(document: str) -> str:
    return document.rpartition("/")[2].removeprefix("document:")


def _tell_located(dataset: Dataset, document: str) -> None:
    """Say on standard error how many passages have no positions, so that they were passed over."""
    from kg import evidence

    number = len(evidence.load_located(dataset.store, document))
    if number:
        click.echo(f"{number} more kept by section, footnote or page only: passed over.", err=True)


def _reference(call: Call, dataset: Dataset, document: str, copy: Path | None) -> tuple[Any, str]:
    """Return a document's record and the text of a copy, by default the reference text."""
    from kg import evidence

    record = evidence.load_document(dataset.store, _slug(document))
    path = copy or call.settings.documents_path / record.reference_file
    if copy is None and not path.is_file():
        kept = evidence.find_kept(call.settings.root, record.reference_file, record.reference_digest)
        path = kept or path
    if copy is None and not path.is_file():
        raise MissingPartError(
            f"{path} is not there: expected the reference text of {record.label!r}, which may not be "
            "republished. Put a copy there, set KG_DOCUMENTS to its folder, or name a copy.",
            part=str(path),
        )
    return record, evidence.read_copy(path)


def _print_coverage(found: Coverage) -> None:
    for section, counted in found.counts().items():
        click.echo(
            f"{section}: " + ", ".join(f"{number} {name}" for name, number in counted.items() if number)
        )
    for one in found.uncovered:
        click.echo(f"line {one.line}: {one.first_words} …  ({one.word_count} words, {one.share:.0%} held)")
    for problem in found.problems:
        click.echo(str(problem), err=True)
    click.echo(", ".join(f"{number} {name}" for name, number in found.totals().items()) + ".")
