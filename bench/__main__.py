"""Compare this service with its peers: `python -m bench`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path

from bench.compare import Comparison, Plan, compare
from bench.growth import read_shape, write_grown
from bench.mix import Values, make_mix
from bench.peers import PEERS, Peer
from bench.report import tables, write_between_marks
from kg.config import Settings
from kg.dataset import find_snapshot

ROOT = Path(__file__).resolve().parent.parent
TOGETHER_BELOW = 50
RDFLIB_LIMIT = 20


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; return the exit code."""
    given = _parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))  # so that what was started is stopped
    snapshot = find_snapshot(Settings(root=ROOT))
    source = Path(given.source) if given.source else snapshot.quads_path if snapshot else None
    if source is None:
        print("Nothing is built yet: kg build.", file=sys.stderr)
        return 3
    plan = Plan(tuple(given.connections), given.rounds, given.seconds)
    folder = ROOT / "build" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Comparison] = []
    for factor in given.sizes:
        found.append(_compare(factor, source, folder, given, plan))
        raw = json.dumps([one.as_json() for one in found], indent=1)
        (folder / given.raw).write_text(raw, encoding="utf-8")
    text = tables(found, plan, root=ROOT)
    print(text)
    if given.write:
        write_between_marks(ROOT / "docs" / "benchmark.md", text)
    return 0


def _compare(factor: float, source: Path, folder: Path, given: argparse.Namespace, plan: Plan) -> Comparison:
    shape = read_shape(source, seed=given.seed)
    copies = shape.copies(factor)
    quads = folder / f"{factor:g}x-{given.seed}-{source.stat().st_mtime_ns}.nq"
    if not quads.exists():
        _say(f"writing {quads}")
        write_grown(source, quads, factor=factor, seed=given.seed)
    count = shape.single.count("\n") + copies * len(shape.growing)
    into = Comparison(factor, count, copies)
    mix = [
        one
        for one in make_mix(ROOT, Values(source, copies))
        if not given.queries or one.name in given.queries
    ]
    with tempfile.TemporaryDirectory(prefix="lateral-bench-", dir=given.scratch) as scratch:
        peers = list(_peers(given.engines, factor, quads, Path(scratch), count, into))
        compare(peers, mix, plan, into, together=factor < TOGETHER_BELOW, say=_say)
    return into


def _peers(
    names: list[str], factor: float, quads: Path, scratch: Path, count: int, into: Comparison
) -> list[Peer]:
    peers: list[Peer] = []
    for name in names:
        kind = PEERS[name]
        missing = kind.missing()
        if missing is None and name == "rdflib-endpoint" and factor > RDFLIB_LIMIT:
            missing = "not run: at 35 microseconds a quad (measured at 1x) it would load for " + (
                f"{count * 35e-6 / 60:.0f} minutes and take {count * 1.7e-6:.0f} GB"
            )
        if missing is not None:
            _say(f"{name}: {missing}")
            into.engines[name] = {"version": kind.version() if not kind.missing() else "", "failure": missing}
            continue
        peers.append(kind(ROOT, quads, scratch / name.replace(" ", "-"), count=count))
    return peers


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--sizes", type=_numbers, default=[1.0], help="times our size, e.g. 1,10,100")
    parser.add_argument("--connections", type=_integers, default=[1, 8, 32], help="e.g. 1,8,32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument("--engines", type=_words, default=list(PEERS), help=", ".join(PEERS))
    parser.add_argument("--queries", type=_words, default=[], help="names of queries; all by default")
    parser.add_argument("--seed", type=int, default=1, help="of the graph's multiplication")
    parser.add_argument("--source", help="an N-Quads file; the version built last by default")
    parser.add_argument("--scratch", help="a folder for the engines' stores")
    parser.add_argument(
        "--raw", default="results.json", help="name of the file of raw figures in build/bench"
    )
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmark.md")
    return parser.parse_args(arguments)


def _words(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _numbers(text: str) -> list[float]:
    return [float(one) for one in _words(text)]


def _integers(text: str) -> list[int]:
    return [int(one) for one in _words(text)]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
