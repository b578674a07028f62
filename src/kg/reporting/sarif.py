"""
Problems for editors and continuous integration: SARIF 2.1.0.

Source: Static Analysis Results Interchange Format 2.1.0, OASIS,
https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import kg
from kg import names
from kg.errors import Edit, Problem
from kg.reporting.report import Report
from kg.validation.codes import CODES

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
UNKNOWN = "problem"


def write_sarif(report: Report) -> dict[str, Any]:
    """Return a log with one run: a rule for each code, a result for each problem, its edits as fixes."""
    rules = list(dict.fromkeys(one.code or UNKNOWN for one in report.problems))
    paths = list(dict.fromkeys([*report.texts, *(one.path for one in report.problems if one.path)]))
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "kg",
                "fullName": "Lateral, kg validate",
                "version": kg.__version__,
                "informationUri": names.BASE,
                "rules": [_rule(code, report.problems) for code in rules],
            }
        },
        "columnKind": "unicodeCodePoints",
        "artifacts": [{"location": {"uri": uri(path)}} for path in paths],
        "results": [_result(one, report, rules.index(one.code or UNKNOWN), paths) for one in report.problems],
    }
    if report.about:
        run["properties"] = dict(report.about)
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str, problems: Sequence[Problem]) -> dict[str, Any]:
    level = next(one.level for one in problems if (one.code or UNKNOWN) == code)
    known = CODES.get(code)
    meaning = known.meaning if known else code.replace("-", " ")
    return {
        "id": code,
        "shortDescription": {"text": meaning[0].upper() + meaning[1:] + "."},
        "defaultConfiguration": {"level": level},
    }


def _result(one: Problem, report: Report, rule: int, paths: Sequence[Path]) -> dict[str, Any]:
    fix = f"{'' if one.message.endswith(('.', '?', '!', ':')) else '.'} Fix: {one.fix}" if one.fix else ""
    result: dict[str, Any] = {
        "ruleId": one.code or UNKNOWN,
        "ruleIndex": rule,
        "level": one.level,
        "message": {"text": one.message + fix},
        "partialFingerprints": {"problem/v1": _fingerprint(one)},
    }
    location = _location(one, report.place(one), paths)
    if location:
        result["locations"] = [location]
    if one.edits and one.path is not None and not any(edit.cell for edit in one.edits):
        result["fixes"] = [_fix(one, one.path)]
    return result


def _fingerprint(one: Problem) -> str:
    """Return what stays the same while a text moves: what is said of what."""
    said = "\n".join((one.code or "", one.subject or "", one.message))
    return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:32]


def _location(one: Problem, place: str, paths: Sequence[Path]) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if one.path is not None:
        physical: dict[str, Any] = {
            "artifactLocation": {"uri": uri(one.path), "index": paths.index(one.path)}
        }
        region = _region(one.line, one.column, one.end_line, one.end_column)
        if region:
            physical["region"] = region
        location["physicalLocation"] = physical
    logical = []
    if one.subject:
        logical.append({"fullyQualifiedName": one.subject, "kind": "resource"})
        if one.label:
            logical[0]["name"] = one.label
    if one.cell:
        cell = {"fullyQualifiedName": one.cell, "kind": "cell"}
        logical.append({**cell, "name": place} if place else cell)
    if logical:
        location["logicalLocations"] = logical
    return location


def _region(
    line: int | None, column: int | None, end_line: int | None, end_column: int | None
) -> dict[str, int]:
    """Return a region, with what is known of it; its end column is exclusive, as ours are."""
    numbers = {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}
    return {name: number for name, number in numbers.items() if number is not None} if line else {}


def _fix(one: Problem, path: Path) -> dict[str, Any]:
    change = {
        "artifactLocation": {"uri": uri(path)},
        "replacements": [_replacement(edit) for edit in one.edits],
    }
    return {"description": {"text": one.fix or "Write what was expected."}, "artifactChanges": [change]}


def _replacement(edit: Edit) -> dict[str, Any]:
    region = _region(edit.line, edit.column, edit.end_line, edit.end_column)
    replacement: dict[str, Any] = {"deletedRegion": region}
    if edit.text:
        replacement["insertedContent"] = {"text": edit.text}
    return replacement


def uri(path: Path) -> str:
    """
    Return a path as a URI reference.

    >>> uri(Path("data/a b.trig"))
    'data/a%20b.trig'
    """
    if path.is_absolute():
        return path.as_uri()
    return quote(path.as_posix())
