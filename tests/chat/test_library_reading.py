"""A document as its readers see it: structure, pages, marks, parts; who answers for it, and what became of it."""

from __future__ import annotations

import time
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chat import reading, releases
from chat.corpus import loaders
from chat.corpus.ingest import ingest
from chat.corpus.loaders import Source
from chat.models import Collection, Document, DocumentVersion, Listing
from chat.reading import Mark, Page
from clinchat.lib import clock
from tests import cast
from tests.chat.conftest import DOCUMENTS, STARTER

TEXT = """# Heparin

## Dosing

### Adults

Give the bolus, then:

1. Start the infusion.
2. Check the aPTT.
   - In 6 hours.

| Weight | Bolus | Rate |
| --- | --- | --- |
| 50 kg | 4,000 units | 900 units/h |
| 80 kg | 6,400 units | 1,440 units/h |

## Reversal

Protamine reverses it.
It takes five minutes.
"""


def version(text: str, *, pages: tuple[int, ...] = (), markdown: bool = True) -> DocumentVersion:
    form = DocumentVersion.Format.MARKDOWN if markdown else DocumentVersion.Format.TEXT
    return DocumentVersion(title="Heparin", text=text, pages=list(pages), format=form)


def mark(text: str, first: str, last: str) -> Mark:
    return Mark(text.index(first), text.index(last) + len(last), "quote")


def runs(page: Page) -> list[reading.Run]:
    found: list[reading.Run] = []
    for block in page.blocks:
        cells = [cell for row in [block.head, *block.rows] for cell in row]
        found += [run for part in (block.runs, *(item.runs for item in block.items), *cells) for run in part]
    return found


def letters(*texts: str) -> list[str]:
    return sorted(c for text in texts for c in text if c.isalnum())


def test_headings_lists_and_tables_keep_their_shape() -> None:
    page = reading.page(version(TEXT))
    assert [(b.kind, b.level, b.text) for b in page.blocks if b.kind == "heading"] == [
        ("heading", 2, "Dosing"),
        ("heading", 3, "Adults"),
        ("heading", 2, "Reversal"),
    ], "a heading without words of its own stays, the one that repeats the title does not"
    (entries,) = [b for b in page.blocks if b.kind == "list"]
    assert [(i.number, i.depth, i.runs[0].text) for i in entries.items] == [
        ("1.", 0, "Start the infusion."),
        ("2.", 0, "Check the aPTT."),
        ("", 1, "In 6 hours."),
    ]
    (table,) = [b for b in page.blocks if b.kind == "table"]
    assert ["".join(r.text for r in cell) for cell in table.head] == ["Weight", "Bolus", "Rate"]
    assert ["".join(r.text for r in cell) for cell in table.rows[1]] == ["80 kg", "6,400 units", "1,440 units/h"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_letter_of_a_document_is_shown_once(name: str) -> None:
    (source,) = loaders.read(STARTER / name).sources
    read = version(source.text)
    read.title = source.title
    page = reading.page(read, marks=[Mark(100, 700, "quote")])
    numbers = [item.number for block in page.blocks for item in block.items]
    body = source.text.split("\n", 1)[1]  # the first heading repeats the title
    assert letters(*(run.text for run in runs(page)), *numbers) == letters(body)


def test_exact_words_are_marked_across_paragraphs_items_and_cells() -> None:
    page = reading.page(version(TEXT), marks=[mark(TEXT, "aPTT", "4,000 units")])
    marked = [run for run in runs(page) if run.marked]
    assert [run.text for run in marked] == [
        "aPTT.", "In 6 hours.", "Weight", "Bolus", "Rate", "50 kg", "4,000 units"
    ]  # fmt: skip
    assert [run.anchors for run in marked] == [("quote",), *[()] * 6], "the link leads to the first of them, once"


def test_a_title_is_shown_where_words_of_it_are_marked() -> None:
    page = reading.page(version(TEXT), marks=[Mark(2, 9, "quote")])
    assert [run.text for run in runs(page) if run.marked] == ["Heparin"]


def test_part_of_a_cell_is_marked_and_an_escaped_bar_is_a_bar() -> None:
    text = "| Drug | Note |\n| --- | --- |\n| A | one \\| two three |\n"
    page = reading.page(version(text), marks=[Mark(text.index("two"), text.index(" three"), "quote")])
    (table,) = page.blocks
    assert [(run.text, run.marked) for run in table.rows[0][1]] == [("one | ", False), ("two", True), (" three", False)]


def test_pages_of_the_source_are_headings_and_one_that_begins_inside_a_paragraph_is_named_there() -> None:
    text = "## One\n\nFirst page.\n\nBegins here and\nends on the next.\n\nThird.\n"
    starts = (0, text.index("ends"), text.index("Third"))
    page = reading.page(version(text, pages=starts))
    assert [b.page for b in page.blocks if b.kind == "page"] == [1, 3]
    assert [(run.text, run.page) for run in runs(page) if run.page] == [("ends on the next.", 2)]


def test_plain_text_has_its_paragraphs() -> None:
    page = reading.page(version("One # two\n\nThree", markdown=False))
    assert [(b.kind, b.text) for b in page.blocks] == [("paragraph", "One # two"), ("paragraph", "Three")]


# ── Long texts ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def long() -> DocumentVersion:
    """500 pages and a million characters."""
    pieces, starts = ["# Heparin\n\n"], list[int]()
    for number in range(1, 501):
        starts.append(sum(map(len, pieces)) if number < 3 else starts[-1] + len(pieces[-1]))
        section = f"## Section {number // 10 + 1}\n\n" if number % 10 == 0 else ""
        pieces.append(
            f"{section}Page {number} begins. " + "Words of it stand here. " * 85 + f"End of page {number}.\n\n"
        )
    return version("".join(pieces), pages=tuple(starts))


def test_a_long_text_is_shown_in_parts_that_hold_all_of_it_once(long: DocumentVersion) -> None:
    cut = reading.parts(long)
    assert len(long.text) > 1_000_000
    assert len(cut) > 20
    assert "".join(long.text[part.start : part.end] for part in cut) == long.text
    assert max(part.end - part.start for part in cut) <= reading.PART * 3 // 2
    shown = [run.text for part in cut for run in runs(reading.page(long, part=part.number))]
    assert letters(*shown) == letters(long.text.split("\n", 1)[1])


def test_a_link_into_a_long_text_opens_the_part_with_its_words(long: DocumentVersion) -> None:
    at = long.text.index("Page 321 begins.")
    began = time.process_time()
    page = reading.page(long, marks=[Mark(at, at + 16, "quote")])
    assert time.process_time() - began < 1
    assert [run.text for run in runs(page) if run.marked] == ["Page 321 begins."]
    assert page.part.start <= at < page.part.end
    assert page.part.label.startswith(f"Part {page.part.number} of {len(page.parts)}, pages ")
    assert page.previous
    assert page.next
    assert {entry.text for entry in page.contents} >= {"Section 2", "Section 51"}
    assert all(page.parts[e.part - 1].start <= int(e.anchor[2:]) < page.parts[e.part - 1].end for e in page.contents)


def test_a_text_without_any_break_is_cut_all_the_same() -> None:
    cut = reading.parts(version("x" * 200_000, markdown=False))
    assert [part.end - part.start for part in cut if part.end - part.start > reading.PART * 3 // 2] == []


# ── The page ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def protocol(db: None) -> Document:
    """A document of two versions, searched since two days ago and since now."""
    collection = Collection.objects.create(slug="protocols", name="Protocols")
    for text in ("# Heparin\n\nGive the bolus quickly.\n", TEXT):
        source = Source(external_id="heparin", title="Heparin", text=text, format="markdown", owner="Pharmacy")
        ingest(sources=[source], collection=collection)
        releases.embed_waiting()
        if not Listing.objects.exclude(until=None).exists():
            _earlier(timedelta(days=2))
    return Document.objects.get()


def _earlier(by: timedelta) -> None:
    for listing in Listing.objects.all():
        Listing.objects.filter(pk=listing.pk).update(since_at=listing.since_at - by)


def page(client: Client, address: str, **query: str | int) -> str:
    response = client.get(address, query)
    assert response.status_code == 200
    return unescape(response.content.decode()).split("<main")[1]


def test_it_says_who_answers_for_it_and_that_nobody_reviewed_it(alice: Client, protocol: Document) -> None:
    text = page(alice, protocol.get_absolute_url())
    assert "Loaded by an operator; no clinical review here." in text
    assert "<dt>Owner</dt><dd>Pharmacy</dd>" in text
    assert "Version 1" in text
    assert "Version 2" in text
    assert text.count('<th scope="col">') == 3, "a table is a table"


def test_a_reviewed_document_names_its_reviewer_and_an_overdue_one_says_so(alice: Client, protocol: Document) -> None:
    dora = cast.dora()
    DocumentVersion.objects.filter(status="published").update(
        decided_by=dora, decided_at=clock.now(), review_by=clock.now().date() - timedelta(days=1)
    )
    text = page(alice, protocol.get_absolute_url())
    assert f"Clinically reviewed by {dora.get_full_name()} on" in text
    assert "Review overdue" in text
    assert "Its review was due on" in text


def test_a_withdrawn_document_says_why_and_since_when(alice: Client, protocol: Document) -> None:
    releases.withdraw(documents=[protocol], reason="The dose table is wrong.", by=cast.dora())
    for query in ({}, {"v": 1}):
        text = page(alice, protocol.get_absolute_url(), **query)
        assert "Reason: The dose table is wrong." in text
        assert "Withdrawn on" in text


def test_a_past_version_says_what_became_of_it_whichever_is_current(alice: Client, protocol: Document) -> None:
    first, second = protocol.collection.releases.order_by("number")
    releases.roll_back(to=first, reason="Wrong dose.", by=cast.edith())
    assert "This is version 2. Another one replaced it on" in page(alice, protocol.get_absolute_url(), v=2)
    releases.withdraw(documents=[protocol], reason="Wrong as well.", by=cast.dora())
    releases.roll_back(to=second, reason="Right after all.", by=cast.edith(), withdrawn_too=True)
    assert "This is version 1. It was withdrawn on" in page(alice, protocol.get_absolute_url(), v=1)
    assert "This is version" not in page(alice, protocol.get_absolute_url())


def test_readers_see_no_way_to_change_it_and_editors_do(alice: Client, protocol: Document) -> None:
    edits = [reverse("library-readers", args=[protocol.pk]), reverse("library-withdraw", args=[protocol.pk])]
    edits += [f"{reverse('library-add')}?document={protocol.pk}", reverse("library-again", args=[protocol.pk])]
    for_alice = page(alice, protocol.get_absolute_url())
    for_edith = page(cast.sign_in(Client(), cast.edith()), protocol.get_absolute_url())
    assert not any(address in for_alice for address in edits)
    assert all(address in for_edith for address in edits)


def test_the_library_as_of_a_day_finds_what_was_searched_then_and_opens_it(alice: Client, protocol: Document) -> None:
    yesterday = (timezone.localdate() - timedelta(days=1)).isoformat()
    found = alice.post(reverse("library"), {"q": "bolus quickly", "on": yesterday})
    assert found.headers["Location"] == f"{reverse('library')}?q=bolus+quickly&on={yesterday}"
    text = page(alice, found.headers["Location"])
    assert "The library as it was at the end of" in text
    link = text.split(protocol.get_absolute_url())[1].split('"')[0]
    assert link.startswith("?v=1&start=")
    assert "Superseded" in page(alice, protocol.get_absolute_url() + link)
    assert "?v=2" in page(alice, reverse("library"), q="bolus")
    before = (timezone.localdate() - timedelta(days=9)).isoformat()
    assert "No document matches" in page(alice, reverse("library"), q="bolus", on=before)


@pytest.mark.parametrize(
    ("day", "words"),
    [("2999-01-01", "Choose a day that is not in the future."), ("soon", "Enter a date")],
    ids=["future", "no-date"],
)
def test_a_day_that_cannot_be_keeps_what_was_typed(alice: Client, protocol: Document, day: str, words: str) -> None:
    text = unescape(alice.post(reverse("library"), {"q": "bolus", "on": day}).content.decode())
    assert words in text
    assert 'value="bolus"' in text
    assert f'value="{day}"' in text
