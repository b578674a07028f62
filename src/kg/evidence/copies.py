"""Copies of a document: the text of a plain, HTML or PDF file, read within bounds."""

from __future__ import annotations

import glob
import io
import logging
import re
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path, PurePath

from kg.errors import BodyTooLargeError, MissingPartError, UsageError
from kg.evidence.canon import SUPERSCRIPTS, digest_file_text

MAX_FILE_BYTES = 50_000_000
MAX_PDF_PAGES = 1_000
MAX_TEXT_CODE_POINTS = 10_000_000

_KEPT = ("data", "contributions", ".copies")
_TEXT_SUFFIXES = (".txt", ".md", ".text")
_HTML_SUFFIXES = (".html", ".htm", ".xhtml")
_BLOCK_NAMES = (
    "address article aside blockquote body br caption center dd details dialog div dl dt "
    "fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr html legend li main "
    "menu nav ol option p pre search section select summary table tbody td tfoot th thead title "
    "tr ul"
)
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_SKIPPED_NAMES = "script style template noscript head svg math iframe object textarea"
_SKIPPED = frozenset(_SKIPPED_NAMES.split())
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:\-]{1,40})", re.IGNORECASE)
_TO_SUPERSCRIPT = str.maketrans("0123456789", SUPERSCRIPTS)
# What pypdf meets in a file that is not as the standard has it, besides errors of its own.
_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
_NOTE_CALL = re.compile(r"[\s\[(]*\d{1,3}(?:\s*,\s*\d{1,3})*[\s\])]*\Z")


def find_kept(root: Path, file_name: str, reference_digest: str) -> Path | None:
    """
    Return the copy that a contributor sent of a document, if it is the reference text.

    Args:
        root: The project's root folder.
        file_name: The name of the document's reference file.
        reference_digest: What the text must have.
    """
    for path in sorted(root.joinpath(*_KEPT).glob(f"*/{glob.escape(PurePath(file_name).name)}")):
        if digest_file_text(path.read_bytes().decode("utf-8", errors="replace")) == reference_digest:
            return path
    return None


def read_copy(path: Path) -> str:
    """
    Read the text of a copy; the suffix tells the kind: .txt, .md, .html or .pdf.

    A plain text comes back as it is on disk: line ends and all, so that offsets hold.

    Raises:
        MissingPartError: There is no such file.
        BodyTooLargeError: The file, its pages or its text pass a bound.
        UsageError: The kind is not read; the text is not UTF-8; the PDF is locked, broken or has no text
            in it.
    """
    if not path.is_file():
        raise MissingPartError(f"{path} is not there: expected a copy of the document.", part=str(path))
    _bound_size(path, path.stat().st_size)
    return parse_copy(path.read_bytes(), path)


def parse_copy(content: bytes, path: Path) -> str:
    """
    Return the text of a copy that is at hand as bytes; the suffix of its name tells the kind.

    Raises:
        MissingPartError: A PDF, and pypdf is not installed.
        BodyTooLargeError: The bytes, the pages or the text pass a bound.
        UsageError: As of `read_copy`.
    """
    _bound_size(path, len(content))
    suffix = path.suffix.lower()
    if suffix in _TEXT_SUFFIXES:
        return _decode(path, content, "utf-8")
    if suffix in _HTML_SUFFIXES:
        return read_html(_decode_html(path, content))
    if suffix == ".pdf":
        return _read_pdf(content, path)
    known = ", ".join((*_TEXT_SUFFIXES, *_HTML_SUFFIXES, ".pdf"))
    raise UsageError(f"{path}: a copy of this kind is not read: expected one of {known}.", known=known)


def _bound_size(path: Path, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise BodyTooLargeError(
            f"{path} has {size} bytes: expected at most {MAX_FILE_BYTES}.", max_body_bytes=MAX_FILE_BYTES
        )


def read_html(source: str) -> str:
    """
    Return the text of an HTML page: a block a line, without scripts and styles; note calls as superscripts.

    >>> read_html("<p>Two <b>otters</b><sup>3</sup>\\nplay.</p><script>x</script><p>They swim.")
    'Two otters³ play.\\nThey swim.\\n'
    """
    reader = _TextReader()
    reader.feed(source)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.pieces).split("\n"))
    return "".join(line + "\n" for line in lines if line)


class _TextReader(HTMLParser):
    """Collects the text that a reader of the page sees; source line ends are spaces, blocks are lines."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._skipping: list[str] = []
        self._raised: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":
            self._skipping.clear()  # a head that was never closed
        if tag in _SKIPPED:
            self._skipping.append(tag)
        elif tag == "sup" and self._raised is None:
            self._raised = []
        elif tag in _BLOCKS:
            self._end_raised()
            self.pieces.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._skipping:
            del self._skipping[self._skipping.index(tag) :]
        elif tag == "sup":
            self._end_raised()
        elif tag in _BLOCKS:
            self._end_raised()
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if self._skipping:
            return
        target = self.pieces if self._raised is None else self._raised
        target.append(re.sub(r"\s", " ", data))

    def close(self) -> None:
        super().close()
        self._end_raised()

    def _end_raised(self) -> None:
        if self._raised is None:
            return
        inside = "".join(self._raised)
        if _NOTE_CALL.match(inside):
            inside = re.sub(r"[\s\[\]()]", "", inside).translate(_TO_SUPERSCRIPT)
        self.pieces.append(inside)
        self._raised = None


def _decode(path: Path, data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise UsageError(f"{path} is not {encoding}: save the copy as UTF-8 and try again.") from error
    return _bounded(path, text)


def _decode_html(path: Path, data: bytes) -> str:
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return _decode(path, data, encoding)
    declared = _CHARSET.search(data[:4096])
    return _decode(path, data, declared.group(1).decode("ascii") if declared else "utf-8")


def _bounded(path: Path, text: str) -> str:
    if len(text) > MAX_TEXT_CODE_POINTS:
        raise BodyTooLargeError(
            f"{path} holds more than {MAX_TEXT_CODE_POINTS} code points of text.",
            max_body_bytes=MAX_TEXT_CODE_POINTS,
        )
    return text


def _read_pdf(content: bytes, path: Path) -> str:
    try:
        from pypdf import PdfReader
        from pypdf.errors import DependencyError, PyPdfError
    except ImportError as error:
        raise MissingPartError("pypdf is not installed: pip install pypdf.", part="pypdf") from error
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells of every oddity; we tell the outcome
    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise UsageError(f"{path} is locked with a password: save a copy without one and try again.")
        if len(reader.pages) > MAX_PDF_PAGES:
            raise BodyTooLargeError(
                f"{path} has {len(reader.pages)} pages: expected at most {MAX_PDF_PAGES}.",
                max_body_bytes=MAX_FILE_BYTES,
            )
        text = ""
        for page in reader.pages:
            text = _bounded(path, text + page.extract_text() + "\n")
    except DependencyError as error:
        raise UsageError(
            f"{path} is encrypted in a way that is not read here: save a copy without encryption."
        ) from error
    except (PyPdfError, *_FAULTS) as error:
        raise UsageError(
            f"{path} is not a PDF that can be read ({error}): save it anew or as text."
        ) from error
    if not text.strip():
        raise UsageError(
            f"{path} has no text, only pictures of pages: run text recognition on it first, "
            "for example `ocrmypdf in.pdf out.pdf`."
        )
    return text
