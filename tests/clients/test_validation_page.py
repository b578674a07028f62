"""
docs/validation.md is held true: each command with an answer under it gives that answer as it stands.

`WRITE_DOCS=1 pytest tests/clients/test_validation_page.py` writes the answers anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "validation.md"
WRITE = "WRITE_DOCS" in os.environ
HERE = "http://127.0.0.1:8000"
BLOCK = re.compile(r"^```sh\n((?:(?!```).)*)```(?:\n\n```text\n(.*?)```)?", re.DOTALL | re.MULTILINE)
BLOCKS = BLOCK.findall(PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("code", "answer"), BLOCKS, ids=[f"sh-{n}" for n in range(len(BLOCKS))])
def test_command_gives_its_answer(code: str, answer: str, real: str, request: pytest.FixtureRequest) -> None:
    """What a command prints is what stands under it; it exits with 1 only where something is refused."""
    if "curl" in code:
        request.getfixturevalue("curl")
    placed = code.replace(HERE, real).replace(".venv/bin/kg", f"{sys.executable} -m kg")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "KG_DOCUMENTS": "nowhere"}
    done = subprocess.run(
        ["sh", "-c", placed],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode in (0, 1), done.stderr
    if WRITE and answer != done.stdout:
        text = PAGE.read_text(encoding="utf-8")
        before, after = (f"{code}```\n\n```text\n{one}```" for one in (answer, done.stdout))
        PAGE.write_text(text.replace(before, after), encoding="utf-8")
    else:
        assert done.stdout == answer


def test_every_way_has_its_command() -> None:
    """The page shows the verb, the form, the Test Bed's fields and SARIF."""
    assert len(BLOCKS) == 8
    for word in ("kg validate --fix", "-F shapes=@", "contentToValidate", "--format sarif", "--document"):
        assert any(word in code for code, _ in BLOCKS), word
