"""Evidence: canonical words, anchoring, citing, passages found again, copies, coverage."""

from __future__ import annotations

import random
import re
import time
import unicodedata
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyoxigraph import RdfFormat, Store
from pypdf import PdfReader, PdfWriter

from kg.errors import BodyTooLargeError, DataError, MissingPartError, NotFoundError, UsageError
from kg.evidence import (
    Exceptions,
    Passage,
    Section,
    SourceRuns,
    Span,
    anchor,
    check_passages,
    cite,
    copies,
    coverage,
    digest,
    digest_file_text,
    load_claims,
    load_document,
    load_exceptions,
    load_passages,
    load_sections,
    read_copy,
    verify,
    words,
)
from kg.evidence.citing import locators
from kg.evidence.exceptions import NotFact
from kg.evidence.sections import locate_sections
from kg.evidence.sentences import split_sentences
from kg.names import DOCUMENT, PASSAGE, Prefixes, load_prefixes
from tests.pdf import write_pdf

ROOT = Path(__file__).parents[1]
DOCUMENTS = ROOT.parent / "shared" / "documents"

STORY = """The Otters of Brightwater

Otters keep the well-tended weirs of Brightwater, a river that runs for 28 leagues.¹ They share the fish
with herons, “the quiet ones,” and with the U.S. mink.² In 1990 the herons left; the otters stayed.

What the herons say

Herons keep a ledger of every trout. The ledger, they say, is fair.³ Nobody has read it 🦦 aloud since the
flood. Otters keep the well-tended weirs of Brightwater, and herons do not.

¹ Measured by Dr. Pike, vol. 4, p. 12.
"""


def make_passage(text: str, start: int, end: int, number: int = 1, document: str = "tale") -> Passage:
    """Describe a span as a passage, as `kg cite` would."""
    found = words(text[start:end])
    begin, stop = start + found[0].start, start + found[-1].end
    first, last = locators(text, Span(begin, stop))
    return Passage(
        iri=f"{PASSAGE}{document}/{number:04d}",
        document=DOCUMENT + document,
        start=begin,
        end=stop,
        first_words=first,
        last_words=last,
        digest=digest(found),
        word_count=len(found),
    )


def point(text: str, first: str, last: str, **choice: object) -> Passage:
    """Describe the span between some words as a passage."""
    span = anchor(text, first, last, **choice)  # type: ignore[arg-type]
    return make_passage(text, span.start, span.end)


def texts(text: str) -> list[str]:
    """List the canonical words of a text as strings."""
    return [one.text for one in words(text)]


# canon


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("The WEIR", "the weir"),
        ("ﬁsh and ﬂood", "fish and flood"),
        ("cafe\u0301", "café"),
        ("ot\u00adters", "otters"),
        ("wei-\n  rs", "weirs"),
        ("wei‐\r\nrs", "weirs"),
        ("wei\u00ad\nrs", "weirs"),
        ("wei-\n\nrs", "weirs"),
        ("the herons’ ledger", "the herons ledger"),
        ("herons aren’t", "herons aren't"),
        ("“quiet”—‘ones’", "quiet ones"),
        ("**bold** _trout_", "bold trout"),
        ("weirs.¹² Then²", "weirs then"),
        ("a\u00a0trout\u2028swims", "a trout swims"),
        ("１９９０", "1990"),
        ("Straße", "strasse"),
    ],
)
def test_words_agree_when_only_the_writing_differs(written: str, plain: str) -> None:
    """Canon 1 takes no notice of how a text is set."""
    assert texts(written) == plain.split()


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("Israel-\nHamas", "israel hamas"),
        ("2018-\n2019", "2018 2019"),
        ("co-facili-\n\nDespite", "co facili despite"),
        ("weirs.7 Then", "weirs 7 then"),
        ("well-kept", "well kept"),
    ],
)
def test_words_stay_apart_when_no_word_was_broken(written: str, plain: str) -> None:
    """A hyphen at a line's end joins only a small letter; a plain digit is a word."""
    assert texts(written) == plain.split()


def test_word_offsets_count_code_points_after_an_emoji() -> None:
    """An otter outside the basic plane counts as one, as in Python and RDF, not two as in JavaScript."""
    text = "🦦🦦 Otters"
    assert [(one.start, one.end) for one in words(text)] == [(3, 9)]
    assert len(text.encode("utf-16-le")) // 2 == 11


@given(st.text(max_size=200))
def test_word_offsets_hold_their_word_whatever_the_text(text: str) -> None:
    """Offsets are in order, in bounds, and the slice reads as the same word."""
    found = words(text)
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert [one.start for one in found] == sorted(one.start for one in found)


@given(st.text(alphabet="ab Zé'’-\n.²ﬁ\u00ad\u030127", max_size=60))
def test_words_stay_when_they_are_written_out_and_read_again(text: str) -> None:
    """The canonical form is its own canonical form."""
    once = " ".join(texts(text))
    assert " ".join(texts(once)) == once


# anchor


def test_anchor_finds_the_span_when_case_quotes_and_hyphens_differ() -> None:
    """White space, case, quotes, hyphens and note calls need not agree."""
    span = anchor(STORY, '"THE  quiet', "mink in 1990")
    assert STORY[span.start : span.end] == "the quiet ones,” and with the U.S. mink.² In 1990"


def test_anchor_takes_the_nearest_last_words_after_the_first() -> None:
    """Last words that stand earlier or further on do not count."""
    span = anchor(STORY, "in 1990", "otters")
    assert STORY[span.start : span.end] == "In 1990 the herons left; the otters"


def test_anchor_tells_the_nearest_place_when_words_are_missing() -> None:
    """The error names the text that comes nearest, its line and offset."""
    with pytest.raises(NotFoundError) as caught:
        anchor(STORY, "herons keep a legder", "trout")
    assert caught.value.fields["line"] == 8
    assert "Herons keep a ledger"[:12] in caught.value.fields["near"]


def test_anchor_lists_lines_and_choices_when_several_fit() -> None:
    """The error tells each hit's line and how to choose."""
    with pytest.raises(UsageError, match=r"1: line 3, 2: line 9.*nth.*section.*after") as caught:
        anchor(STORY, "Otters keep the", "Brightwater")
    assert caught.value.fields["lines"] == [3, 9]


@pytest.mark.parametrize("choice", [{"nth": 2}, {"after": "since the flood"}, {"within": Span(230, 500)}])
def test_anchor_chooses_when_told_which(choice: dict[str, object]) -> None:
    """nth, after and within each settle which hit is meant."""
    span = anchor(STORY, "Otters keep the", "Brightwater", **choice)  # type: ignore[arg-type]
    assert STORY.count("\n", 0, span.start) + 1 == 9


def test_anchor_refuses_when_the_passage_is_too_long() -> None:
    """Over 600 code points, the advice is to use several passages."""
    with pytest.raises(UsageError, match="several passages"):
        anchor("otter " + "swims " * 120 + "home", "otter", "home")


def test_anchor_refuses_when_last_words_stand_only_before() -> None:
    """First and last words the wrong way round are told with their lines."""
    with pytest.raises(NotFoundError, match="only before"):
        anchor(STORY, "What the herons say", "U.S. mink")


@pytest.mark.parametrize(("first", "nth"), [("—", None), ("Herons keep", 4)])
def test_anchor_refuses_when_the_choice_makes_no_sense(first: str, nth: int | None) -> None:
    """No word to look for, or a hit that is not there."""
    with pytest.raises(UsageError):
        anchor(STORY, first, "trout", nth=nth)


# citing

PREFIXES = Prefixes(
    {
        "document": DOCUMENT,
        "graph": "https://w3id.org/lateral/graph/",
        "lat": "https://w3id.org/lateral/ontology#",
        "oa": "http://www.w3.org/ns/oa#",
        "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
        "tale-passage": PASSAGE + "tale/",
        "tale-section": DOCUMENT + "tale/",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
    }
)
ENTITIES = """
graph:entities {
  document:tale a lat:SourceDocument ; rdfs:label "The tale"@en ; lat:referenceFile "tale.txt" ;
    lat:referenceDigest "sha256:00" ; lat:codePoints 500 .
  tale-section:otters a lat:Section ; rdfs:label "The Otters of Brightwater"@en .
  tale-section:herons a lat:Section ; rdfs:label "What the herons say"@en .
}
"""


def load_store(*blocks: str) -> Store:
    """Load TriG blocks into a new store."""
    store = Store()
    store.load((PREFIXES.header() + "".join(blocks)).encode(), format=RdfFormat.TRIG)
    return store


def test_cite_prints_a_block_that_reads_back_as_the_passage() -> None:
    """Write, read back, compare; the block is laid out as `kg format` does."""
    block = cite("tale", STORY, "They share", "quiet ones", prefixes=PREFIXES, section="otters", page="3")
    (passage,) = load_passages(load_store(block), "tale")
    assert check_passages([passage], STORY) == []
    assert (passage.section, passage.page) == (DOCUMENT + "tale/otters", "3")
    assert block.startswith("graph:passages {\n  tale-passage:0001 a lat:Passage ;\n")
    assert block.endswith("  }\n") or block.endswith("}\n")


def test_cite_proposes_the_next_number_and_the_section_when_the_dataset_is_given() -> None:
    """Numbers go on from the highest; the section is the heading before."""
    one = cite("tale", STORY, "They share", "quiet ones", prefixes=PREFIXES, number=41)
    store = load_store(ENTITIES, one)
    block = cite("tale", STORY, "Herons keep", "trout", prefixes=PREFIXES, store=store, footnote=2)
    assert "tale-passage:0042 a lat:Passage" in block
    assert "lat:inSection tale-section:herons" in block
    assert "lat:footnoteNumber 2" in block


def test_cite_uses_the_section_to_choose_when_several_fit() -> None:
    """The same words stand in both sections; the section tells which."""
    store = load_store(ENTITIES)
    block = cite(
        "tale", STORY, "Otters keep", "Brightwater", prefixes=PREFIXES, store=store, section="herons"
    )
    (passage,) = load_passages(load_store(block), "tale")
    assert passage.start > STORY.index("flood")


def test_cite_names_the_sections_when_one_is_not_known() -> None:
    """A slip in the section is answered with the known ones."""
    with pytest.raises(NotFoundError, match="Known: otters, herons"):
        cite(
            "tale", STORY, "Herons keep", "trout", prefixes=PREFIXES, store=load_store(ENTITIES), section="x"
        )


@given(st.data())
def test_locators_are_short_and_agree_with_the_text(data: st.DataObject) -> None:
    """At most four words each by either count, the very first and last, never all of a passage."""
    found = words(STORY)
    first = data.draw(st.integers(0, len(found) - 3))
    last = data.draw(st.integers(first + 2, len(found) - 1))
    passage = make_passage(STORY, found[first].start, found[last].end)
    assert [one for one in check_passages([passage], STORY) if "600" not in one.message] == []
    both = len(texts(passage.first_words)) + len(texts(passage.last_words))
    assert both < passage.word_count


def test_check_passages_tells_every_fault() -> None:
    """Bounds, length, words, digest, count: each is named."""
    good = point(STORY, "Herons keep", "trout")
    fields = {name: getattr(good, name) for name in Passage.__dataclass_fields__}
    bad = [
        Passage(**{**fields, **change})
        for change in (
            {"end": 99_999},
            {"digest": "sha256:00"},
            {"word_count": 3},
            {"first_words": "Otters"},
            {"last_words": "trout swims"},
            {"start": good.start - 1, "end": good.end + 601 - good.end + good.start},
            {"first_words": "Herons keep a ledger of"},
        )
    ]
    text = STORY + "x" * 700
    assert [bool(check_passages([one], text)) for one in bad] == [True] * len(bad)
    assert check_passages([good], text) == []


def test_load_claims_gives_the_claims_on_each_passage() -> None:
    """Claims of another document's passages stay out."""
    block = cite("tale", STORY, "Herons keep", "trout", prefixes=PREFIXES)
    records = (
        "graph:claims { <e:b> lat:evidence tale-passage:0001 . <e:a> lat:evidence tale-passage:0001 , <e:x> }"
    )
    assert load_claims(load_store(block, records), "tale") == {PASSAGE + "tale/0001": ["e:a", "e:b"]}


def test_load_document_reads_the_reference_record() -> None:
    """File, digest and length come from the name authority."""
    record = load_document(load_store(ENTITIES), "tale")
    assert (record.label, record.reference_file, record.code_points) == ("The tale", "tale.txt", 500)
    with pytest.raises(NotFoundError):
        load_document(load_store(ENTITIES), "other")


# passages found again

Change = Callable[[str], str]


def rewrap(text: str, width: int = 38) -> str:
    """Break lines elsewhere, paragraphs kept."""
    return "\n\n".join(_wrap(one, width) for one in text.split("\n\n"))


def _wrap(paragraph: str, width: int) -> str:
    lines = [""]
    for word in paragraph.split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def hyphenate(text: str) -> str:
    """Break long words over lines with a hyphen."""
    counter = iter(range(10**9))

    def break_word(found: re.Match[str]) -> str:
        return f"{found[1]}-\n{found[2]}" if next(counter) % 9 == 0 else found[0]

    return re.sub(r"\b([^\W\d_]{3,5})([a-z]{4,})\b", break_word, text)


def hyphenate_softly(text: str) -> str:
    """Put soft hyphens into long words."""
    return re.sub(r"\b([^\W\d_]{3})([a-z]{3})", "\\1\u00ad\\2", text)


def ligate(text: str) -> str:
    """Set fi, fl and ff as one letter."""
    for plain, set_ in (("ffi", "ﬃ"), ("fi", "ﬁ"), ("fl", "ﬂ"), ("ff", "ﬀ")):
        text = text.replace(plain, set_)
    return text


def remove_notes(text: str) -> str:
    """Take superscript note calls out."""
    return re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹]+", "", text)


def flatten_notes(text: str) -> str:
    """Turn superscript note calls into plain digits, glued where they stand."""
    return re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda found: unicodedata.normalize("NFKC", found.group()), text)


def straighten(text: str) -> str:
    """Make curly quotes straight."""
    return text.translate(str.maketrans("“”‘’", "\"\"''"))


def insert_headers(text: str) -> str:
    """Put a running header between lines, every so often."""
    lines = text.split("\n")
    pages = ["\n".join(lines[at : at + 37]) for at in range(0, len(lines), 37)]
    return "\n12\nA Tale of Two Rivers\n".join(pages)


def paginate(text: str) -> str:
    """Set the text in short lines, with running headers."""
    return insert_headers(rewrap(text, 90))


CHANGES: dict[str, Change] = {
    "as it is": lambda text: text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "NFD": lambda text: unicodedata.normalize("NFD", text),
    "straight quotes": straighten,
    "curly apostrophes": lambda text: text.replace("'", "’"),
    "no-break spaces": lambda text: text.replace(" a ", " a\u00a0"),
    "wide spaces": lambda text: text.replace(" ", "  "),
    "rewrapped": rewrap,
    "hyphenated": hyphenate,
    "soft hyphens": hyphenate_softly,
    "ligatures": ligate,
    "notes removed": remove_notes,
    "notes as digits": flatten_notes,
    "emphasis": lambda text: re.sub(r"(?<![\w’'])([a-z]{7})(?![\w’'])", r"**\1**", text),
    "no emphasis": lambda text: text.replace("*", ""),
    "paragraph inserted": lambda text: "A preface of my own, quite new.\n\n" + text,
    "upper case": str.upper,
}


@pytest.mark.parametrize("name", CHANGES)
def test_verify_finds_every_passage_when_the_copy_is_set_otherwise(name: str) -> None:
    """Each way of setting the text leaves every passage where its words are."""
    passages = [
        point(STORY, "They share the", "U.S. mink"),
        point(STORY, "the fish", "the otters stayed"),
        point(STORY, "Nobody has read", "since the flood"),
    ]
    copy = CHANGES[name](STORY)
    for finding in verify(passages, copy):
        assert finding.outcome in ("exact", "moved")
        assert finding.start is not None and finding.end is not None


def test_verify_says_exact_when_the_copy_is_the_reference() -> None:
    """With the file's digest, offsets alone count."""
    passage = point(STORY, "They share the", "U.S. mink")
    (found,) = verify([passage], STORY, exact_digest=digest_file_text(STORY))
    assert (found.outcome, found.start, found.end) == ("exact", passage.start, passage.end)
    shifted = make_passage("x" + STORY, passage.start + 1, passage.end + 1)
    assert verify([shifted], STORY, exact_digest=digest_file_text(STORY))[0].outcome == "missing"


def test_verify_says_ambiguous_and_takes_the_nearest_when_words_recur() -> None:
    """Two places fit; the one nearest to where it should be is given, the other listed."""
    both = [point(STORY, "Otters keep the", "Brightwater", nth=nth) for nth in (1, 2)]
    first, second = verify(both, "New.\n\n" + STORY)
    assert (first.outcome, second.outcome) == ("ambiguous", "ambiguous")
    assert first.start == both[0].start + 6 and second.start == both[1].start + 6
    assert first.others == (Span(both[1].start + 6, both[1].end + 6),)


def test_verify_leaves_out_lines_between_when_a_header_cuts_the_passage() -> None:
    """Whole lines in between do not count, even where they break a word."""
    copy = STORY.replace("with herons", "with hero-\n12\nA Tale of Two Rivers\nns")
    (found,) = verify([point(STORY, "They share the", "U.S. mink")], copy)
    assert (found.outcome, found.note) == ("moved", "lines between left out")
    cut = STORY.replace("the fish\nwith herons", "the fish\nA Tale of Two Rivers\nwith herons")
    (found,) = verify([point(STORY, "They share the", "U.S. mink")], cut)
    assert (found.outcome, found.note) == ("moved", "lines between left out")


def test_verify_says_missing_when_words_stand_between_on_the_same_line() -> None:
    """Words put into a line are no running header."""
    copy = STORY.replace("share the fish", "share all of the fish")
    assert verify([point(STORY, "They share the", "U.S. mink")], copy)[0].outcome == "missing"


def test_verify_says_missing_when_a_number_of_the_text_differs() -> None:
    """A figure is no note number: neither another nor none will do."""
    passage = point(STORY, "a river that", "28 leagues")
    wider = point(STORY, "a river that", "They share")
    for other in ("29", "", "280"):
        copy = STORY.replace("for 28 leagues", f"for {other} leagues")
        assert [one.outcome for one in verify([passage, wider], copy)] == ["missing", "missing"]


def test_verify_finds_a_plain_note_number_when_the_copy_has_it_raised_or_not_at_all() -> None:
    """Where the reference itself lost a superscript, the number is a word of the passage."""
    reference = "Otters swim in states.8 While herons fly, otters stay at home."
    passage = point(reference, "otters swim", "home")
    for call in ("⁸", "", "8"):
        copy = "New. Otters swim in states." + call + " While herons fly, otters stay at home."
        assert verify([passage], copy)[0].outcome == "moved"
    assert (
        verify([passage], "Otters swim in states. While herons fly, otters go home.")[0].outcome == "missing"
    )


def test_verify_gives_up_in_time_when_the_copy_is_another_text() -> None:
    """A text of like words but other order holds nothing, and that is found out fast."""
    prose = write_prose(random.Random(1), 60)
    passages = cut_passages(prose, random.Random(2), 200)
    began = time.perf_counter()
    outcomes = {one.outcome for one in verify(passages, write_prose(random.Random(3), 60))}
    assert outcomes == {"missing"}
    assert time.perf_counter() - began < 20


# properties: own prose, changed at random

VOCABULARY_LIST = (
    "otter heron trout river bank ledger flood weir reed mink pike quiet bright office float affix "
    "fisher council café naïve Brightwater Ångström delta gather measure report seventy keeper "
    "brook’s the of and a in with which well-kept half-drowned river-bound 28 1990 night"
)
VOCABULARY = VOCABULARY_LIST.split()


def write_prose(rng: random.Random, sentences: int) -> str:
    """Write sentences of random words: quotes, hyphens, numbers and note calls among them."""
    pieces = []
    for number in range(sentences):
        chosen = [rng.choice(VOCABULARY) for _ in range(rng.randint(5, 25))]
        chosen[0] = rng.choice(VOCABULARY[:24]).capitalize()
        if rng.random() < 0.3:
            chosen[2] = f"“{chosen[2]}”"
        note = (
            str(number + 1).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")) if rng.random() < 0.3 else ""
        )
        pieces.append(" ".join(chosen) + "." + note + rng.choice([" ", " ", "\n\n"]))
    return "".join(pieces).strip() + "\n"


def cut_passages(text: str, rng: random.Random, count: int) -> list[Passage]:
    """Choose passages of random length at random places."""
    found = words(text)
    made = []
    for number in range(count):
        size = rng.randint(6, 40)
        at = rng.randrange(len(found) - size)
        passage = make_passage(text, found[at].start, found[at + size - 1].end, number)
        if passage.end - passage.start <= 600:
            made.append(passage)
    return made


COMPOSABLE = [name for name in CHANGES if name != "as it is"]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), names=st.lists(st.sampled_from(COMPOSABLE), max_size=4, unique=True))
def test_verify_finds_the_same_words_whatever_the_setting(seed: int, names: list[str]) -> None:
    """Random prose, random passages, random changes one upon another: the words found are the passage's."""
    rng = random.Random(seed)
    prose = write_prose(rng, 14)
    passages = cut_passages(prose, rng, 6)
    copy = prose
    for name in names:
        copy = CHANGES[name](copy)
    for passage, finding in zip(passages, verify(passages, copy), strict=True):
        assert finding.outcome != "missing"
        assert finding.start is not None and finding.end is not None
        if not finding.note:
            assert digest(words(copy[finding.start : finding.end])) == passage.digest


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), names=st.lists(st.sampled_from(COMPOSABLE), max_size=3, unique=True))
def test_verify_says_missing_when_one_word_was_changed(seed: int, names: list[str]) -> None:
    """A single other word inside, in any setting, and the passage is not there."""
    rng = random.Random(seed)
    prose = write_prose(rng, 14)
    (passage, *_) = cut_passages(prose, rng, 6)
    inside = words(prose[passage.start : passage.end])
    victim = rng.choice(inside)
    start, end = passage.start + victim.start, passage.start + victim.end
    copy = prose[:start] + "zebra" + prose[end:]
    for name in names:
        copy = CHANGES[name](copy)
    assert verify([passage], copy)[0].outcome == "missing"


def test_verify_finds_a_thousand_passages_in_seconds() -> None:
    """1,000 passages, a text of 70 kB; a header after the first or before the last word may hide one."""
    prose = write_prose(random.Random(5), 750)
    assert len(prose.encode()) > 65_000
    passages = cut_passages(prose, random.Random(6), 1_000)
    copy = insert_headers(rewrap(prose, 80))
    began = time.process_time()
    findings = verify(passages, copy)
    took = time.process_time() - began
    missing = sum(one.outcome == "missing" for one in findings)
    assert missing <= 0.02 * len(passages)
    assert took < 10  # measured: under 3 s of CPU; a quadratic search takes minutes


REAL = sorted(DOCUMENTS.glob("*.txt"))


@pytest.mark.skipif(not REAL, reason="the source documents are not beside the project (../shared)")
@pytest.mark.parametrize("name", [*CHANGES, "running headers"])
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_verify_finds_passages_of_the_real_documents_in_changed_copies(path: Path, name: str) -> None:
    """Every sentence of both documents that may be a passage is found again in each changed copy."""
    text = read_copy(path)
    spans = [one for one in split_sentences(text) if one.end - one.start <= 600]
    passages = [
        make_passage(text, one.start, one.end, at)
        for at, one in enumerate(spans)
        if words(text[one.start : one.end])
    ]
    change = CHANGES.get(name, paginate)
    findings = verify(passages, change(text), code_points=len(text))
    missing = [text[one.passage.start : one.passage.end] for one in findings if one.outcome == "missing"]
    assert len(missing) <= 0.02 * len(passages) if name == "running headers" else missing == []


# copies


def test_read_copy_keeps_line_ends_when_the_copy_is_plain_text(tmp_path: Path) -> None:
    """Offsets count the file as it is on disk."""
    path = tmp_path / "tale.txt"
    path.write_bytes("One\r\ntwo\rthree 🦦\n".encode())
    assert read_copy(path) == "One\r\ntwo\rthree 🦦\n"


PAGE = """<!DOCTYPE html><html><head><title>No</title><meta charset="{charset}">
<style>p {{ }}</style></head>
<body><h1>The Otters of Brightwater</h1><p>Otters keep the <em>well-tended</em> weirs of Brightwater, a river
that runs for 28 leagues.<sup><a href="#n1">1</a></sup> They share the fish<br>with herons, &ldquo;the quiet
ones,&rdquo; and with the U.S. mink.<sup>[2]</sup> In 1990 the herons left; the otters stayed.
<script>var x = "<p>no</p>";</script>
<ul><li>One<li>Two &amp; caf\u00e9</ul><svg><text>no</text></svg></body></html>"""


@pytest.mark.parametrize("charset", ["utf-8", "windows-1252", "utf-16"])
def test_read_copy_reads_html_so_that_passages_are_found(tmp_path: Path, charset: str) -> None:
    """Blocks are lines, scripts are not text, note calls are superscripts, entities and charset are read."""
    path = tmp_path / "tale.html"
    path.write_bytes(PAGE.format(charset=charset).encode(charset))
    text = read_copy(path)
    assert "no" not in texts(text) and "café" in texts(text)
    assert "leagues.¹ They share the fish\nwith" in text
    passages = [point(STORY, "They share the", "U.S. mink"), point(STORY, "the fish", "the otters stayed")]
    assert {one.outcome for one in verify(passages, text)} == {"moved"}


def test_read_copy_reads_a_pdf_so_that_passages_are_found(tmp_path: Path) -> None:
    """Lines broken with a hyphen and note calls in plain digits do not hide a passage."""
    path = tmp_path / "tale.pdf"
    lines = ["Otters keep the well-tended weirs of Bright-", "water, a river that runs for 28 leagues.1 They"]
    write_pdf(path, [*lines, "share the fish with herons."])
    (found,) = verify([point(STORY, "weirs of", "the fish")], read_copy(path))
    assert (found.outcome, found.note) == ("moved", "note numbers or hyphens differ")


def test_read_copy_says_what_to_do_when_a_pdf_is_locked_scanned_or_broken(tmp_path: Path) -> None:
    """A password, a picture of a page, a file that is no PDF: each has its own advice."""
    write_pdf(tmp_path / "open.pdf", ["Otters"])
    locked = PdfWriter(clone_from=PdfReader(tmp_path / "open.pdf"))
    locked.encrypt("secret", algorithm="RC4-128")
    locked.write(tmp_path / "locked.pdf")
    write_pdf(tmp_path / "scanned.pdf", [])
    (tmp_path / "broken.pdf").write_bytes(b"not a pdf at all")
    for name, advice in (("locked", "password"), ("scanned", "text recognition"), ("broken", "not a PDF")):
        with pytest.raises(UsageError, match=advice):
            read_copy(tmp_path / f"{name}.pdf")


def test_read_copy_refuses_when_the_file_is_not_there_too_large_or_of_no_known_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each refusal names what was expected."""
    path = tmp_path / "tale.docx"
    path.write_bytes(b"otter")
    latin = tmp_path / "tale.txt"
    latin.write_bytes("café".encode("latin-1"))
    with pytest.raises(MissingPartError, match="not there"):
        read_copy(tmp_path / "none.txt")
    with pytest.raises(UsageError, match=r"\.pdf"):
        read_copy(path)
    with pytest.raises(UsageError, match="UTF-8"):
        read_copy(latin)
    monkeypatch.setattr(copies, "MAX_FILE_BYTES", 3)
    with pytest.raises(BodyTooLargeError, match="at most 3"):
        read_copy(latin)


# sections, sentences, coverage


def test_locate_sections_takes_the_heading_and_not_the_table_of_contents() -> None:
    """Whole lines before parts of lines, the last of several."""
    text = "Weirs1\nHerons\n\nWeirs\nThey hold. Herons\n\nHerons\nThey fly."
    found = locate_sections(text, [("h", "Herons"), ("w", "Weirs"), ("x", "Not there")])
    assert [(one.iri, text[one.heading.start : one.end][:9]) for one in found] == [
        ("w", "Weirs\nThe"),
        ("h", "Herons\nTh"),
    ]


def test_load_sections_reads_the_headings_of_one_document() -> None:
    """Sections come from the name authority, in text order."""
    found = load_sections(load_store(ENTITIES), "tale", STORY)
    assert [one.iri.rpartition("/")[2] for one in found] == ["otters", "herons"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Mr. Otter met St. Heron vs. Rev. Pike in the U.S. Senate.", 1),
        ("It rose to 1.5 degrees. It fell.", 2),
        ('He said "no." Then he left.', 2),
        ("They left.¹² Others stayed.7 Some slept.", 3),
        ("See p. 4, vol. 2, no. 3, paras. 5 of A. B. Heron et al. There.", 1),
        ("1. Swim first.\n2. Then rest.", 2),
        ("• one thing\n• another thing", 2),
        ("Heading\n\nA sentence that\ngoes on here.", 2),
        ("Otters swim... and rest. Why? Because!", 3),
        ("¹ A note.\n² Another note.", 2),
    ],
)
def test_split_sentences_counts_what_a_reader_would(text: str, count: int) -> None:
    """Abbreviations, decimals, notes, items and headings are told from ends of sentences."""
    assert len(split_sentences(text)) == count


@given(st.text(alphabet='aB. ?!\n²"”’1•', max_size=80))
def test_split_sentences_keeps_every_letter_in_order(text: str) -> None:
    """No word falls between sentences, none stands in two."""
    found = split_sentences(text)
    assert all(one.end <= two.start for one, two in pairwise(found))
    kept = "".join(text[one.start : one.end] for one in found)
    assert [one for one in kept if one.isalpha()] == [one for one in text if one.isalpha()]


SECTIONS = locate_sections(
    STORY, [("s:otters", "The Otters of Brightwater"), ("s:herons", "What the herons say")]
)


def test_coverage_counts_by_section_when_passages_hold_half_of_a_sentence() -> None:
    """Half of the words cover, a name in passing does not; headings need no claim."""
    passages = [point(STORY, "They share the", "the quiet ones"), point(STORY, "Herons keep", "Herons keep")]
    found = coverage(STORY, passages, sections=SECTIONS)
    assert found.counts() == {
        "The Otters of Brightwater": {"covered": 1, "uncovered": 2, "excepted": 1},
        "What the herons say": {"covered": 0, "uncovered": 5, "excepted": 1},
    }
    assert [one.reason for one in found.sentences if one.status == "excepted"] == ["heading", "heading"]
    assert [round(one.share, 2) for one in found.sentences if one.share] == [0.6, 0.29]


def test_coverage_covers_when_only_function_words_are_left_out() -> None:
    """A sentence of padding is covered once its content words are."""
    text = "And so it is that they all were there with the otters."
    assert coverage(text, [point(text, "otters", "otters")]).totals()["covered"] == 1


def test_coverage_excuses_what_the_exceptions_name() -> None:
    """An exception takes its sentence out of what is still to do."""
    excuse = Exceptions(reasons={"source": "a note"}, entries=(NotFact("Measured by", "p. 12", "source"),))
    found = coverage(STORY, [], excuse)
    assert found.totals()["excepted"] == 1 and found.problems == ()
    assert found.sentences[-1].reason == "source"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (NotFact("Measured by Dr. Perch", "p. 12", "source", line=4), "does not anchor"),
        (NotFact("They share", "U.S. mink", "source", line=4), "what a passage covers"),
        (NotFact("fish", "fish", "source", line=4), "excuses no sentence"),
    ],
)
def test_coverage_tells_when_an_exception_is_stale(entry: NotFact, message: str) -> None:
    """An exception that no longer anchors, is covered, or excuses nothing is a problem at its line."""
    passages = [point(STORY, "They share the", "U.S. mink")]
    found = coverage(STORY, passages, Exceptions(Path("not-facts.yaml"), {"source": ""}, (entry,)))
    (problem,) = found.problems
    assert message in problem.message and problem.line == 4


def test_coverage_json_never_holds_a_run_of_the_text() -> None:
    """Places and at most four words a sentence."""
    found = coverage(STORY, [point(STORY, "They share the", "U.S. mink")], sections=SECTIONS)
    values = found.as_json()
    assert values["totals"] == found.totals() and len(values["sentences"]) == len(found.sentences)
    assert SourceRuns([STORY], length=6).find_runs(str(values)) == []


def test_coverage_page_shows_all_of_the_text_with_claims_in_the_margin() -> None:
    """Every word is there, tinted; nothing is fetched or run; light and dark."""
    passage = point(STORY, "They share the", "U.S. mink")
    found = coverage(STORY, [passage], sections=SECTIONS)
    page = found.as_html(
        STORY, title="A <tale>", claims={passage.iri: ["https://w3id.org/lateral/claim/tale/0009"]}
    )
    assert "A &lt;tale&gt;" in page and ">0009<" in page
    assert 'class="covered"' in page and "prefers-color-scheme: dark" in page
    assert not re.search(r"<script|src=|href=|url\(|@import|https?:", page)
    shown = copies.read_html(page[page.index("</table>") :])
    assert [one for one in texts(shown) if one != "0009"] == texts(STORY)


GOOD_FILE = """reasons:
  furniture: links and credits
exceptions:
  - {first: Measured by, last: p. 12, reason: furniture}
  - {first: What the herons, last: say, reason: furniture, nth: 1, after: stayed}
"""


def test_load_exceptions_keeps_reasons_and_lines(tmp_path: Path) -> None:
    """Write, read back, compare."""
    path = tmp_path / "not-facts.yaml"
    path.write_text(GOOD_FILE, encoding="utf-8")
    found = load_exceptions(path)
    assert found.reasons == {"furniture": "links and credits"}
    assert found.entries == (
        NotFact("Measured by", "p. 12", "furniture", line=4),
        NotFact("What the herons", "say", "furniture", "stayed", 1, 5),
    )
    assert found.locate(STORY)[1] == []


def test_load_exceptions_tells_everything_at_once_when_the_file_is_wrong(tmp_path: Path) -> None:
    """Unknown reason and key, missing first, too many words, a bad number: each at its line."""
    path = tmp_path / "not-facts.yaml"
    path.write_text(
        "reasons: {lost: torn}\nexceptions:\n- {first: a, reason: dull}\n- {last: b, reason: lost}\n"
        "- {first: one two three four five six, reason: lost}\n- {first: a, reason: lost, nth: x}\n"
        "- {first: a, reason: lost, why: so}\n- [a]\n",
        encoding="utf-8",
    )
    with pytest.raises(DataError) as caught:
        load_exceptions(path)
    assert sorted({one.line for one in caught.value.problems if one.line}) == [3, 4, 5, 6, 7, 8]
    path.write_text("reasons: [", encoding="utf-8")
    with pytest.raises(DataError, match="not YAML"):
        load_exceptions(path)
    with pytest.raises(MissingPartError):
        load_exceptions(tmp_path / "none.yaml")


def test_source_runs_find_a_sentence_however_it_is_set() -> None:
    """Twelve words in a row are found over lines, in other case and quotes; eleven are not."""
    runs = SourceRuns([STORY])
    sentence = "they share the fish with herons the quiet ones and with the"
    assert [one.line for one in runs.find_runs("a\n" + sentence.upper())] == [2]
    assert runs.find_runs(sentence.replace("fish", "trout")) == []


def test_prefixes_of_the_project_write_the_shortest_block() -> None:
    """With the project's own prefix map, only the selector is written whole."""
    prefixes = load_prefixes(ROOT / "ontology" / "prefixes.ttl")
    block = cite("wef-2026", STORY, "Herons keep", "trout", prefixes=prefixes, section="the-g20")
    assert block.splitlines()[1] == "  wef-passage:0001 a lat:Passage ;"
    assert set(re.findall("<(.*?)>", block)) == {PASSAGE + "wef-2026/0001#selector"}


def test_section_spans_run_from_heading_to_heading() -> None:
    """A section holds its heading and ends where the next begins."""
    first, second = SECTIONS
    assert isinstance(first, Section)
    assert (first.span.start, first.end, second.end) == (0, second.heading.start, len(STORY))
