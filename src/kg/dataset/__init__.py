"""
Files to quads to one version; the one way of writing them; dumps.

`sources` says which files count, `syntax` parses one and explains its errors, `loading` reads all into a
`Dataset`, `snapshot` publishes a store as one version, `formatting` writes files canonically.
"""

from kg.dataset.formatting import find_prefixes, format_files, format_text
from kg.dataset.loading import Dataset, load_dataset
from kg.dataset.snapshot import (
    EXPORTS,
    Snapshot,
    build_lock,
    count,
    export,
    find_snapshot,
    hold,
    write_snapshot,
)
from kg.dataset.sources import SourceFile, digest_path, find_damaged, find_sources, fingerprint

__all__ = [
    "EXPORTS",
    "Dataset",
    "Snapshot",
    "SourceFile",
    "build_lock",
    "count",
    "digest_path",
    "export",
    "find_damaged",
    "find_prefixes",
    "find_snapshot",
    "find_sources",
    "fingerprint",
    "format_files",
    "format_text",
    "hold",
    "load_dataset",
    "write_snapshot",
]
