"""Tables: what stands in a cell becomes a statement of that cell, or a problem of that cell."""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import openpyxl
import pyoxigraph as ox
import pytest
import xlsxwriter

from kg import names
from kg.errors import Edit
from kg.names import load_prefixes
from kg.tables import (
    Candidate,
    Question,
    TableReading,
    TableVerdict,
    judge_table,
    load_kinds,
    mend_table,
    order_by_usage,
    read,
    write_csv,
    write_xlsx,
)
from kg.tables.kinds import Kind
from kg.tables.sheets import MAX_ROWS, letters
from kg.tables.wording import plain as plain_words
from kg.tables.workbooks import MAX_ENTRIES
from kg.validation import Published, judge

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "spreadsheets.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```\w+ (\S+)\n(.*?)```", PAGE, re.DOTALL))
TABLE, COPY = FILES["lantern-bay.csv"], FILES["lantern-bay.txt"]
COPIES = {"lantern-bay.txt": COPY}
# Not in the graph yet, but easily mistaken for each other.
MORE_STATES = {
    "congo": ("Republic of the Congo", "Congo"),
    "dr-congo": ("Democratic Republic of the Congo", "DR Congo"),
    "dominica": ("Dominica", ""),
    "dominican-republic": ("Dominican Republic", ""),
    "guinea": ("Guinea", ""),
    "guinea-bissau": ("Guinea-Bissau", ""),
    "equatorial-guinea": ("Equatorial Guinea", ""),
    "papua-new-guinea": ("Papua New Guinea", ""),
    "niger": ("Niger", ""),
    "nigeria": ("Nigeria", ""),
    "north-korea": ("Democratic People's Republic of Korea", "North Korea"),
    "south-korea": ("Republic of Korea", "South Korea"),
    "micronesia-states": ("Federated States of Micronesia", "Micronesia"),
    "georgia-state": ("Georgia", ""),
    "namibia": ("Namibia", "NA"),
    "saint-kitts": ("Saint Kitts and Nevis", ""),
    "cote-divoire": ("Côte d’Ivoire", "Ivory Coast"),
}
MORE_PLACES = {"georgia-land": ("Georgia", ""), "micronesia-region": ("Micronesia", "")}


@pytest.fixture(scope="module")
def graph(published: ox.Store) -> Published:
    """Return the real graph with some more states."""
    store = ox.Store()
    store.bulk_extend(iter(published))
    entities = ox.NamedNode(names.ENTITIES_GRAPH)
    for kind, things in (("State", MORE_STATES), ("Place", MORE_PLACES)):
        for slug, (label, alias) in things.items():
            node = ox.NamedNode(names.ID + slug)
            said: list[tuple[str, ox.NamedNode | ox.Literal]] = [
                (names.RDF + "type", ox.NamedNode(names.LAT + kind)),
                (names.RDFS + "label", ox.Literal(label, language="en")),
            ]
            said += [(names.SKOS + "altLabel", ox.Literal(alias, language="en"))] if alias else []
            store.extend([ox.Quad(node, ox.NamedNode(p), o, entities) for p, o in said])
    return Published(store, load_prefixes(ROOT / "ontology" / "prefixes.ttl"), ROOT)


@pytest.fixture(scope="module")
def kinds(graph: Published) -> dict[str, Kind]:
    """Return the kinds of statements, once."""
    return load_kinds(graph)


@pytest.fixture(scope="module")
def plain(published: ox.Store) -> Published:
    """Return the real graph."""
    return Published(published, load_prefixes(ROOT / "ontology" / "prefixes.ttl"), ROOT)


def read_text(text: str, graph: Published, kinds: dict[str, Kind], name: str = "t.csv") -> TableReading:
    """Read a CSV text with the copy of the example."""
    return read(text.encode(), path=Path(name), published=graph, documents=COPIES, kinds=kinds)


# --- the example of the documentation -------------------------------------------------------------


def test_example_is_accepted(plain: Published, kinds: dict[str, Kind]) -> None:
    """The table of the documentation is read without a problem and judged fine."""
    reading = read_text(TABLE, plain, kinds)
    assert reading.problems == ()
    verdict = judge(reading, plain, documents=reading.documents, mend=mend_table(plain, COPIES))
    assert [str(one) for one in verdict.problems if one.level == "error"] == []
    assert verdict.is_accepted
    mediators = [one for one in reading.statements if one.predicate.value == names.LAT + "hasMediator"]
    assert [(one.subject.value, one.object.value) for one in mediators] == [
        (names.ID + "ruritania-mediates-at-lantern-bay", names.ID + "ruritania")
    ]
    (one,) = mediators
    assert one.places is not None and one.graph is not None
    assert (one.places.object.cell, one.places.object.line, one.places.object.column) == ("B11", 11, 2)
    assert one.graph.value == names.CLAIM + "draft/1"


def test_example_passage_is_computed_from_the_copy(plain: Published, kinds: dict[str, Kind]) -> None:
    """Start and end cut the passage out of the copy."""
    said = {
        one.predicate.value: int(one.object.value)
        for one in read_text(TABLE, plain, kinds).statements
        if one.subject.value == names.PASSAGE + "draft/2#selector" and one.object.kind == "literal"
    }
    assert COPY[said[names.OA + "start"] : said[names.OA + "end"]].split()[-2:] == ["the", "catch"]


SLIPS = re.findall(r"^\| ([A-Z][0-9]+) \| `(.*?)` \| `(.*?)` \| `(.*?)` \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("cell", "old", "new", "code"), SLIPS)
def test_slip_of_the_example_is_told(
    cell: str, old: str, new: str, code: str, plain: Published, kinds: dict[str, Kind]
) -> None:
    """Each slip that the documentation lists gives the problem that it says, at the cell that it says."""
    row = int(re.sub(r"\D", "", cell)) - 1
    lines = TABLE.splitlines()
    at = max(lines[row].rfind(f",{old},"), 0) if cell.startswith("B") else lines[row].find(f",{old},")
    lines[row] = lines[row][:at] + lines[row][at:].replace(old, f'"{new}"', 1)
    problems = read_text("\n".join(lines), plain, kinds).problems
    assert [(one.code, one.cell) for one in problems if one.level == "error"] == [(code, cell)]


def test_slips_were_collected() -> None:
    """The documentation lists five."""
    assert len(SLIPS) == 5


# --- problems, each at its cell -------------------------------------------------------------------

M = "Ruritania mediates at Lantern Bay,Ruritania,Graustark | Concordia,2025-05"
W = "In May 2025,to an agreement"
EVIDENCE = "The Lantern Bay Talks,In May 2025,to an agreement,The talks"
CASES = [
    ("has mediator,", "has mediatr,", "unknown-column", "B10", "has mediator"),
    ("has participant,date", "hat size,date", "unknown-column", "C10", None),
    ("date,document *,first words", "date,document *,document", "repeated-column", "F10", None),
    (M, M.replace("Ruritania,", "Ruritannia,"), "doubtful-name", "B11", None),
    (M, M.replace("Ruritania,", "Zzyzx Qwrt,"), "unknown-name", "B11", None),
    (M, M.replace(",Ruritania,", ",High Seas Treaty | Ruritania,"), "wrong-kind", "B11", None),
    (M, M.replace("Ruritania mediates at Lantern Bay", ""), "missing-cell", "A11", None),
    (M, M.replace(",Ruritania,", ",id:nowhere-land,"), "unknown-name", "B11", None),
    (M, M.replace(",Ruritania,", ",technique:mediation,"), "wrong-kind", "B11", None),
    (M, M.replace(",Ruritania,", ",Malta [id:singapore],"), "other-name", "B11", None),
    (M, M.replace("2025-05", "03/04/2024"), "ambiguous-date", "D11", None),
    (M, M.replace("2025-05", "25/04/2024"), "bad-date", "D11", "2024-04-25"),
    (M, M.replace("2025-05", "2024/4/5"), "bad-date", "D11", "2024-04-05"),
    (M, M.replace("2025-05", "2024-02-30"), "bad-date", "D11", None),
    (M, M.replace("2025-05", "2024-13"), "bad-date", "D11", None),
    (M, M.replace("2025-05", "31 June 2024"), "bad-date", "D11", None),
    (M, M.replace("2025-05", "spring 2024"), "bad-date", "D11", None),
    (M, M.replace("2025-05", "24"), "bad-date", "D11", None),
    (M, M.replace("2025-05", "=TODAY()"), "formula", "D11", None),
    (M, M.replace("2025-05", "2024 | 03/04/2024"), "ambiguous-date", "D11", None),
    (EVIDENCE, EVIDENCE.replace("In May 2025", "In June 2025"), "unfound-words", "F11", None),
    (EVIDENCE, EVIDENCE.replace("to an agreement", "to a quarrel"), "unfound-words", "G11", None),
    (EVIDENCE, EVIDENCE.replace("In May 2025", "—"), "unfound-words", "F11", None),
    (EVIDENCE, EVIDENCE.replace(W, "In May 2025,"), "missing-cell", "G11", None),
    (EVIDENCE, EVIDENCE.replace(W, ",to an agreement"), "missing-cell", "F11", None),
    (EVIDENCE, EVIDENCE.replace("The Lantern Bay Talks", ""), "missing-cell", "E11", None),
    (
        EVIDENCE,
        EVIDENCE.replace("The Lantern Bay Talks", "The Lanten Bay Talks"),
        "doubtful-name",
        "E11",
        None,
    ),
    (
        EVIDENCE,
        EVIDENCE.replace("The Lantern Bay Talks", "Annual report of nobody"),
        "unknown-name",
        "E11",
        None,
    ),
    (EVIDENCE, "The Lantern Bay Talks,,,", "missing-locator", "E11", None),
    (
        EVIDENCE,
        EVIDENCE.replace("In May 2025", "Ruritania").replace("to an agreement", "In May"),
        "unfound-words",
        "G11",
        None,
    ),
    (EVIDENCE, ",,,", "missing-evidence", "E11", None),
    (",meetings held,12,", ',meetings held,"1,200",', "bad-number", "D14", "1200"),
    (",meetings held,12,", ",meetings held,twelve,", "bad-number", "D14", None),
    (",meetings held,12,", ",meetings held,12%,", "bad-number", "D14", None),
    (",meetings held,12,", ",meetings held,1 200,", "bad-number", "D14", "1200"),
    (",meetings held,12,", ",meetings held,1.234.567,", "bad-number", "D14", "1234567"),
    (",meetings held,12,", ",meetings held,,", "missing-cell", "D14", None),
    (",meetings held,12,", ",,12,", "missing-cell", "C14", None),
    (",meetings held,12,", ",meeting hold,12,", "doubtful-name", "C14", None),
    (",meetings,exact,", ",meetings,precisely so and not otherwise,", "unknown-name", "F14", None),
    (",meetings,exact,", ",metric:meetings,exact,", "wrong-kind", "E14", None),
    ("Graustark,state,", "Graustark,stat,", "unknown-class", "B7", "state"),
    ("Graustark,state,", "Graustark,,", "missing-cell", "B7", None),
    ("Graustark,state,A made", "Malta,state,A made", "already-named", "A7", None),
    ("Graustark,state,A made", "Ruritania,state,A made", "already-named", "A7", None),
    ("Graustark,state,A made", "国,state,A made", "no-slug", "A7", None),
    ("Graustark,state,A made", "Graustark [Ruritania!],state,A made", "no-slug", "A7", None),
    (",lantern-bay.txt,", ",other.pdf,", "missing-copy", "E2", None),
    (",lantern-bay.txt,", ",,", "missing-cell", "E2", None),
    ("2026,lantern", "MMXXVI,lantern", "bad-date", "D2", None),
    ("Institute,Strelsau Institute,2026", "Institute,Strelsau Instiute,2026", "doubtful-name", "C2", None),
]


@pytest.mark.parametrize(("old", "new", "code", "cell", "edit"), CASES)
def test_problem_stands_at_its_cell(
    old: str, new: str, code: str, cell: str, edit: str | None, plain: Published, kinds: dict[str, Kind]
) -> None:
    """One slip gives its problem at its cell, and an edit only where one meaning is left."""
    assert TABLE.count(old) == 1
    reading = read_text(TABLE.replace(old, new), plain, kinds)
    found = [one for one in reading.problems if one.code == code and one.cell == cell]
    assert found, [(one.code, one.cell, one.message) for one in reading.problems]
    assert [one.text for one in found[0].edits] == ([edit] if edit else [])
    assert reading.statements == ()


def test_cases_are_many() -> None:
    """Every kind of slip has its case."""
    assert len(CASES) >= 50
    assert len({code for _, _, code, _, _ in CASES}) >= 18


def test_codes_are_listed() -> None:
    """The documentation lists every code that the modules of tables give."""
    folder = ROOT / "src" / "kg" / "tables"
    text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    listed = set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", PAGE.partition("## What may be told")[2]))
    assert {code for _, _, code, _, _ in CASES} <= listed
    assert [one for one in sorted(listed) if f'"{one}"' not in text] == []


# --- names ----------------------------------------------------------------------------------------

TRAPS = [
    ("Niger", "niger"),
    ("niger", "niger"),
    ("Nigeria", "nigeria"),
    ("Nigera", ""),
    ("Congo", ""),  # an alias of one, and within the name of the other
    ("Republic of the Congo", "congo"),
    ("DR Congo", "dr-congo"),
    ("Democratic Republic of Congo", ""),
    ("Guinea", "guinea"),
    ("Guinea Bissau", "guinea-bissau"),
    ("Guinea (Bissau)", "guinea-bissau"),
    ("New Guinea", ""),
    ("Korea", ""),
    ("South Korea", "south-korea"),
    ("North Korea", "north-korea"),
    ("Republic of Korea", "south-korea"),
    ("Dominica", "dominica"),
    ("Dominican Republic", "dominican-republic"),
    ("Dominican Rep.", ""),
    ("Georgia", "georgia-state"),  # the place of that name is no actor
    ("Micronesia", "micronesia-states"),
    ("NA", "namibia"),  # a code, not a missing value
    ("St Kitts & Nevis", "saint-kitts"),
    ("St. Kitts and Nevis", "saint-kitts"),
    ("St. Vincent and the Grenadines", "saint-vincent-and-the-grenadines"),
    ("the Seychelles", "seychelles"),
    ("COTE D'IVOIRE", "cote-divoire"),
    ("Ivory Coast", "cote-divoire"),
    ("Georgia [id:georgia-state]", "georgia-state"),
    ("id:malta", "malta"),
    ("https://w3id.org/lateral/id/malta", "malta"),
]


@pytest.mark.parametrize(("name", "slug"), TRAPS)
def test_name_means_one_thing_or_is_asked(
    name: str, slug: str, graph: Published, kinds: dict[str, Kind]
) -> None:
    """A name is taken for the one thing that bears it; what is only like it is asked."""
    text = f'hosting *,performed by,document *,section\nA new dinner,"{name}",wef-2026,G20\n'
    reading = read_text(text, graph, kinds)
    found = [
        one.object.value for one in reading.statements if one.predicate.value == names.LAT + "performedBy"
    ]
    assert found == ([names.ID + slug] if slug else []), [str(one) for one in reading.problems]
    errors = [(one.code, one.cell, one.edits) for one in reading.problems if one.level == "error"]
    assert errors == ([] if slug else [("doubtful-name", "B2", ())])
    assert [one.cell for one in reading.questions] == ([] if slug else ["B2"])


def test_question_lists_what_a_name_may_mean(graph: Published, kinds: dict[str, Kind]) -> None:
    """The candidates of a question stand with score and edit, and an edit settles it."""
    text = "hosting *,performed by,document *,section\nA new dinner,Malta | Korea,wef-2026,G20\n"
    reading = read_text(text, graph, kinds)
    (question,) = reading.questions
    assert {one.iri.rpartition("/")[2] for one in question.candidates} >= {"north-korea", "south-korea"}
    assert all(60 <= one.score <= 100 for one in question.candidates)
    edit = next(one.edit for one in question.candidates if one.iri.endswith("south-korea"))
    assert edit == Edit(2, 2, 2, 3, "Malta | Republic of Korea [id:south-korea]", "B2")
    mended = mend_table(graph, COPIES)(reading, [edit])
    assert [one for one in mended.problems if one.level == "error"] == []
    said = [one.object.value for one in mended.statements if one.predicate.value == names.LAT + "performedBy"]
    assert said == [names.ID + "malta", names.ID + "south-korea"]


def test_name_of_two_classes_is_asked_where_any_may_stand(graph: Published, kinds: dict[str, Kind]) -> None:
    """Where the column takes anything, a state and a place of one name are asked."""
    text = "assessment *,about,gist *,document *,section\nOf Georgia,Georgia,It is so.,wef-2026,G20\n"
    reading = read_text(text, graph, kinds)
    assert [(one.code, one.cell) for one in reading.problems if one.level == "error"] == [
        ("doubtful-name", "B2")
    ]
    assert {one.kind for one in reading.questions[0].candidates} == {"state", "place"}


# --- places in words, edits, claims ---------------------------------------------------------------


def test_place_is_told_in_words(plain: Published, kinds: dict[str, Kind]) -> None:
    """A reader is told row, column and header, those of the block that the cell stands in."""
    reading = read_text(TABLE.replace("2025-05", "03/04/2025").replace(",12,", ",1.2.3,"), plain, kinds)
    told = [reading.place(one) for one in reading.problems]
    assert told == ["row 11, column D (date)", "row 14, column D (value)"]


def test_problem_of_the_shapes_stands_at_its_cell(plain: Published, kinds: dict[str, Kind]) -> None:
    """What judging finds in a table comes with its cell, and can be told in words."""
    reading = read_text(TABLE.replace("mediation *,has mediator", "mediation *,performed by"), plain, kinds)
    verdict = judge(reading, plain, documents=reading.documents, mend=mend_table(plain, COPIES))
    found = [one for one in verdict.problems if one.level == "error"]
    assert [reading.place(one) for one in found] == ["row 11, column A (mediation)"]


def test_proposed_value_is_proved(plain: Published, kinds: dict[str, Kind]) -> None:
    """An edit of a cell mends the problem that proposes it."""
    reading = read_text(TABLE.replace(",meetings held,12,", ',meetings held,"1,200",'), plain, kinds)
    mend = mend_table(plain, COPIES)
    edits = [edit for one in reading.problems for edit in one.edits]
    assert [(one.cell, one.text) for one in edits] == [("D14", "1200")]
    assert mend(reading, edits).problems == ()
    verdict = judge(reading, plain, documents=reading.documents, mend=mend)
    assert [one.edits for one in verdict.problems] == [tuple(edits)]


def test_rows_of_one_word_make_one_claim(plain: Published, kinds: dict[str, Kind]) -> None:
    """Rows with the same word share claim and passages; a row with nothing else adds its passage."""
    text = (
        "state *,in category,document *,section,page,claim\n"
        "Malta,small states,wef-2026,G20,,a\n"
        "Singapore,small states,,,,A\n"
        ",,wef-2026,,12,a\n"
        "Seychelles,small states,wef-2026,G20,,\n"
    )
    label = plain.find_label(names.CONCEPT + "category/small-state")
    reading = read_text(text.replace("small states", str(label)), plain, kinds)
    assert [str(one) for one in reading.problems if one.level == "error"] == []
    claims = [
        (one.graph.value[-1], one.subject.value.rpartition("/")[2]) for one in reading.statements if one.graph
    ]
    assert claims == [("1", "malta"), ("1", "singapore"), ("2", "seychelles")]
    evidence = [
        (one.subject.value[-1], one.object.value[-1])
        for one in reading.statements
        if one.predicate.value == names.LAT + "evidence"
    ]
    assert evidence == [("1", "1"), ("1", "2"), ("2", "1")]


def test_passage_without_a_copy_is_kept_by_its_locator(plain: Published, kinds: dict[str, Kind]) -> None:
    """Where no copy is at hand, section and page do: marked, noted, and judged fine."""
    label = plain.find_label(names.CONCEPT + "category/sids")
    text = (
        "state *,in category,document *,first words,last words,section,page\n"
        f"Malta,{label},wef-2026,a,b,G20,3\n"
    )
    reading = read_text(text, plain, kinds)
    assert [(one.code, one.level) for one in reading.problems] == [("no-copy", "note")]
    said = {one.predicate.value for one in reading.statements if one.subject.value.startswith(names.PASSAGE)}
    assert names.LAT + "locatorOnly" in said and names.OA + "hasSelector" not in said
    verdict = judge(reading, plain, documents=reading.documents)
    assert [str(one) for one in verdict.problems if one.level == "error"] == []


def test_copy_with_another_text_gives_the_digest_alone(plain: Published, kinds: dict[str, Kind]) -> None:
    """A copy of a known document that is not its reference text proves words, not positions."""
    label = plain.find_label(names.CONCEPT + "category/sids")
    text = (
        "state *,in category,document *,first words,last words,section\n"
        f"Malta,{label},wef-2026,Malta swims,under water,G20\n"
    )
    reading = read(
        text.encode(),
        path=Path("t.csv"),
        published=plain,
        documents={"wef-2026": "Malta swims like an otter under water."},
        kinds=kinds,
    )
    assert [str(one) for one in reading.problems] == []
    said = {one.predicate.value for one in reading.statements if one.subject.value.startswith(names.PASSAGE)}
    assert {names.LAT + "digest", names.LAT + "wordCount", names.LAT + "locatorOnly"} <= said


# --- CSV ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "encoding"),
    [
        (lambda text: text, "utf-8"),
        (lambda text: text, "utf-8-sig"),
        (lambda text: text, "utf-16"),
        (lambda text: text.replace("\n", "\r\n"), "utf-8"),
        (lambda text: text.replace("\n", "\r"), "utf-8"),
        (lambda text: text.replace(",", ";"), "utf-8"),
        (lambda text: text.replace(",", "\t"), "utf-8"),
        (lambda text: text.replace("Concordia,state", '"Concordia","state"'), "utf-8"),
        (lambda text: text.replace("*", ""), "utf-8"),
    ],
)
def test_csv_is_read_however_it_is_written(
    change: object, encoding: str, plain: Published, kinds: dict[str, Kind]
) -> None:
    """Byte order mark, line ends, delimiter and quotes change nothing."""
    assert callable(change)
    content = change(TABLE).encode(encoding)
    reading = read(content, path=Path("t.csv"), published=plain, documents=COPIES, kinds=kinds)
    plainly = read_text(TABLE, plain, kinds)
    assert [str(one) for one in reading.problems] == []
    assert [one[:4] for one in reading.statements] == [one[:4] for one in plainly.statements]


@pytest.mark.parametrize(
    ("content", "code", "row"),
    [
        (TABLE.replace("Graustark,state", "Gr\u00e4ustark,state").encode("latin-1"), "encoding", 7),
        (b"a\x00b,c\n", "encoding", 1),
        (b'hosting *,performed by\n"A,Malta\n', "syntax", 2),
        (b"", "no-rows", 1),
        (b"\n\n,,\n", "no-rows", 1),
        (b"colour,shape\nred,round\n", "unknown-kind", 1),
        (b"hosting *,performed by\nA,Malta,what is this\n", "no-header", 2),
        (b"hosting *\n" + b"x\n" * (MAX_ROWS + 1), "too-large", MAX_ROWS + 1),
        (b"hosting *" + b"," * 300 + b"\n", "too-large", 1),
        (b"\xd0\xcf\x11\xe0 old", "syntax", None),
    ],
)
def test_broken_csv_is_told(
    content: bytes, code: str, row: int | None, plain: Published, kinds: dict[str, Kind]
) -> None:
    """What is no table is a problem with its row, and says nothing."""
    reading = read(content, path=Path("t.csv"), published=plain, kinds=kinds)
    assert (code, row) in [(one.code, one.line) for one in reading.problems]
    assert reading.statements == ()


# --- XLSX -----------------------------------------------------------------------------------------


def workbook(**sheets: Sequence[Sequence[object]]) -> bytes:
    """Make a workbook of sheets by their rows."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def read_book(content: bytes, graph: Published, kinds: dict[str, Kind]) -> TableReading:
    """Read a workbook."""
    return read(content, path=Path("t.xlsx"), published=graph, documents=COPIES, kinds=kinds)


def test_workbook_says_what_the_csv_says(plain: Published, kinds: dict[str, Kind]) -> None:
    """The example as a workbook, a sheet for each form, gives the same triples."""
    blocks = [[line.split(",") for line in one.splitlines()] for one in TABLE.split("\n\n")]
    titles = ["document", "entity", "mediation", "figure"]
    reading = read_book(workbook(**dict(zip(titles, blocks, strict=True))), plain, kinds)
    assert [str(one) for one in reading.problems] == []
    plainly = {one[:4] for one in read_text(TABLE, plain, kinds).statements}
    assert {one[:4] for one in reading.statements} == plainly
    mediator = next(one for one in reading.statements if one.predicate.value.endswith("hasMediator"))
    assert mediator.places is not None and mediator.places.object.cell == "mediation!B2"


def test_workbook_cells_are_read_as_they_are_shown(plain: Published, kinds: dict[str, Kind]) -> None:
    """A month that a spreadsheet keeps as its first day stays a month; numbers and times are text."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    header = [
        "meeting *",
        "date",
        "start date",
        "start time",
        "document *",
        "section",
        "page",
        "description *",
    ]
    time = datetime.time(9, 30)
    sheet.append(header)
    sheet.append(["A dinner", datetime.date(2024, 5, 1), 2024, time, "wef-2026", "G20", 3.0, "Made up."])
    sheet["B2"].number_format = "mmm-yy"
    target = io.BytesIO()
    book.save(target)
    reading = read_book(target.getvalue(), plain, kinds)
    assert [str(one) for one in reading.problems if one.level == "error"] == []
    said = {one.predicate.value.rpartition("#")[2]: one.object.value for one in reading.statements}
    assert (said["date"], said["startDate"], said["startTime"], said["page"]) == (
        "2024-05",
        "2024",
        "09:30",
        "3",
    )


def test_formula_is_refused_at_its_cell(plain: Published, kinds: dict[str, Kind]) -> None:
    """A computed cell is a problem with the sheet's name."""
    content = workbook(hosting=[["hosting *", "performed by"], ["A dinner", '=HYPERLINK("http://e","x")']])
    problems = read_book(content, plain, kinds).problems
    assert ("formula", "hosting!B2") in [(one.code, one.cell) for one in problems]


def altered(content: bytes, **parts: bytes) -> bytes:
    """Add parts to a workbook, or replace them; `__` in a name stands for `/`, `_X` for a point."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        named = {name.replace("__", "/").replace("_X", "."): data for name, data in parts.items()}
        for one in old.namelist():
            if one not in named:
                new.writestr(one, old.read(one))
        for name, data in named.items():
            new.writestr(name, data)
    return target.getvalue()


GOOD = workbook(hosting=[["hosting *", "performed by"], ["A dinner", "Malta"]])
ENTITIES = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (altered(GOOD, xl__vbaProject_Xbin=b"x"), "macro"),
        (altered(GOOD, xl__sharedStrings_Xxml=ENTITIES), "entity-declaration"),
        (altered(GOOD, xl__sharedStrings_Xxml=ENTITIES.decode().encode("utf-16")), "entity-declaration"),
        (altered(GOOD, xl__media__big_Xpng=b"0" * 120_000_000), "too-large"),
        (altered(GOOD, **{f"x{n}": b"" for n in range(MAX_ENTRIES)}), "too-large"),
        (altered(GOOD, xl__worksheets__sheet1_Xxml=b"<worksheet><sheetData><row"), "syntax"),
        (GOOD[: len(GOOD) // 2], "syntax"),
        (b"PK\x03\x04nothing", "syntax"),
        (workbook(empty=[]), "no-rows"),
        (workbook(hosting=[["hosting *"]] + [["x"]] * (MAX_ROWS + 2)), "too-large"),
    ],
    ids=["macro", "entity", "utf-16", "large", "parts", "xml", "half", "zip", "empty", "rows"],
)
def test_dangerous_workbook_is_refused(
    content: bytes, code: str, plain: Published, kinds: dict[str, Kind]
) -> None:
    """Macros, entities, bombs and broken files are problems, never crashes."""
    reading = read_book(content, plain, kinds)
    assert code in [one.code for one in reading.problems]
    assert reading.statements == ()


def test_claimed_size_is_not_believed(plain: Published, kinds: dict[str, Kind]) -> None:
    """A sheet that says that it has a million rows is read by the rows that it has."""
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target)
    sheet = book.add_worksheet("hosting")
    sheet.write_row(0, 0, ["hosting *", "performed by"])
    sheet.write_string(1_048_575, 0, "far away")
    book.close()
    reading = read_book(target.getvalue(), plain, kinds)
    assert [one.code for one in reading.problems] == ["too-large"]


# --- forms ----------------------------------------------------------------------------------------


def test_every_form_is_read_as_its_kind(plain: Published, kinds: dict[str, Kind]) -> None:
    """The header of each form, as CSV and as a workbook, is known again: no column is lost."""
    ordered = order_by_usage(plain, kinds.values())
    assert len(ordered) >= 70
    for kind in ordered.values():
        for with_all in (False, True):
            reading = read_text(write_csv([kind], with_all=with_all), plain, kinds)
            assert [one.code for one in reading.problems] == ["no-rows"], kind.slug
            assert len(reading.headers) == len(kind.shown(with_all=with_all)), kind.slug
    book = read_book(write_xlsx(ordered.values(), with_all=True), plain, kinds)
    assert [one.code for one in book.problems] == ["no-rows"]
    assert len(book.headers) == sum(len(one.columns) for one in kinds.values())


def test_form_begins_with_what_is_needed_and_used(plain: Published, kinds: dict[str, Kind]) -> None:
    """Required columns come first, then those that claims use, then the evidence."""
    ordered = order_by_usage(plain, [kinds["figure"]])["figure"]
    headers = [one.title for one in ordered.shown()]
    assert headers[0] == "figure *"
    assert {"metric *", "value *", "has unit *", "bound *"} == set(headers[1:5])
    assert headers.index("about") < headers.index("document *")
    assert headers[-1] == "claim"


def test_workbook_form_helps(plain: Published, kinds: dict[str, Kind]) -> None:
    """A sheet has a frozen header, remarks, lists to choose from, and cells that stay text."""
    content = write_xlsx(order_by_usage(plain, [kinds["figure"]]).values())
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert book.sheetnames == ["README", "figure", "lists"]
    assert book["lists"].sheet_state == "hidden"
    sheet = book["figure"]
    assert sheet.freeze_panes == "B3"
    titles = {cell.value: cell for cell in sheet[1]}
    assert titles["bound *"].comment is not None
    letter = letters(titles["bound *"].column or 0)
    rules = {str(one.sqref): one.formula1 for one in sheet.data_validations.dataValidation}
    listed = rules[f"{letter}3:{letter}1002"]
    found = re.fullmatch(r"lists!\$([A-Z]+)\$1:\$[A-Z]+\$(\d+)", listed)
    assert found is not None
    assert "at least" in [book["lists"][f"{found[1]}{n}"].value for n in range(1, int(found[2]) + 1)]
    assert sheet.column_dimensions["B"].number_format == "@"


def test_headers_of_a_kind_are_distinct(kinds: dict[str, Kind]) -> None:
    """No two columns of a form have one header: a form without the machines' row is read the same."""
    for kind in kinds.values():
        headers = [one.header.casefold() for one in kind.columns]
        assert len(headers) == len(set(headers)), kind.slug
        assert all(kind.find(one.title) == one and kind.find(one.name) == one for one in kind.columns)


# --- as people get it wrong -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("2025-05", "45778", "bad-date", "2025-05-01"),
        ("2025-05", "May-25", "ambiguous-date", "write 2025-05"),
        ("2025-05", "05/2025", "bad-date", "write 2025-05"),
        ("Graustark | Concordia", '"Graustark, Concordia"', "several-names", "write Graustark | Concordia"),
        ("exact", "precisely", "unknown-name", "“exact”"),
        ("mediation *", "mediated talks", "unknown-kind", "first cell of the header"),
        (",A made-up institute.", ",", "missing-cell", "“description” is empty"),
        (",12,", ',"4,5",', "bad-number", "write 4.5"),
    ],
)
def test_usual_mistake_is_told_with_what_mends_it(
    old: str, new: str, code: str, said: str, plain: Published, kinds: dict[str, Kind]
) -> None:
    """One problem, and its message holds what to write; a lost block is missed once by who speaks of it."""
    problems = read_text(TABLE.replace(old, new, 1), plain, kinds).problems
    rest = ["unknown-name"] if code == "unknown-kind" else []
    assert [one.code for one in problems] == [code, *rest]
    assert said in str(problems[0])


def test_missing_copy_is_told_once(plain: Published, kinds: dict[str, Kind]) -> None:
    """Without the copy of a new document nothing is said of its passages and sections."""
    reading = read(TABLE.encode(), path=Path("t.csv"), published=plain, kinds=kinds)
    assert [one.code for one in reading.problems] == ["missing-copy"]


def test_copy_is_found_by_its_file_name_however_it_is_written(
    plain: Published, kinds: dict[str, Kind]
) -> None:
    """A folder, capitals and composed letters do not hide it."""
    name = "Bu\u0308cher/B\u00fccher \u00dcbersee.PDF"
    text = TABLE.replace("lantern-bay.txt", name)
    copies = {"Bu\u0308cher U\u0308bersee.pdf": COPY}
    reading = read(text.encode(), path=Path("t.csv"), published=plain, documents=copies, kinds=kinds)
    assert reading.problems == ()


@pytest.mark.parametrize("rows", ["", "name *,class *,description *\nA,state,Made up.\n"])
def test_table_that_says_nothing_is_told(rows: str, plain: Published, kinds: dict[str, Kind]) -> None:
    """A form without rows, or with names only, is no contribution."""
    problems = read_text(f"{write_csv([kinds['mediation']])}\n{rows}", plain, kinds).problems
    assert [one.code for one in problems] == ["no-rows"]


def test_windows_letter_is_named(plain: Published, kinds: dict[str, Kind]) -> None:
    """What Excel writes without being asked is told as that."""
    reading = read("name *\nCôte".encode("cp1252"), path=Path("t.csv"), published=plain, kinds=kinds)
    (problem,) = reading.problems
    assert problem.line == 2 and "Windows-1252 “ô”" in problem.message and "CSV UTF-8" in str(problem)


def test_doubtful_name_is_asked_once_and_noted(graph: Published) -> None:
    """The verdict keeps what was answered as a note; no answer leaves problems."""
    text = TABLE.replace("Graustark | Concordia", "Congo | Graustark").replace(
        "Concordia,state,A made-up state.\n", ""
    )
    asked = []

    def answer(question: Question) -> Candidate:
        asked.append(question.text)
        return next(one for one in question.candidates if one.iri.endswith("/dr-congo"))

    def verdict(answerer: Callable[[Question], Candidate | None]) -> TableVerdict:
        path = Path("t.csv")
        return judge_table(text.encode(), path=path, published=graph, documents=COPIES, answer=answerer)

    found = verdict(answer)
    assert asked == ["Congo"]
    notes = [one for one in found.verdict.problems if one.code == "answered"]
    assert [(one.cell, one.subject) for one in notes] == [("C10", names.ID + "dr-congo")]
    assert found.verdict.is_accepted, [str(one) for one in found.verdict.problems]
    assert any(str(one.object) == f"<{names.ID}dr-congo>" for one in found.verdict.quads)
    left = verdict(lambda _: None)
    assert not left.verdict.is_accepted and left.reading.questions


def test_verdict_of_a_table_is_in_plain_words(plain: Published) -> None:
    """Labels stand for names of machines, but where a name is to be copied; hints on RDF are left out."""
    text = TABLE.replace("Graustark | Concordia", "Graustark | Ruritania")
    found = judge_table(text.encode(), path=Path("t.csv"), published=plain, documents=COPIES)
    told = " ".join(str(one) for one in found.verdict.problems)
    assert not re.search(r"\b(lat|sh|xsd):|@en|\.ttl|\bIRI\b", told)
    written = "Found: lat:chairedBy of id:malta (“Malta”). Write Malta [id:malta]."
    assert plain_words(written, plain.prefixes, plain.find_label) == (
        "Found: “chaired by” of “Malta”. Write Malta [id:malta]."
    )


def test_sheets_do_not_mute_each_other(plain: Published, kinds: dict[str, Kind]) -> None:
    """Two problems at the same row and column of two sheets are both told, in the order of the sheets."""
    head = ["mediation *", "has mediator", "document *", "first words", "last words"]
    book = workbook(
        a=[head, ["One", "Maltta", "wef-2026", "x", "y"]], b=[head, ["Two", "Norwai", "wef-2026", "x", "y"]]
    )
    reading = read_book(book, plain, kinds)
    cells = [one.cell for one in reading.problems if one.code == "doubtful-name"]
    assert cells == ["a!B2", "b!B2"]
