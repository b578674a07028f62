"""
Reporting: problems → what somebody reads: text with the offending lines, JSON, SARIF, `sh:ValidationReport`.

Nothing here finds a problem. A `Report` gathers what was found in some texts; each form is a function of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from kg.reporting.graphs import GRAPHS, annotate, write_graph
from kg.reporting.report import Report
from kg.reporting.sarif import write_sarif
from kg.reporting.text import write_text

__all__ = ["FORMATS", "GRAPHS", "Report", "annotate", "write", "write_graph", "write_sarif", "write_text"]

# Each form by its short name, with its media type; the likeliest first.
FORMATS = {
    "json": "application/json",
    "sarif": "application/sarif+json",
    "text": "text/plain",
    **GRAPHS,
}


def write(report: Report, format_name: str, prefixes: Iterable[tuple[str, str]] = ()) -> bytes:
    """
    Write a report in one of `FORMATS`.

    Args:
        report: What was found.
        format_name: A key of `FORMATS`.
        prefixes: How the IRIs of a graph are shortened.
    """
    if format_name == "text":
        return write_text(report).encode("utf-8", "replace")
    if format_name in GRAPHS:
        return write_graph(report, format_name, prefixes)
    value = write_sarif(report) if format_name == "sarif" else report.as_json()
    return json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "replace") + b"\n"
