"""The verbs over the whole graph: serve, mcp, build, check, query, ask, format, export."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kg.cli.call import STARTED, Call, example, json_option, main, print_json, tell_held, tell_number, writing
from kg.errors import MissingPartError, NotFoundError, UsageError

if TYPE_CHECKING:
    from kg.dataset import Snapshot


_DEFAULT_FORMATS = {"SELECT": "csv", "ASK": "json", "CONSTRUCT": "ttl", "DESCRIBE": "ttl"}


@main.command(epilog=example("kg serve", "kg serve --port 8001", "kg serve --scratch"))
@click.option("--host", help="Address to serve on (KG_HOST).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to serve on, 0 for any (KG_PORT).")
@click.option(
    "--scratch",
    is_flag=True,
    help="Take SPARQL updates on a copy, forgotten at the end (KG_SCRATCH).",
)
@click.pass_obj
def serve(call: Call, host: str | None, port: int | None, scratch: bool) -> None:
    """Build what has changed, then serve pages and SPARQL."""
    from kg.cli import serving

    settings = replace(
        call.settings,
        host=host or call.settings.host,
        port=call.settings.port if port is None else port,
        scratch=scratch or call.settings.scratch,
    )
    with serving.take_port(settings) as taken:
        serving.run(call.snapshot(), settings, taken, started=STARTED)


@main.command(name="mcp", epilog=example("kg mcp", "kg mcp --tools few", "kg mcp --http --port 8001"))
@click.option(
    "--tools",
    "toolset",
    type=click.Choice(["all", "few"]),
    default="all",
    show_default=True,
    help="One tool per question, or two for them all.",
)
@click.option("--http", "is_http", is_flag=True, help="Serve over HTTP on this machine, at /mcp.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port for --http, 0 for any (KG_PORT).")
@click.pass_obj
def mcp_(call: Call, toolset: str, is_http: bool, port: int | None) -> None:
    """Build what has changed, then serve it to a language model by the Model Context Protocol."""
    if port is not None and not is_http:
        raise UsageError("--port goes with --http: over standard input there is none.")
    try:
        from kg import mcp
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        message = "the package mcp is not installed; this needs it. Run: pip install 'lateral-kg[mcp]'"
        raise MissingPartError(message, part="mcp") from error
    if not is_http:
        call.snapshot()
        mcp.serve_stdio(call.settings, toolset)
        return
    from kg.cli import serving

    settings = replace(call.settings, host=mcp.HOST, port=call.settings.port if port is None else port)
    with serving.take_port(settings) as taken:
        call.snapshot()
        click.echo(f"Lateral is at http://{mcp.HOST}:{taken.getsockname()[1]}{mcp.PATH}. Stop with Ctrl-C.")
        sys.stdout.flush()
        try:
            mcp.serve_http(settings, taken, toolset)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)


@main.command(epilog=example("kg build"))
@json_option
@click.pass_obj
def build(call: Call) -> None:
    """Check the files, infer, and publish them as one version."""
    from kg import publication

    found = publication.publish(call.settings, progress=call.progress)
    counts = found.manifest["counts"]
    if call.is_json:
        print_json({"version": found.version, "path": str(found.path), "counts": counts})
    else:
        click.echo(f"{found.version}: {tell_held(counts)}.")


@main.command(epilog=example("kg check", "kg check --json"))
@json_option
@click.pass_obj
def check(call: Call) -> None:
    """Say all that is wrong with the files: syntax, shapes, evidence, checks."""
    from kg import publication

    problems = publication.check(call.settings, progress=call.progress)
    if call.is_json:
        print_json([one.as_json() for one in problems])
    else:
        click.echo("".join(f"{one}\n" for one in problems), nl=False)
        click.echo("The files are fine." if not problems else "", nl=not problems)
    if problems:
        tell_number(len(problems))
        sys.exit(1)


@main.command(
    epilog=example(
        "kg query 'SELECT ?type (COUNT(*) AS ?n) WHERE { ?thing a ?type } GROUP BY ?type'",
        "kg query --format csv question.rq",
        "kg query - < question.rq",
    )
)
@click.argument("query")
@click.option(
    "--format", "format_name", help="json, xml, csv, tsv; ttl, nt, jsonld, rdf …; default: a table."
)
@json_option
@click.pass_obj
def query(call: Call, query: str, format_name: str | None) -> None:
    """Run SPARQL: QUERY is a file, the text itself, or - for standard input."""
    _run(call, _read_query(query), format_name)


@main.command(epilog=example("kg ask", "kg ask actors/who-chaired --param actor=Singapore --format csv"))
@click.argument("template", required=False)
@click.option(
    "--param", "-p", "params", multiple=True, metavar="NAME=VALUE", help="A value; may be repeated."
)
@click.option("--format", "format_name", help="As for query.")
@json_option
@click.pass_obj
def ask(call: Call, template: str | None, params: tuple[str, ...], format_name: str | None) -> None:
    """Ask a question that is kept: TEMPLATE is topic/name; without it, list them."""
    from kg.cli import asking
    from kg.dataset import find_prefixes
    from kg.templates import load_templates

    root = call.settings.root
    known = load_templates(root, find_prefixes(root), passed_over=[] if call.is_last else None)
    if template is None:
        _list_templates(call, known)
        return
    chosen = asking.choose(known, template)
    values = dict(_split_parameter(one) for one in params)
    snapshot = call.snapshot()
    _run(call, asking.bind(chosen, values, snapshot), format_name, snapshot=snapshot)


@main.command(name="format", epilog=example("kg format", "kg format --check data/entities"))
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if something would change.")
@json_option
@click.pass_obj
def format_(call: Call, paths: tuple[Path, ...], check: bool) -> None:
    """Write Turtle and TriG files the one way; PATHS are files and folders, by default data/."""
    from kg.dataset import find_prefixes, format_files

    root = call.settings.root
    changed = format_files(paths or [root / "data"], check=check, prefixes=find_prefixes(root))
    if call.is_json:
        print_json([str(path) for path in changed])
    else:
        verb = "would change" if check else "changed"
        click.echo("".join(f"{path} {verb}\n" for path in changed), nl=False)
    if check and changed:
        sys.exit(1)


@main.command(epilog=example("kg export --format ttl > lateral.ttl", "kg export -o lateral.trig"))
@click.option(
    "--format",
    "format_name",
    help="trig, nq, jsonld (with graphs), ttl, nt (merged); default: by suffix, trig.",
)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="File to write; default: standard output."
)
@click.pass_obj
def export(call: Call, format_name: str | None, output: Path | None) -> None:
    """Write the whole graph to standard output or a file."""
    from kg import dataset

    name = format_name or (output.suffix.removeprefix(".") if output else "trig")
    if name not in dataset.EXPORTS:
        raise UsageError(f"no format {name!r}: expected one of {', '.join(sorted(dataset.EXPORTS))}.")
    snapshot = call.snapshot()
    if output is None:
        dataset.export(snapshot, name, sys.stdout.buffer)
        return
    partial = output.with_name(f".{output.name}.part")
    with writing(output):
        try:
            with partial.open("wb") as file:
                dataset.export(snapshot, name, file)
            partial.replace(output)
        finally:
            partial.unlink(missing_ok=True)


def _run(call: Call, text: str, format_name: str | None, *, snapshot: Snapshot | None = None) -> None:
    from kg.engine import QueryRequest, query_form, run_query

    form = query_form(text, call.settings)
    answer = run_query(
        snapshot or call.snapshot(),
        call.settings,
        QueryRequest(query=text, format=format_name or ("json" if call.is_json else _DEFAULT_FORMATS[form])),
    )
    if format_name or call.is_json or form not in ("SELECT", "ASK"):
        sys.stdout.buffer.write(answer.body)
    elif form == "SELECT":
        click.echo(_table(answer.body.decode()), nl=False)
    else:
        click.echo(json.dumps(json.loads(answer.body)["boolean"]))


def _read_query(query: str) -> str:
    if query == "-":
        return sys.stdin.read()
    path = Path(query)
    if "\n" not in query and len(query) < 1000 and path.is_file():
        return path.read_text(encoding="utf-8")
    if path.suffix == ".rq" and " " not in query:
        raise NotFoundError(
            f"{query} is not there: expected a query file, the query itself, or -.", name=query
        )
    return query


def _table(text: str) -> str:
    """Lay CSV out in columns, with a rule below the names."""
    import csv

    rows = [[" ".join(cell.split()) for cell in row] for row in csv.reader(text.splitlines())]
    if not rows:
        return ""
    widths = [max(len(row[at]) for row in rows if at < len(row)) for at in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) for row in rows]
    count = len(rows) - 2
    click.echo(f"{count} row{'s' if count != 1 else ''}.", err=True)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _list_templates(call: Call, known: Any) -> None:
    if call.is_json:
        print_json([{"key": key, "title": one.title, "question": one.question} for key, one in known.items()])
        return
    for key, one in known.items():
        click.echo(f"{key}  {one.sentence()}")
        for parameter in one.parameters.values():
            click.echo(f"    --param {parameter.name}=…  {parameter.description}")


def _split_parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--param {text!r}: expected NAME=VALUE, e.g. actor=Singapore.")
    return name, value
