"""`/validate`: any RDF, open to all, bounded; every way of asking and every form of the answer."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pyoxigraph as ox
import pytest

from kg.config import Settings
from kg.reporting import FORMATS, GRAPHS

Serve = Callable[[Settings], AbstractContextManager[httpx.Client]]
CONTRIBUTIONS = Path(__file__).parents[1] / "cases" / "contributions"
_PAGE = (Path(__file__).parents[2] / "docs" / "spreadsheets.md").read_text(encoding="utf-8")
_FILES = dict(re.findall(r"```\w+ (\S+)\n(.*?)```", _PAGE, re.DOTALL))
TABLE, COPY = _FILES["lantern-bay.csv"], _FILES["lantern-bay.txt"]
TURTLE = {"Content-Type": "text/turtle"}
P = "@prefix e: <http://e/> . @prefix sh: <http://www.w3.org/ns/shacl#> . "
P += "@prefix owl: <http://www.w3.org/2002/07/owl#> .\n"
S = P + "e:S a sh:NodeShape ; sh:targetClass e:C ; "
SHAPES = S + "sh:property [ sh:path e:name ; sh:minCount 1 ] ."
BAD = P + "e:x a e:C ;\n  e:age 3 ."
FINE = P + 'e:x a e:C ; e:name "n" .'
SH = "http://www.w3.org/ns/shacl#"
LIMIT = 400_000


@pytest.fixture(scope="module")
def service(served: Settings, serve: Serve) -> Iterator[httpx.Client]:
    """Serve the small project with tight bounds on validation."""
    settings = replace(
        served,
        validate_timeout_s=4.0,
        validate_memory_bytes=300_000_000,
        max_validate_bytes=LIMIT,
        max_body_bytes=10_000,
    )
    with serve(settings) as client:
        assert client.post("/validate", content=FINE, headers=TURTLE).status_code == 200
        yield client


def validate(service: httpx.Client, data: str, shapes: str = SHAPES, **headers: str) -> httpx.Response:
    """Hold data to shapes, by a form with files."""
    files = {
        "file": ("data.ttl", data.encode(), "text/turtle"),
        "shapes": ("shapes.ttl", shapes.encode(), "text/turtle"),
    }
    return service.post("/validate", files=files, headers=headers)


def codes(answer: httpx.Response) -> list[str]:
    """Return the codes of the problems of a JSON report."""
    return [one["code"] for one in answer.json()["problems"]]


def test_rdf_is_judged_as_a_contribution(service: httpx.Client) -> None:
    """RDF by its media type alone, as Fuseki takes it: 200 for what is refused, with the version."""
    answer = service.post("/validate", content=b"<urn:a> <urn:b> 1 .", headers=TURTLE)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"
    report = answer.json()
    assert (report["conforms"], report["profile"]) == (False, "contribution")
    assert report["version"] == service.get("/health").json()["version"]
    assert "no-claim" in codes(answer) and report["counts"]["error"] >= 1
    assert (report["problems"][0]["line"], report["problems"][0]["column"]) == (1, 1)


def test_rdf_is_held_to_shapes_that_are_sent_along(service: httpx.Client) -> None:
    """Data and shapes as files: the place is the line of the node; conforming data gives no problem."""
    bad = validate(service, BAD)
    assert bad.status_code == 200
    (problem,) = bad.json()["problems"]
    assert (problem["code"], problem["line"], problem["column"]) == ("min-count", 2, 1)
    assert (problem["path"], problem["subject"]) == ("data.ttl", "http://e/x")
    fine = validate(service, FINE).json()
    assert (fine["conforms"], fine["profile"], fine["problems"]) == (True, "shacl", [])


@pytest.mark.parametrize(("name", "media_type"), FORMATS.items())
def test_report_comes_in_every_type(service: httpx.Client, name: str, media_type: str) -> None:
    """By Accept and by format=; RDF types hold one sh:ValidationReport."""
    for answer in (
        validate(service, BAD, accept=media_type),
        service.post(
            f"/validate?format={name}", data={"text": BAD, "shapes": SHAPES}, headers={"Accept": "image/png"}
        ),
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].split(";")[0] == media_type
        assert answer.headers["vary"] == "Accept"
        if name in GRAPHS:
            kind = ox.RdfFormat.from_media_type(media_type)
            assert kind is not None
            kinds = [str(one.object) for one in ox.parse(answer.content, format=kind)]
            assert kinds.count(f"<{SH}ValidationReport>") == kinds.count(f"<{SH}ValidationResult>") == 1
            assert f"<{SH}MinCountConstraintComponent>" in kinds


def test_text_and_page_show_the_line(service: httpx.Client) -> None:
    """The report as text has a caret; the page marks what offends and keeps the text; all is escaped."""
    told = validate(service, BAD, accept="text/plain").text
    assert "data.ttl:2:1: error min-count" in told and "     2 | e:x a e:C ;" in told
    hostile = BAD + " # <script>alert(1)</script>"
    page = validate(service, hostile, accept="text/html")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<mark>e:x</mark> a e:C ;" in page.text and "min-count" in page.text
    assert "&lt;script&gt;" in page.text and "<script" not in page.text


def test_form_is_shown_and_described(service: httpx.Client) -> None:
    """GET gives browsers the form, without JavaScript, and programs the bounds."""
    page = service.get("/validate", headers={"Accept": "text/html"})
    assert page.status_code == 200 and 'enctype="multipart/form-data"' in page.text
    assert "<script" not in page.text
    told = service.get("/validate").json()
    assert told["limits"]["bytes"] == LIMIT and "text/turtle" in told["accepted"]
    assert service.head("/validate").status_code == 200
    allowed = service.options("/validate", headers={"Access-Control-Request-Method": "POST"})
    assert "POST" in allowed.headers["access-control-allow-methods"]


def test_form_of_a_browser_passes_over_what_was_not_chosen(service: httpx.Client) -> None:
    """Empty file fields and empty texts are nothing."""
    empty = ("", b"", "application/octet-stream")
    answer = service.post(
        "/validate",
        files=[
            ("text", (None, FINE)),
            ("shapes", (None, "")),
            ("profile", (None, "")),
            ("file", empty),
            ("document", empty),
        ],
    )
    assert (answer.status_code, answer.json()["profile"]) == (200, "contribution")


@pytest.fixture(scope="module")
def real(published: ox.Store, serve: Serve) -> Iterator[httpx.Client]:
    """Serve the real graph."""
    assert len(published)
    settings = Settings(root=Path(__file__).parents[2], documents=Path("nowhere"))
    with serve(replace(settings, quick_workers=1, slow_workers=1)) as client:
        yield client


def test_document_proves_passages(real: httpx.Client) -> None:
    """A copy that is sent along is what the passages of its document are proved in, on the real graph."""
    case = next((CONTRIBUTIONS / "refused" / "wrong-passage").glob("words.trig"))
    copy = next((CONTRIBUTIONS / "documents").glob("harbour-notes-2025.*"))
    file = {"file": (case.name, case.read_bytes(), "application/trig")}
    along = {**file, "document": (copy.name, copy.read_bytes(), "text/plain")}
    assert codes(real.post("/validate", files=along)) == ["wrong-passage"]
    assert codes(real.post("/validate", files=file)) == []
    fine = (CONTRIBUTIONS / "accepted" / "harbour.trig").read_bytes()
    answer = real.post("/validate", content=fine, headers={"Content-Type": "application/trig"})
    assert (answer.json()["conforms"], answer.json()["problems"]) == (True, [])


def workbook(text: str) -> bytes:
    """Return a CSV text as a workbook of one sheet."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Talks"
    for row in csv.reader(io.StringIO(text)):
        sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def send_table(real: httpx.Client, content: bytes, name: str, **headers: str) -> httpx.Response:
    """Send a spreadsheet with the text of its document, as a browser does that knows no type."""
    files = {
        "file": (name, content, "application/octet-stream"),
        "document": ("lantern-bay.txt", COPY.encode(), "text/plain"),
    }
    return real.post("/validate", files=files, headers=headers)


@pytest.mark.parametrize("name", ["lantern-bay.csv", "lantern-bay.xlsx"])
def test_spreadsheets_are_judged_cell_by_cell(real: httpx.Client, name: str) -> None:
    """The example of the documentation is accepted; a slip is told at its cell, in every form."""
    pack = workbook if name.endswith("xlsx") else str.encode
    fine = send_table(real, pack(TABLE), name)
    assert (fine.status_code, fine.json()["conforms"]) == (200, True), fine.text
    slip = pack(TABLE.replace("2025-05", "05/06/2025"))
    cell, words = ("D11", "row 11, column D (date)")
    if name.endswith("xlsx"):
        cell = "Talks!D11"  # its only sheet, so not named in words
    (problem,) = send_table(real, slip, name).json()["problems"]
    assert (problem["code"], problem["cell"], problem["place"]) == ("ambiguous-date", cell, words)
    assert (problem["line"], problem["column"]) == (11, 4)
    assert f"{name} {words}: error ambiguous-date\n" in send_table(real, slip, name, accept="text/plain").text
    page = send_table(real, slip, name, accept="text/html").text
    assert f"{name}, {words}" in page and "PK" not in page
    log = send_table(real, slip, name, accept="application/sarif+json").json()
    (location,) = log["runs"][0]["results"][0]["locations"]
    assert location["physicalLocation"]["region"]["startLine"] == 11
    assert {"fullyQualifiedName": cell, "kind": "cell", "name": words} in location["logicalLocations"]
    told = send_table(real, slip, name, accept="text/turtle").text
    assert cell in told and words in told


def test_spreadsheet_is_taken_by_its_type(real: httpx.Client) -> None:
    """text/csv as the body; shapes and documents that are no text have their status."""
    answer = real.post("/validate", content=TABLE.encode(), headers={"Content-Type": "text/csv"})
    assert (answer.status_code, codes(answer)[0]) == (400, "missing-copy")
    sent = {
        "file": ("t.csv", TABLE.encode(), "text/csv"),
        "shapes": ("s.ttl", SHAPES.encode(), "text/turtle"),
    }
    assert real.post("/validate", files=sent).status_code == 400
    bomb = b"PK\x03\x04" + b"\0" * 1000
    assert codes(send_table(real, bomb, "t.xlsx")) == ["syntax"]
    old = send_table(real, b"\xd0\xcf\x11\xe0" + b"\0" * 1000, "t.xls")
    assert (old.status_code, codes(old)) == (400, ["syntax"])


def pdf(stream: bytes, marks: str = "") -> bytes:
    """Return a PDF of one page that a stream draws."""
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(stream)} {marks}>>\nstream\n".encode() + stream + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    content, places = b"%PDF-1.4\n", []
    for number, body in enumerate(bodies, 1):
        places.append(len(content))
        content += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    end = f"xref\n0 6\n0000000000 65535 f \n{table}trailer\n<< /Size 6 /Root 1 0 R >>\n"
    return content + f"{end}startxref\n{len(content)}\n%%EOF\n".encode()


def drawn(text: str) -> bytes:
    """Return the stream that draws a text."""
    shown = "".join(f"({line}) Tj T* " for line in text.splitlines())
    return f"BT /F1 9 Tf 14 TL 10 720 Td {shown}ET".encode()


def test_pdf_is_a_copy_too(real: httpx.Client) -> None:
    """The text of a PDF proves passages, those of a table and of RDF; a broken or locked one is refused."""
    table = ("lantern-bay.csv", TABLE.encode(), "text/csv")
    copy = ("lantern-bay.pdf", pdf(drawn(COPY)), "application/pdf")
    fine = real.post("/validate", files={"file": table, "document": copy})
    assert (fine.status_code, fine.json()["conforms"]) == (200, True), fine.text
    other = ("lantern-bay.pdf", pdf(drawn("Nothing of the kind.")), "application/pdf")
    assert "unfound-words" in codes(real.post("/validate", files={"file": table, "document": other}))
    broken = real.post("/validate", files={"file": table, "document": ("a.pdf", b"%PDF-1.4 no", "")})
    assert broken.status_code == 400 and "not a PDF that can be read" in broken.json()["detail"]
    odd = real.post("/validate", files={"file": table, "document": ("a.docx", b"PK", "")})
    assert odd.status_code == 415


def test_pdf_that_unpacks_without_end_is_bounded(real: httpx.Client) -> None:
    """It is refused, or its process ended; the next one is answered."""
    stream = b"BT /F1 9 Tf " + b"(otters) Tj T* " * 20_000_000
    content = pdf(zlib.compress(stream, 9), "/Filter /FlateDecode ")
    assert len(content) < 5_000_000
    files = {"file": ("t.csv", TABLE.encode(), "text/csv"), "document": ("lantern-bay.pdf", content, "")}
    assert real.post("/validate", files=files, timeout=60).status_code in (400, 413, 503)
    assert send_table(real, TABLE.encode(), "lantern-bay.csv").status_code == 200


def bed(service: httpx.Client, **fields: Any) -> httpx.Response:
    """Ask with the fields of the Interoperability Test Bed."""
    return service.post("/validate", json=fields)


def test_fields_of_the_test_bed_are_taken(service: httpx.Client) -> None:
    """Content as text or Base64, rules along, the syntax of the report named."""
    encoded = base64.b64encode(BAD.encode()).decode()
    for content, method in ((BAD, "STRING"), (encoded, "BASE64"), (BAD, None)):
        answer = bed(
            service,
            contentToValidate=content,
            embeddingMethod=method,
            contentSyntax="text/turtle",
            validationType="shacl",
            externalRules=[{"ruleSet": SHAPES, "embeddingMethod": "STRING", "ruleSyntax": "text/turtle"}],
            reportSyntax="text/turtle",
            locale="en",
        )
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/turtle; charset=utf-8")
        assert "sh:MinCountConstraintComponent" in answer.text
    assert bed(service, contentToValidate=FINE).json()["profile"] == "contribution"


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"contentToValidate": "http://127.0.0.1/", "embeddingMethod": "URL"}, 400, "fetches nothing"),
        ({"contentToValidate": "%%%", "embeddingMethod": "BASE64"}, 400, "not Base64"),
        ({"contentToValidate": "x", "embeddingMethod": "FILE"}, 400, "STRING or BASE64"),
        ({"contentToValidate": FINE, "loadImports": True}, 400, "nothing is fetched"),
        ({"contentToValidate": FINE, "contentQuery": "SELECT * {}"}, 400, "nothing is fetched"),
        ({"contentToValidate": 3}, 400, "not a text"),
        ({"contentToValidate": FINE, "externalRules": 3}, 400, "externalRules"),
        ({"contentToValidate": FINE, "externalRules": [{"ruleSet": SHAPES}] * 21}, 400, "at most 20"),
        ({"contentToValidate": FINE, "externalRules": ["x"]}, 400, "ruleSet"),
        ({"contentToValidate": FINE, "contentSyntax": "text/html"}, 415, "not taken"),
        ({"contentToValidate": FINE, "validationType": "owl"}, 404, "contribution, shacl"),
        ({"contentToValidate": FINE, "reportSyntax": "image/png"}, 406, "no format"),
        ({"content": FINE}, 400, "contentToValidate is missing"),
    ],
)
def test_wrong_fields_of_the_test_bed_are_refused(
    service: httpx.Client, fields: dict[str, Any], status: int, words: str
) -> None:
    """Each with its status and its reason, as a problem document."""
    answer = bed(service, **fields)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]


def test_text_that_does_not_parse_is_answered_with_all_its_places(service: httpx.Client) -> None:
    """400, and the report holds every syntax problem with line and column, in any form."""
    broken = P + "e:a e:b x:y .\ne:c e:d .\n"
    answer = service.post("/validate", content=broken, headers=TURTLE)
    assert answer.status_code == 400
    assert [one["line"] for one in answer.json()["problems"]] == [2, 3]
    assert all("column" in one for one in answer.json()["problems"])
    assert not answer.json()["conforms"]
    sarif = service.post("/validate", content=broken, headers={**TURTLE, "Accept": "application/sarif+json"})
    assert (sarif.status_code, len(sarif.json()["runs"][0]["results"])) == (400, 2)
    shapes = validate(service, FINE, broken)
    assert shapes.status_code == 400
    assert {one["path"] for one in shapes.json()["problems"]} == {"shapes.ttl"}


@pytest.mark.parametrize(
    ("path", "headers", "content", "status"),
    [
        ("/validate?profile=owl", TURTLE, b"", 404),
        ("/validate?format=png", TURTLE, b"", 406),
        ("/validate", {**TURTLE, "Accept": "image/png"}, b"", 406),
        ("/validate", {"Content-Type": "application/pdf"}, b"", 415),
        ("/validate", {}, b"x", 415),
        ("/validate", {"Content-Type": "text/turtle; charset=utf-16"}, b"x", 415),
        ("/validate", TURTLE, b" " * (LIMIT + 1), 413),
        ("/validate", {"Content-Type": "application/x-www-form-urlencoded"}, b"profile=shacl", 400),
    ],
)
def test_wrong_requests_have_their_status(
    service: httpx.Client, path: str, headers: dict[str, str], content: bytes, status: int
) -> None:
    """404, 406, 415, 413 and 400, each a problem document with what is taken."""
    answer = service.post(path, headers=headers, content=content)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["detail"]


def test_own_shapes_are_used_when_none_are_sent(service: httpx.Client) -> None:
    """Plain SHACL without shapes holds data to those of the project."""
    answer = service.post("/validate?profile=shacl", content=FINE, headers=TURTLE)
    assert (answer.status_code, answer.json()["conforms"]) == (200, True)


def test_imports_are_told_of_and_not_followed(service: httpx.Client) -> None:
    """Nothing is fetched: an import from outside is a warning at its place, one that stands there is none."""
    shapes = SHAPES + "\ne:S owl:imports <http://127.0.0.1:9/x> , e:T . e:T a owl:Ontology ."
    answer = validate(service, FINE, shapes)
    assert (answer.status_code, answer.json()["conforms"]) == (200, True)
    (problem,) = answer.json()["problems"]
    place = (problem["path"], problem["line"], problem["column"])
    assert (problem["code"], problem["level"], place) == (
        "unfollowed-import",
        "warning",
        ("shapes.ttl", 3, 17),
    )


FORMATS_OF_RDF = {
    "application/n-quads": "<http://e/x> a <http://e/C> .".replace(
        " a ", " <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> "
    ),
    "application/ld+json": '{"@id": "http://e/x", "@type": "http://e/C"}',
    "application/rdf+xml": (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="http://e/">'
        '<e:C rdf:about="http://e/x"/></rdf:RDF>'
    ),
}


@pytest.mark.parametrize(("media_type", "text"), FORMATS_OF_RDF.items())
def test_other_formats_are_read(service: httpx.Client, media_type: str, text: str) -> None:
    """The same data in another format has the same problem, at a place."""
    files = {
        "file": ("data", text.encode(), media_type),
        "shapes": ("shapes.ttl", SHAPES.encode(), "text/turtle"),
    }
    answer = service.post("/validate", files=files)
    assert (answer.status_code, codes(answer)) == (200, ["min-count"])
    assert answer.json()["problems"][0]["line"] == 1


def select(body: str) -> str:
    """Make shapes with a SPARQL constraint."""
    return P + f"e:S a sh:NodeShape ; sh:targetClass e:C ; sh:sparql [ sh:select '''{body}''' ] ."


MANY = "".join(f"e:x{n} a e:C ; e:next e:x{n + 1} .\n" for n in range(3000))
HOSTILE_SHAPES: dict[str, tuple[str, str, set[int]]] = {
    "regex": (
        P + f'e:x a e:C ; e:name "{"a" * 60}!" .',
        S + 'sh:property [ sh:path e:name ; sh:pattern "^(a+)+$" ] .',
        {503},
    ),
    "cross join": (P + MANY, select("SELECT $this WHERE { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }"), {503}),
    "service": (FINE, select("SELECT $this { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }"), {400}),
    "from": (FINE, select("SELECT $this FROM <file:///etc/passwd> { ?s ?p ?o }"), {400}),
    "from hidden": (
        FINE,
        select("SELECT $this\\nFR\\\\u004FM <file:///etc/passwd> { $this ?p ?o }"),
        {400},
    ),
    "script": (FINE, S + "sh:js [ sh:jsFunctionName 'f' ] .", {400}),
    "rule": (FINE, S + "sh:rule [ ] .", {400}),
    "recursion": (FINE, S + "sh:node e:S .", {200, 400}),
    "mutual recursion": (
        FINE,
        S + "sh:not e:T . e:T a sh:NodeShape ; sh:not e:S .",
        {200, 400},
    ),
    "long path": (
        P + MANY,
        P + "e:S a sh:NodeShape ; sh:targetNode e:x0 ; "
        "sh:property [ sh:path [ sh:zeroOrMorePath e:next ] ; sh:maxCount 1 ] .",
        {200, 400, 503},
    ),
    "circular list": (
        FINE,
        S + "sh:in _:l ."
        "_:l <http://www.w3.org/1999/02/22-rdf-syntax-ns#first> 1 ;"
        "<http://www.w3.org/1999/02/22-rdf-syntax-ns#rest> _:l .",
        {200, 400, 503},
    ),
    "not shapes": (FINE, S + "sh:minCount 'x' ; sh:path 3 .", {200, 400}),
}


@pytest.mark.parametrize("name", HOSTILE_SHAPES)
def test_hostile_shapes_are_bounded(service: httpx.Client, name: str) -> None:
    """Each is answered in time with a status of its own, never a fault, and the service goes on."""
    data, shapes, statuses = HOSTILE_SHAPES[name]
    before = time.monotonic()
    answer = validate(service, data, shapes)
    assert answer.status_code in statuses, answer.text
    assert time.monotonic() - before < 9
    assert "root:" not in answer.text
    if answer.status_code == 503:
        assert int(answer.headers["retry-after"]) > 0
    assert service.get("/health").status_code == 200


HOSTILE_BODIES: dict[str, tuple[str, bytes, set[int]]] = {
    "deep brackets": ("text/turtle", b"<urn:a> <urn:b> " + b"[<urn:b> " * 40_000, {400}),
    "deep lists": ("text/turtle", b"<urn:a> <urn:b> " + b"( " * 60_000, {400}),
    "closed deep lists": ("text/turtle", b"<urn:a> <urn:b> " + b"(" * 9000 + b")" * 9000 + b" .", {200, 400}),
    "huge literal": ("text/turtle", b'<urn:a> <urn:b> "' + b"x" * (LIMIT - 100) + b'" .', {200}),
    "huge name": ("text/turtle", b"<urn:" + b"x" * (LIMIT - 100) + b"> <urn:b> 1 .", {200}),
    "unclosed": ("text/turtle", b'<urn:a> <urn:b> """' + b'"\\' * 100_000, {400}),
    "latin 1": ("text/turtle", b'<urn:a> <urn:b> "\xe9" .', {400}),
    "utf-16": ("text/turtle", '<urn:a> <urn:b> "x" .'.encode("utf-16"), {400}),
    "zeros": ("text/turtle", b"\x00" * 100_000, {400, 503}),
    "gzip": ("text/turtle", b"\x1f\x8b\x08\x00" + b"\x00" * 1000, {400}),
    "many errors": ("text/turtle", b"<urn:a> .\n" * 20_000, {400, 503}),
    "many prefixes": (
        "text/turtle",
        b"".join(b"@prefix p%d: <urn:> .\n" % n for n in range(15_000)),
        {200, 400},
    ),
    "many statements": (
        "text/turtle",
        b"".join(b"<urn:%d> <urn:b> %d .\n" % (n, n) for n in range(15_000)),
        {200, 503},
    ),
    "steering": ("text/turtle", '<urn:a> <urn:b> "\x1b[2J\u202e" .'.encode(), {200}),
    "empty": ("text/turtle", b"", {200, 400}),
    "deep json": ("application/json", b"[" * 300_000, {400}),
    "json of another kind": ("application/json", b'"x"', {400}),
    "no boundary": ("multipart/form-data", b"--x\r\n", {400}),
    "broken parts": (
        "multipart/form-data; boundary=x",
        b"--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x--",
        {400},
    ),
    "many parts": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\ny\r\n' * 3000 + b"--x--",
        {400},
    ),
    "many fields": ("application/x-www-form-urlencoded", b"a=b&" * 3000, {400}),
    "path as a name": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="../../etc/passwd"\r\n\r\ny\r\n--x--',
        {400},
    ),
}


@pytest.mark.parametrize("name", HOSTILE_BODIES)
def test_hostile_bodies_are_bounded(service: httpx.Client, name: str) -> None:
    """Each is answered in time, never with a fault, and the service goes on."""
    media_type, body, statuses = HOSTILE_BODIES[name]
    before = time.monotonic()
    answer = service.post("/validate", content=body, headers={"Content-Type": media_type})
    assert answer.status_code in statuses, answer.text[:2000]
    assert time.monotonic() - before < 9
    assert service.get("/health").status_code == 200


def talk(service: httpx.Client, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """Send pieces over a connection of one's own, and return the first line that comes back."""
    address = (service.base_url.host, service.base_url.port)
    with socket.create_connection(address, timeout=15) as connection:
        for piece in pieces:
            try:
                connection.sendall(piece)
            except OSError:
                break
            time.sleep(pause_s)
        return connection.recv(100).split(b"\r\n")[0]


HEAD = b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: text/turtle\r\n"


def test_upload_that_never_ends_is_ended(service: httpx.Client) -> None:
    """A body that trickles is answered with 408 when its time is over."""
    before = time.monotonic()
    answer = talk(service, HEAD + b"Content-Length: 1000\r\n\r\n", *[b"x"] * 3, pause_s=0.1)
    assert answer.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - before < 8


def test_upload_past_the_limit_is_refused_before_it_is_read(service: httpx.Client) -> None:
    """An announced length is enough; without one, what comes is counted."""
    assert talk(service, HEAD + b"Content-Length: 99999999999\r\n\r\nx").startswith(b"HTTP/1.1 413")
    chunk = b"%x\r\n" % 100_000 + b"x" * 100_000 + b"\r\n"
    answer = talk(service, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 5)
    assert answer.startswith(b"HTTP/1.1 413")


def test_client_that_leaves_frees_its_place(served: Settings, serve: Serve) -> None:
    """With one place and no queue, who has gone keeps nobody waiting."""
    settings = replace(served, validate_places=1, validate_queue=0, validate_timeout_s=60.0)
    data, shapes, _ = HOSTILE_SHAPES["regex"]
    with serve(settings) as client:
        assert validate(client, FINE).status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            client.post("/validate", data={"text": data, "shapes": shapes}, timeout=1.0)
        deadline = time.monotonic() + 5
        while (answer := validate(client, FINE)).status_code == 503 and time.monotonic() < deadline:
            assert answer.json()["title"] == "The service is busy"
            time.sleep(0.1)
        assert answer.status_code == 200


def test_openapi_describes_validation(service: httpx.Client) -> None:
    """The body's types with examples, the report's types, the statuses."""
    operation = service.get("/openapi.json").json()["paths"]["/validate"]["post"]
    content = operation["requestBody"]["content"]
    assert {"text/turtle", "multipart/form-data", "application/json"} <= set(content)
    example = content["application/json"]["example"]
    assert service.post("/validate", json=example).headers["content-type"].startswith("text/turtle")
    example = content["application/trig"]["example"]
    answer = service.post("/validate", content=example, headers={"Content-Type": "application/trig"})
    assert answer.status_code == 200
    assert {"application/sarif+json", "text/html", "text/turtle"} <= set(
        operation["responses"]["200"]["content"]
    )
    assert {"200", "400", "404", "406", "408", "413", "415", "503"} <= set(operation["responses"])
    assert json.dumps(operation).count('"$ref"') >= 1
