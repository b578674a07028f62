"""Comunica over two started services at once."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

CHAIRS = """PREFIX lat: <https://w3id.org/lateral/ontology#>
SELECT ?body ?code WHERE { ?body lat:chairedBy ?state . ?state lat:isoCode ?code } ORDER BY ?body"""
EXPECTED = {
    ("https://w3id.org/lateral/id/bbnj-negotiations", "SG"),
    ("https://w3id.org/lateral/id/unclos-negotiations", "SG"),
}


def ask(folder: Path, sources: list[str], query: str) -> list[dict[str, Any]]:
    """Run Comunica on some sources, and return its rows."""
    command = ["node", str(folder / "node_modules" / ".bin" / "comunica-sparql"), *sources, query]
    done = subprocess.run(
        [*command, "-t", "application/sparql-results+json"],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)["results"]["bindings"]
    return rows


@pytest.mark.parametrize("kind", ["sparql@", ""], ids=["told", "found-out"])
def test_comunica_joins_two_of_our_endpoints(kind: str, npm_folder: Path, real: str, second: str) -> None:
    """Neither service has the answer alone; together they give it, be Comunica told what they are or not."""
    for alone in (real, second):
        found = httpx.get(f"{alone}/sparql", params={"query": CHAIRS, "format": "csv"}, trust_env=False)
        assert "SG" not in found.text
    rows = ask(npm_folder, [f"{kind}{one}/sparql" for one in (real, second)], CHAIRS)
    assert {(one["body"]["value"], one["code"]["value"]) for one in rows} == EXPECTED
