"""The direction of imports, and that every module has its test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import kg

SOURCE = Path(kg.__file__).parent
TESTS = Path(__file__).parent
ROWS = [
    {"errors"},
    {"config", "names", "turtle"},
    {"dataset", "engine"},
    {"descriptions", "evidence", "mappings", "paging", "parsing", "reasoning", "search", "templates"},
    {"answers", "contents", "reconciliation", "validation"},
    {"publication", "reporting", "tables"},
    {"client", "contributions", "isolation"},
    {"api"},
    {"mcp"},
    {"cli"},
]
ROW = {name: number for number, row in enumerate(ROWS, start=1) for name in row}
UNROWED = {"__init__", "__main__"}


def module_of(path: Path) -> str:
    """Return the name of the top module that a file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Yield the top module of ours behind each import of a file, lazy ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            full = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write the whole name of the module"
            full = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in full if name.startswith("kg."))


def test_imports_go_to_lower_rows_only() -> None:
    """A module imports itself and lower rows, never its own row or above."""
    files = [path for path in SOURCE.rglob("*.py") if module_of(path) not in UNROWED]
    assert len(files) > 20
    wrong = [
        f"{path.relative_to(SOURCE)} imports {other}"
        for path in files
        for other in imported(path)
        if other in ROW and other != module_of(path) and ROW[other] >= ROW[module_of(path)]
    ]
    assert wrong == []


def test_every_module_has_a_row_a_line_in_the_map_and_a_test() -> None:
    """The map in `kg.__init__` names every module, and tests/ mirrors the package."""
    modules = {module_of(path) for path in SOURCE.glob("*.py") if path.stem not in UNROWED} | {
        path.parent.name for path in SOURCE.glob("*/__init__.py")
    }
    assert modules <= set(ROW)
    assert [one for one in sorted(modules) if f"  {one} " not in str(kg.__doc__)] == []
    tests = {path.stem for path in TESTS.glob("test_*.py")} | {
        f"test_{path.name}" for path in TESTS.iterdir()
    }
    assert [one for one in sorted(modules) if not any(name.startswith(f"test_{one}") for name in tests)] == []
