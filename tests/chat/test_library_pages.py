"""The library: searching it, reading a document, seeing the quoted words marked."""

from __future__ import annotations

from html import unescape
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import reverse

from chat import releases
from chat.corpus.ingest import ingest
from chat.corpus.loaders import Source
from chat.models import Citation, Collection, Document, DocumentVersion
from chat.pipeline.record import best_of_each
from chat.pipeline.types import Passage
from chat.reading import snippet
from compliance.models import AuditEvent
from tests import cast
from tests.chat.making import answered


def page(client: Client, address: str, **query: str | int) -> str:
    response = client.get(address, query)
    assert response.status_code == 200
    return unescape(response.content.decode())


def test_words_find_documents(alice: Client, library: Collection) -> None:
    text = page(alice, reverse("library"), q="iodinated contrast")
    assert "Metformin" in text
    assert "?v=1&start=" in text


@pytest.mark.parametrize("query", ["", "   ", "zzzzqq", "%_'\"<script>", "x" * 1000, "\x00"])
def test_any_search_text_gets_a_page(alice: Client, library: Collection, query: str) -> None:
    assert "<script>" not in alice.get(reverse("library"), {"q": query}).content.decode().split("</head>")[1]


def test_a_citation_opens_its_exact_words(alice: Client, library: Collection) -> None:
    turn = answered(author=cast.alice())
    for citation in Citation.objects.filter(turn=turn):
        path, _, fragment = citation.get_absolute_url().partition("#")
        text = page(alice, path)
        assert fragment == "quote"
        assert 'id="quote"' in text
        marked = "".join(text.split("<mark")[1:]).split("</mark>")[0].split(">", 1)[1]
        assert " ".join(marked.split()) == " ".join(citation.quote.split())


def test_a_superseded_version_still_opens_where_it_was_cited(alice: Client, library: Collection) -> None:
    document = Document.objects.get(external_id="starter-warfarin")
    old = document.versions.get()
    ingest(
        sources=[Source(external_id="starter-warfarin", title="Warfarin", text="New words.", format="markdown")],
        collection=library,
    )
    releases.embed_waiting()
    assert "New words." in page(alice, document.get_absolute_url())
    text = page(alice, document.get_absolute_url(), v=old.number)
    assert "vitamin K antagonist" in text
    assert "Superseded" in text


@pytest.mark.parametrize(
    "query",
    [{"v": "x"}, {"start": "-1", "end": "5"}, {"start": "5", "end": "2"}, {"start": "1", "end": "999999999"},
     {"v": "1", "start": "\u0661", "end": "\u0662"}, {"start": "9" * 400, "end": "1"}],
)  # fmt: skip
def test_a_mangled_link_still_opens_the_document(alice: Client, library: Collection, query: dict[str, str]) -> None:
    document = Document.objects.get(external_id="starter-metformin")
    assert "Metformin" in page(alice, document.get_absolute_url(), **query)


def test_drafts_and_unknown_versions_are_not_found(alice: Client, library: Collection) -> None:
    document = Document.objects.get(external_id="starter-metformin")
    DocumentVersion.objects.create(document=document, number=2, text="Secret draft", sha256="")
    assert alice.get(document.get_absolute_url(), {"v": 2}).status_code == 404
    assert alice.get(document.get_absolute_url(), {"v": 7}).status_code == 404


def test_a_collection_for_other_roles_does_not_exist_for_this_one(alice: Client, library: Collection) -> None:
    Collection.objects.filter(pk=library.pk).update(readers=["auditor"])
    document = Document.objects.get(external_id="starter-warfarin")
    assert alice.get(document.get_absolute_url()).status_code == 404, f"document {document.pk} leaked to alice"
    assert "Warfarin" not in page(alice, reverse("library"), q="warfarin").split("<main")[1].replace("warfarin", "")
    audra = cast.sign_in(Client(), cast.audra())
    assert "Warfarin" in page(audra, document.get_absolute_url())


def test_reading_a_document_is_on_record(alice: Client, library: Collection) -> None:
    document = Document.objects.get(external_id="starter-warfarin")
    page(alice, document.get_absolute_url())
    event = AuditEvent.objects.get(object_type="chat.Document", object_id=str(document.pk), action="R")
    assert event.actor_id == cast.alice().pk


def test_the_starter_set_says_what_it_is(alice: Client, library: Collection) -> None:
    document = Document.objects.get(external_id="starter-warfarin")
    assert "Starter set" in page(alice, document.get_absolute_url())


def test_snippets_leave_out_markers_and_attributions() -> None:
    assert snippet("- First.\n- Second.\n\nSource: A label.") == "First. Second."
    assert snippet("word " * 200).endswith("…")
    assert snippet("Source: A label.") == "Source: A label."


def test_documents_come_in_the_order_of_their_best_passages() -> None:
    first, second = uuid4(), uuid4()
    passages = [found(first, "a1"), found(second, "b1"), found(first, "a2")]
    assert [p.text for p in best_of_each(passages)] == ["a1", "b1"]


def found(document: UUID, text: str) -> Passage:
    return Passage(1, uuid4(), 1, document, "x", "Title", "article", "", text, 0, (), "", 0.5, 1.0, 0.5, 0.1)
