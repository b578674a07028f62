"""
docs/clients.md is held true: each block with an answer under it runs against a started service as it stands.

`WRITE_DOCS=1 pytest tests/clients/test_documentation.py` writes the answers anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "clients.md"
WRITE = "WRITE_DOCS" in os.environ
HERE, BESIDE = "http://127.0.0.1:8000", "http://127.0.0.1:8001"
ANSWERED = re.compile(r"^```(python|sh|r)\n((?:(?!```).)*)```\n\n```text\n(.*?)```", re.DOTALL | re.MULTILINE)
BLOCKS = ANSWERED.findall(PAGE.read_text(encoding="utf-8"))


def run(command: list[str], folder: Path) -> str:
    """Run a program in a folder, and return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "npm_config_offline": "true"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("language", "code", "answer"), BLOCKS, ids=[f"{one[0]}-{n}" for n, one in enumerate(BLOCKS)]
)
def test_block_gives_its_answer(
    language: str, code: str, answer: str, real: str, second: str, request: pytest.FixtureRequest
) -> None:
    """What the block prints is what stands under it."""
    placed = code.replace(HERE, real).replace(BESIDE, second)
    folder = ROOT
    if language == "python":
        command = [sys.executable, "-W", "error", "-c", placed]
    elif language == "r":
        command = [request.getfixturevalue("rscript"), "-e", placed]
    else:
        command = ["sh", "-c", placed]
        if placed.startswith("npx "):
            folder = request.getfixturevalue("npm_folder")
        else:
            request.getfixturevalue("curl")
    printed = run(command, folder)
    assert printed
    if WRITE:
        text = PAGE.read_text(encoding="utf-8")
        before, after = f"{code}```\n\n```text\n{answer}```", f"{code}```\n\n```text\n{printed}```"
        PAGE.write_text(text.replace(before, after), encoding="utf-8")
    else:
        assert printed == answer


def test_every_client_has_its_block() -> None:
    """No block was passed over: every one of Python and R, and all of the shell but the installation."""
    text = PAGE.read_text(encoding="utf-8")
    fences = re.findall(r"^```(python|sh|r)$", text, re.MULTILINE)
    assert len(BLOCKS) == len(fences) - 1 >= 10
    for word in ("SPARQLWrapper", "SPARQLStore", "read_csv", "read.csv", "npx comunica-sparql", "curl"):
        assert any(word in code for _, code, _ in BLOCKS), word


def test_address_of_every_example_answers(real: str) -> None:
    """Addresses that no program here opens lead to something too."""
    found = set(re.findall(rf"{HERE}(/[^\s\"'`)]*)", PAGE.read_text(encoding="utf-8")))
    assert len(found) >= 5
    for path in found - {"/sparql"}:
        assert httpx.get(real + path, trust_env=False).status_code == 200, path


def test_version_of_comunica_is_the_one_that_is_installed() -> None:
    """The page and the Makefile name the same version."""
    pattern = r"@comunica/query-sparql@[0-9.]+[0-9]"
    said, used = (
        set(re.findall(pattern, path.read_text(encoding="utf-8"))) for path in (PAGE, ROOT / "Makefile")
    )
    assert said == used and len(used) == 1
