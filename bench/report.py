"""Report: what was measured as tables in Markdown, with each figure's ratio to the best peer."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.compare import COLD, HOT, UNCHANGED, Cell, Comparison, Plan

OURS = "lateral"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
_MODES = {
    COLD: "Cold: every request with another value and another text",
    HOT: "Hot: the same request again",
    UNCHANGED: "Unchanged: the same request with `If-None-Match` (304)",
}


def tables(comparisons: Sequence[Comparison], plan: Plan, *, root: Path) -> str:
    """Return the whole report."""
    parts = [_heading(comparisons, plan, root)]
    for one in comparisons:
        parts.append(f"## {one.factor:g} times our size: {one.quads:,} quads\n")
        parts.append(_engines(one))
        parts.append(_ratios(one, plan))
        for mode in (COLD, HOT, UNCHANGED):
            for connections in plan.connections:
                parts.append(_figures(one, mode, connections))
        parts.append(_remarks(one))
    return "\n".join(part for part in parts if part)


def write_between_marks(path: Path, text: str) -> None:
    """Put the report between the marks of a file; without a file, make one."""
    old = path.read_text(encoding="utf-8") if path.exists() else f"# Benchmark\n\n{BEGIN}\n{END}\n"
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def ratio(one: Comparison, question: str, mode: str, connections: int) -> tuple[float, str] | None:
    """Return our requests a second over the best peer's, and that peer; None where either is missing."""
    ours = best = None
    best_name = ""
    for cell in one.cells:
        rate = cell.median("per_second")
        if (cell.question, cell.mode, cell.connections) != (question, mode, connections) or not rate:
            continue
        if cell.engine == OURS:
            ours = rate
        elif best is None or rate > best:
            best, best_name = rate, cell.engine
    return (ours / best, best_name) if ours and best else None


def _heading(comparisons: Sequence[Comparison], plan: Plan, root: Path) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    versions: dict[str, str] = {}
    for one in comparisons:
        versions |= {name: told["version"] for name, told in one.engines.items()}
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return (
        f"Measured on {today} at commit {commit}, on {os.cpu_count()} processors ({platform.machine()}, "
        f"{platform.system()}), Python {platform.python_version()}. Engines: {listed}. "
        f"Medians of {plan.rounds} rounds of {plan.duration_s:g} s in which the engines took turns.\n"
    )


def _engines(one: Comparison) -> str:
    lines = ["| engine | from nothing to first answer (s) | memory then (MB) | memory after the mix (MB) |"]
    lines.append("|---|--:|--:|--:|")
    for name, told in one.engines.items():
        if "failure" in told:
            lines.append(f"| {name} | {told['failure']} | | |")
            continue
        after = told.get("memory_after_bytes", 0)
        lines.append(
            f"| {name} | {told['start_s']:.1f} | {told['memory_bytes'] / 1e6:,.0f} | {after / 1e6:,.0f} |"
        )
    return "\n".join(lines) + "\n"


def _ratios(one: Comparison, plan: Plan) -> str:
    """Make the table of our requests a second over those of the best peer at that query."""
    columns = [(mode, connections) for mode in (COLD, HOT) for connections in plan.connections]
    head = " | ".join(f"{mode}, {connections}" for mode, connections in columns)
    lines = ["Our requests per second over those of the best peer at that query (above 1: we are ahead):\n"]
    lines += [f"| query | {head} |", "|---|" + "--:|" * len(columns)]
    for question in _questions(one):
        cells = []
        for mode, connections in columns:
            found = ratio(one, question, mode, connections)
            cells.append(
                "–"
                if found is None
                else f"{found[0]:.2f}"
                if found[0] >= 1
                else f"**{found[0]:.2f}** ({found[1]})"
            )
        lines.append(f"| {question} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _figures(one: Comparison, mode: str, connections: int) -> str:
    names = [name for name in one.engines if any(_of(one, name, mode, connections))]
    if not names:
        return ""
    plural = "s" if connections > 1 else ""
    lines = [f"{_MODES[mode]}, {connections} connection{plural}; requests per second · p50 · p99 in ms\n"]
    lines += [f"| query | {' | '.join(names)} |", "|---|" + "--:|" * len(names)]
    for question in _questions(one):
        found = {
            cell.engine: cell
            for name in names
            for cell in _of(one, name, mode, connections)
            if cell.question == question
        }
        lines.append(f"| {question} | {' | '.join(_tell(found.get(name)) for name in names)} |")
    return "\n".join(lines) + "\n"


def _of(one: Comparison, engine: str, mode: str, connections: int) -> Iterator[Cell]:
    return (
        cell
        for cell in one.cells
        if (cell.engine, cell.mode, cell.connections) == (engine, mode, connections)
    )


def _tell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    rate, p50, p99 = (cell.median(name) for name in ("per_second", "p50_ms", "p99_ms"))
    failed = ", ".join(f"{count} × {status}" for status, count in cell.failures.items())
    if rate is None or p50 is None or p99 is None:
        return (cell.note or failed or "–").replace("|", "/")
    said = f"{_short(rate)} · {_short(p50)} · {_short(p99)}"
    return f"{said} ({failed})" if failed else said


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _questions(one: Comparison) -> list[str]:
    return list(dict.fromkeys(cell.question for cell in one.cells))


def _remarks(one: Comparison) -> str:
    """List answers that differ or did not come, and engines that hold other triples than most."""
    held = [told["triples"] for told in one.engines.values() if told.get("triples")]
    usual = max(set(held), key=held.count) if held else None
    lines = [
        f"- {name} holds {told['triples']:,} triples in its default graph, not {usual:,}"
        for name, told in one.engines.items()
        if told.get("triples") and told["triples"] != usual
    ]
    for question, engines in one.answers.items():
        for name, told in engines.items():
            if told["failure"]:
                lines.append(f"- {name}, {question}: {told['failure']}")
            elif told.get("differs"):
                lines.append(f"- {name}, {question}: counts other rows than most do: {told['rows']}")
    return "Answers that differ or did not come:\n\n" + "\n".join(lines) + "\n" if lines else ""
