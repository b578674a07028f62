"""What every verb shares: its call, its errors, its answers for machines."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kg import __version__
from kg.config import Settings
from kg.errors import DataError, KGError, MissingPartError, UsageError

if TYPE_CHECKING:
    from kg.dataset import Dataset, Snapshot

STARTED = time.monotonic()
_FAULT = 70  # Source: sysexits.h, EX_SOFTWARE


@dataclass
class Call:
    """What every verb knows of this call."""

    settings: Settings
    is_json: bool = False
    is_debug: bool = False
    is_last: bool = False

    def progress(self, message: str) -> None:
        """Say on standard error what is being done."""
        click.echo(f"{message} …", err=True)

    def snapshot(self) -> Snapshot:
        """Return the version to ask: of the files as they are now, or with --last the one there is."""
        from kg import dataset, publication

        if not self.is_last:
            self._finish_contributions()
            return publication.publish(self.settings, progress=self.progress)
        found = dataset.find_snapshot(self.settings)
        if found is None:
            raise MissingPartError(
                f"nothing is built in {self.settings.build_path}: run kg build.", part="snapshot"
            )
        return found

    def _finish_contributions(self) -> None:
        """Write what a crash left in the journal of contributions, before the files are read."""
        folder = self.settings.path("data", "contributions")
        if not (folder / ".journal.sqlite").is_file():
            return
        from kg.contributions.journal import Journal

        if Journal(folder).is_unfinished():
            from kg.contributions import Contributions

            Contributions(self.settings)

    def dataset(self) -> Dataset:
        """Return the files as they are now."""
        from kg.dataset import load_dataset

        return load_dataset(self.settings.root)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """
    Tell why a file that somebody named cannot be written.

    Raises:
        UsageError: It cannot.
    """
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror}): expected a file in a folder that is there."
        ) from error


class _Verbs(click.Group):
    """A group whose errors become one message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KGError as error:
            call = ctx.obj if isinstance(ctx.obj, Call) else None
            _report(error, is_json=bool(call and call.is_json))
            ctx.exit(error.outcome.exit_code)
        except (click.exceptions.Exit, click.ClickException, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if isinstance(ctx.obj, Call) and ctx.obj.is_debug:
                traceback.print_exc()
            told = f"kg: unexpected {type(error).__name__}: {error}. This is a fault of kg itself; "
            click.echo(told + "kg --debug … shows where.", err=True)
            ctx.exit(_FAULT)


def _report(error: KGError, *, is_json: bool) -> None:
    if is_json:
        click.echo(json.dumps(error.as_problem(), ensure_ascii=False, indent=2, default=str))
        return
    lines = [str(one) for one in error.problems] if isinstance(error, DataError) else [f"kg: {error.message}"]
    for near in ("fix", "near"):
        is_told = isinstance(error, DataError) or f" {near.title()}: " in error.message
        if not is_told and error.fields.get(near):
            value = error.fields[near]
            lines.append(f"{near}: {value if isinstance(value, str) else ', '.join(map(str, value))}")
    click.echo("\n".join(lines), err=True)
    if isinstance(error, DataError):
        tell_number(len(error.problems))


def tell_number(number: int) -> None:
    """Say on standard error how many problems there are."""
    click.echo(f"{number} problem{'s' if number != 1 else ''}.", err=True)


def tell_held(counts: Mapping[str, int]) -> str:
    """Say what a version holds, by the counts of its manifest."""
    return ", ".join(f"{counts[name]:,} {name}" for name in ("claims", "passages", "entities", "triples"))


def example(*lines: str) -> str:
    """Return the examples that close the help of a verb."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def _want_json(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.obj.is_json = True


json_option = click.option(
    "--json", is_flag=True, expose_value=False, callback=_want_json, help="Answer for a machine, errors too."
)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


@click.group(cls=_Verbs, epilog=example("kg serve", "kg query 'SELECT * WHERE { ?s ?p ?o } LIMIT 3'"))
@click.version_option(__version__, prog_name="kg")
@click.option("--root", type=click.Path(path_type=Path), help="Folder of the project (KG_ROOT).")
@click.option("--last", is_flag=True, help="Use the last version that was built, whatever the files say now.")
@click.option("--debug", is_flag=True, help="Show where an unexpected fault arose.")
@click.pass_context
def main(ctx: click.Context, root: Path | None, last: bool, debug: bool) -> None:
    """Lateral: how states cooperate, with the passage behind every triple."""
    settings = Settings.from_environment()
    ctx.obj = Call(replace(settings, root=root) if root else settings, is_debug=debug, is_last=last)
