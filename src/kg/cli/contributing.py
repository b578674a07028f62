"""The verbs of contributions: contribute, correct, retract, contributions, review, token."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from kg import names
from kg.cli.call import Call, example, json_option, main, print_json, tell_number
from kg.errors import NotFoundError, Problem, UsageError

if TYPE_CHECKING:
    from kg.contributions import AnswerChange, ClaimInWords, Contribution, Contributions, Person, Preview
    from kg.tables import Candidate, Question
    from kg.tables.judging import Answerer
    from kg.validation import Published, Verdict

_DOCUMENTS = (".pdf", ".doc", ".docx", ".odt", ".txt", ".html", ".htm", ".md", ".rtf")


class _Judged(NamedTuple):
    """A verdict, how it tells the place of a problem, and the copies that it was given by: slug to text."""

    verdict: Verdict
    place: Callable[[Problem], str]
    copies: Mapping[str, str]


_as_option = click.option(
    "--as", "name", metavar="NAME", help="Who does it; by default the user of this machine."
)
_token_option = click.option("--token", envvar="LATERAL_TOKEN", help="Proves who does it (LATERAL_TOKEN).")
_documents_option = click.option(
    "--document",
    "documents",
    multiple=True,
    metavar="[SLUG=]FILE",
    help="Copy of a document (text, HTML, PDF) to prove passages in; the file's name is its slug.",
)


@main.command(
    epilog=example(
        "kg contribute report.trig --document harbour-notes-2025=notes.pdf --as 'Anna Teller'",
        "kg contribute mended.trig --again 0a1b2c3d4e5f",
        "kg contribute report.trig --dry-run",
    )
)
@click.argument("file", type=click.Path(path_type=Path))
@_documents_option
@_as_option
@_token_option
@click.option("--again", metavar="ID", help="It is a new revision of a contribution that was sent back.")
@click.option("--remark", default="", help="What to tell the reviewer, with --again.")
@click.option("--dry-run", is_flag=True, help="Say what is wrong with it and send nothing.")
@json_option
@click.pass_obj
def contribute(call: Call, /, file: Path, again: str | None, **given: Any) -> None:
    """Validate FILE and, if nothing refuses it, submit it for review."""
    _send(call, file, again=again, **given)


@main.command(epilog=example("kg correct 0a1b2c3d4e5f/0001 better.trig --as 'Anna Teller'"))
@click.argument("claims", nargs=-1, required=True)
@click.argument("file", type=click.Path(path_type=Path))
@_documents_option
@_as_option
@_token_option
@click.option("--dry-run", is_flag=True, help="Say what is wrong with it and send nothing.")
@json_option
@click.pass_obj
def correct(call: Call, /, claims: tuple[str, ...], file: Path, **given: Any) -> None:
    """Submit FILE in place of CLAIMS of accepted contributions; they go when it is accepted."""
    _send(call, file, replaces=[_claim(one) for one in claims], **given)


@main.command(epilog=example("kg retract 0a1b2c3d4e5f/0001 --reason 'The report was withdrawn.' --as Bo"))
@click.argument("claims", nargs=-1, required=True)
@click.option("--reason", required=True, help="Why; it stays with the record.")
@_as_option
@_token_option
@json_option
@click.pass_obj
def retract(call: Call, claims: tuple[str, ...], reason: str, name: str | None, token: str | None) -> None:
    """Take CLAIMS of accepted contributions out of the graph; a record with the reason stays."""
    kept = _open(call)
    by = _person(call, name, token)
    found = kept.retract([_claim(one) for one in claims], by=by, reason=reason, progress=call.progress)
    _tell_all(call, found)


@main.command(
    epilog=example(
        "kg contributions",
        "kg contributions --state submitted",
        "kg contributions 0a1b2c3d4e5f",
        "kg contributions 0a1b2c3d4e5f --withdraw",
    )
)
@click.argument("id", required=False)
@click.option(
    "--state", help="Only those: submitted, sent-back, accepted, rejected, withdrawn, corrected, retracted."
)
@click.option("--original", is_flag=True, help="Write the bytes as they were sent last.")
@click.option("--withdraw", is_flag=True, help="Take your own out of the queue.")
@click.option("--restore", is_flag=True, help="Write damaged files as they were.")
@click.option("--keep", is_flag=True, help="Take the published file as somebody changed it by hand.")
@_as_option
@_token_option
@json_option
@click.pass_obj
def contributions(
    call: Call, /, id: str | None, state: str | None, name: str | None, token: str | None, **wanted: bool
) -> None:
    """List contributions, or show one with its history."""
    kept = _open(call)
    if id is None:
        if any(wanted.values()):
            raise UsageError("name the contribution: kg contributions ID …")
        _tell_all(call, kept.list(state=state))
        return
    if wanted["restore"]:
        kept.restore(id)
    elif wanted["keep"]:
        kept.keep(id)
    elif wanted["withdraw"]:
        kept.withdraw(id, by=_person(call, name, token))
    if wanted["original"]:
        sys.stdout.buffer.write(kept.original(id))
        return
    record = kept.get(id)
    if call.is_json:
        print_json(record.as_json())
    else:
        click.echo("\n".join(_life(record)))


@main.command(
    epilog=example(
        "kg review",
        "kg review 0a1b2c3d4e5f",
        "kg review 0a1b2c3d4e5f --accept --as Bo",
        "kg review 0a1b2c3d4e5f --send-back 'Which year?' --as Bo",
    )
)
@click.argument("id", required=False)
@click.option("--accept", is_flag=True, help="Publish it.")
@click.option("--reject", metavar="REASON", help="Refuse it for good.")
@click.option("--send-back", metavar="REMARKS", help="Ask for another revision.")
@click.option("--remark", default="", help="What to say with --accept.")
@click.option(
    "--seconds", type=float, default=60.0, show_default=True, help="How long questions may be asked."
)
@_as_option
@_token_option
@json_option
@click.pass_obj
def review(
    call: Call,
    id: str | None,
    accept: bool,
    reject: str | None,
    send_back: str | None,
    remark: str,
    seconds: float,
    name: str | None,
    token: str | None,
) -> None:
    """List the queue; or show what a contribution would change, and decide on it."""
    kept = _open(call)
    if (accept, reject is not None, send_back is not None).count(True) > 1:
        raise UsageError("one decision at a time: --accept, --reject or --send-back.")
    if id is None:
        _tell_all(call, kept.list(state="submitted"))
        return
    if not accept and reject is None and send_back is None:
        _show(call, kept, id, seconds)
        return
    by = _person(call, name, token)
    if accept:
        done = kept.accept(id, by=by, remark=remark, progress=call.progress)
    elif reject is not None:
        done = kept.reject(id, by=by, reason=reject)
    else:
        done = kept.send_back(id, by=by, remarks=send_back or "")
    _tell_all(call, [done])


@main.group(name="token")
def token_group() -> None:
    """Make, list and revoke the tokens of contributors and reviewers."""


@token_group.command(name="make", epilog=example("kg token make 'Anna Teller' --role contributor"))
@click.argument("name")
@click.option("--role", required=True, type=click.Choice(["contributor", "reviewer"]), help="What it allows.")
@json_option
@click.pass_obj
def token_make(call: Call, name: str, role: str) -> None:
    """Make a token for NAME and show it, this once: only its digest is kept."""
    from kg.contributions import Tokens

    made = Tokens(call.settings.tokens_path).make(name, role)
    if call.is_json:
        print_json({"name": name, "role": role, "token": made})
    else:
        click.echo(made)
        click.echo(f"This is {name}'s token as {role}. It is not shown again.", err=True)


@token_group.command(name="list", epilog=example("kg token list"))
@json_option
@click.pass_obj
def token_list(call: Call) -> None:
    """List the tokens, without what they are."""
    from kg.contributions import Tokens

    found = Tokens(call.settings.tokens_path).list()
    if call.is_json:
        print_json(found)
    else:
        for one in found:
            click.echo(f"{one['id']}  {one['role']:<11}  {one['made'][:10]}  {one['name']}")


@token_group.command(
    name="revoke", epilog=example("kg token revoke 'Anna Teller'", "kg token revoke 3f2a9c01")
)
@click.argument("name")
@json_option
@click.pass_obj
def token_revoke(call: Call, name: str) -> None:
    """Take back all tokens of NAME, or the one that kg token list shows so."""
    from kg.contributions import Tokens

    count = Tokens(call.settings.tokens_path).revoke(name)
    if call.is_json:
        print_json({"revoked": count})
    else:
        click.echo(f"{count} token{'s' if count != 1 else ''} revoked.")


# --- inside -------------------------------------------------------------------------------------------


def _open(call: Call) -> Contributions:
    from kg.contributions import Contributions

    kept = Contributions(call.settings)
    for one in kept.problems:
        click.echo(str(one), err=True)
    return kept


def _person(call: Call, name: str | None, token: str | None) -> Person:
    """Return who acts: a token's owner; else who has this machine, who may change every file anyway."""
    from kg.contributions import ROLES, Person, Tokens, check_name

    if token:
        found = Tokens(call.settings.tokens_path).person(token)
        if name and Person(name).slug != found.slug:
            raise UsageError(f"the token is {found.name}'s: leave --as out, or write that name.")
        return found
    return Person(check_name(name or getpass.getuser()), frozenset(ROLES))


def _claim(text: str) -> str:
    """Return the IRI of a claim that was written short: 0a1b2c3d4e5f/0001."""
    return (
        text
        if text.startswith("https://")
        else f"{names.CLAIM}contribution/{text.removeprefix('contribution/')}"
    )


def _send(
    call: Call,
    file: Path,
    *,
    documents: Sequence[str],
    name: str | None,
    token: str | None,
    dry_run: bool,
    again: str | None = None,
    remark: str = "",
    replaces: Sequence[str] = (),
) -> None:
    if not file.is_file():
        raise NotFoundError(f"{file} is not there: expected a file to contribute.", name=str(file))
    person = _person(call, name, token)
    kept = _open(call)
    content = _read(file)
    same = None if dry_run or again else kept.find_same(content)
    if same:  # what it says may be published meanwhile, and would only be found to repeat itself
        if call.is_json:
            print_json({**same.as_json(), "is_new": False})
        else:
            click.echo(_sent_before(same))
        return
    verdict, place, copies = _judge(call, content, file, _copies(documents))
    if not verdict.is_accepted or dry_run:
        _tell_verdict(call, verdict, place, is_last=True)
        sys.exit(0 if verdict.is_accepted else 1)
    given: dict[str, Any] = {"name": file.name, "contributor": person, "verdict": verdict, "copies": copies}
    if again:
        done = kept.resubmit(again, content, remark=remark, **given)
        told = f"Revision {done.current.number} of contribution {done.id} is in the queue."
    else:
        done = kept.submit(content, replaces=replaces, **given)
        told = f"Contribution {done.id} is in the queue, as {done.contributor}'s."
        if not done.is_new:
            told = _sent_before(done)
    if call.is_json:
        print_json({**done.as_json(), "is_new": done.is_new})
    else:
        _tell_verdict(call, verdict, place, is_last=False)
        shown = f" kg contributions {done.id} shows what becomes of it." if again or done.is_new else ""
        click.echo(told + shown)


def _sent_before(one: Contribution) -> str:
    state = one.state.replace("-", " ")
    return (
        f"This file is contribution {one.id} already: {one.contributor}'s, {state}. "
        f"kg contributions {one.id} shows what becomes of it."
    )


def _judge(call: Call, content: bytes, path: Path, copies: Mapping[str, str]) -> _Judged:
    """Judge what was sent; a table's doubtful names are asked where somebody sits at a terminal."""
    from kg import tables
    from kg.parsing import read
    from kg.validation import Published, judge

    _refuse_documents(content, path)
    snapshot = call.snapshot()
    call.progress("loading the published version")
    published: Published = Published.load(snapshot, call.settings)
    call.progress("validating")
    if not tables.is_table(content, path):
        slugs = {key: text for key, text in copies.items() if names.slugify(key) == key}
        reading = read(content, path=path, prefixes=published.prefixes)
        return _Judged(judge(reading, published, documents=slugs), str, slugs)
    found = tables.judge_table(
        content, path=path, published=published, documents=copies, answer=_answerer(call)
    )

    def place(problem: Problem) -> str:
        where = found.reading.place(problem)
        told = str(replace(problem, path=None))
        return f"{path}: {where}: {told}" if where else f"{path}: {told}"

    return _Judged(found.verdict, place, found.documents)


def _answerer(call: Call) -> Answerer | None:
    """Return what asks at the terminal; None where nobody sits there."""
    is_asked = sys.stdin.isatty() and sys.stderr.isatty() and not call.is_json
    return _ask if is_asked else None


def _ask(question: Question) -> Candidate | None:
    """Ask which thing a name of a table means."""
    click.echo(f"\n{question.cell}, {question.header}: “{question.text}” may mean:", err=True)
    for number, one in enumerate(question.candidates, start=1):
        click.echo(f"  {number}  {one.label}, {one.kind} ({one.score:.0f} %)", err=True)
    click.echo("  0  none of these", err=True)
    last = len(question.candidates)
    number = click.prompt("Which", type=click.IntRange(0, last), default=0, err=True)
    return question.candidates[number - 1] if number else None


def _refuse_documents(content: bytes, path: Path) -> None:
    """
    Tell somebody who sends the document itself what to send.

    Raises:
        UsageError: It is one.
    """
    if content.startswith(b"%PDF") or path.suffix.lower() in _DOCUMENTS:
        raise UsageError(
            f"{path} is a document: expected a table (CSV, XLSX) or RDF that says what stands in it. "
            f"kg template KIND prints a form to fill; then kg contribute TABLE --document {path.name}."
        )


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror}).") from error


def _copies(given: Iterable[str]) -> dict[str, str]:
    """Return the texts of copies by slug, and by the names of their files, as tables call them."""
    from kg.evidence import read_copy

    found = {}
    for one in given:
        slug, equals, rest = one.partition("=")
        is_named = bool(equals) and not Path(one).is_file()
        file = Path(rest if is_named else one)
        text = read_copy(file)
        found[file.name] = text
        found[slug if is_named else names.slugify(file.stem)] = text
    return found


def _tell_verdict(call: Call, verdict: Verdict, place: Callable[[Problem], str], *, is_last: bool) -> None:
    if call.is_json:
        print_json([one.as_json() for one in verdict.problems])
        return
    for one in verdict.problems:
        click.echo(f"{'' if one.level == 'error' else one.level + ': '}{place(one)}")
    if verdict.problems:
        tell_number(len(verdict.problems))
    elif is_last:
        click.echo("Nothing is wrong with it.")


def _tell_all(call: Call, found: Iterable[Contribution]) -> None:
    if call.is_json:
        print_json([one.as_json() for one in found])
        return
    for one in found:
        last = one.history[-1]
        remark = f"  “{last.remark}”" if last.remark else ""
        click.echo(f"{one.id}  {one.state:<9}  {last.on[:10]}  {one.contributor}  {one.current.name}{remark}")


def _life(record: Contribution) -> Iterable[str]:
    yield f"Contribution {record.id} of {record.contributor}: {record.state.replace('-', ' ')}."
    for one in record.revisions:
        yield f"  revision {one.number}: {one.name}, {one.size:,} bytes, {one.on}"
    for step in record.history:
        yield f"  {step.on}  {step.step} by {step.by}" + (f": {step.remark}" if step.remark else "")
        yield from (f"    took out {claim}" for claim in step.claims)
    for claim in record.claims:
        yield f"  in the graph: {claim}"
    yield f"  possible now: {', '.join(record.steps) or 'nothing more'}"


def _show(call: Call, kept: Contributions, id: str, seconds: float) -> None:
    """Show what a contribution would change."""
    from dataclasses import asdict

    from kg.contributions import preview

    record = kept.get(id)
    found = preview(
        kept.statements(record.id),
        call.snapshot(),
        call.settings.root,
        taking_out=record.replaces,
        copies=kept.copies(record.id),
        limit_s=seconds,
        progress=call.progress,
    )
    if call.is_json:
        print_json({"contribution": record.as_json(), "preview": asdict(found)})
    else:
        click.echo("\n".join([*_life(record), *_preview(record, found)]))


def _preview(record: Contribution, found: Preview) -> Iterable[str]:
    yield from _titled("It says", (line for one in found.claims for line in _words(one)))
    yield from _titled("It takes out", (line for one in found.taken_out for line in _words(one)))
    yield from _titled("It names", found.named)
    yield from _titled("The verdict told", (str(one["message"]) for one in record.current.problems))
    more = found.inferred_count - len(found.inferred)
    yield from _titled("From it follows", [*found.inferred, *([f"and {more} more"] if more > 0 else [])])
    yield from _titled("No longer follows", found.no_longer_inferred)
    yield from _titled("Answers that change", _answers(found.answers))
    left = f"; {found.not_asked} not, for want of time" if found.not_asked else ""
    yield f"\n{found.asked} questions asked before and after{left}."


def _titled(title: str, lines: Iterable[str]) -> Iterable[str]:
    written = [f"  {one}" for one in lines]
    return [f"\n{title}:", *written] if written else []


def _words(one: ClaimInWords) -> Iterable[str]:
    yield f"{one.claim.rpartition('/')[2]}, {one.status} in {one.document}:"
    yield from (f"  {sentence}" for sentence in one.sentences)
    yield from (f"  at {passage}" for passage in one.passages)


def _answers(changes: Iterable[AnswerChange]) -> Iterable[str]:
    """Tell the answers; one whose lines stand under the same question already is only counted."""
    told: set[tuple[str, str]] = set()
    count = 0
    for one in changes:
        title, *lines = _answer(one)
        fresh = {(one.template, line) for line in lines} - told
        if fresh:
            told |= fresh
            yield from (title, *lines)
        else:
            count += 1
    if count:
        yield f"and {count} more, with no other rows: --json holds them."


def _answer(one: AnswerChange) -> Iterable[str]:
    counts = ", ".join(f"{count} {how}" for how, count in one.counts.items() if count)
    yield f"{one.template}: {one.question} ({counts})"
    yield from (f"  + {_line(row)}" for row in one.added)
    yield from (f"  - {_line(row)}" for row in one.removed)
    yield from (f"  ~ {_line(old)}  ->  {_line(new)}" for old, new in one.changed)


def _line(row: Sequence[str]) -> str:
    return " | ".join(dict.fromkeys(one for one in row if one))
