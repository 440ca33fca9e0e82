"""A document an answer rests on is replaced or withdrawn: who saw the answer is told, and the answer says so."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from chat import changed_sources, presentation, releases
from chat.models import Collection, Document, DocumentVersion, Release, Turn
from chat.presentation import ending_events
from clinchat.lib import clock
from compliance.access import emergency
from compliance.models import BreakGlass, Notice, User
from tests import cast
from tests.chat import shelf
from tests.chat.shelf import current, load, quoting, source

pytestmark = pytest.mark.django_db

DOSE = "Give two tablets a day."
OTHER = "Check the kidneys first."


@pytest.fixture
def collection() -> Collection:
    made = shelf.collection()
    load(made, source(f"{DOSE} {OTHER}"))
    return made


def told(user: User) -> Notice:
    return Notice.objects.get(user=user)


def withdraw(*numbers: int) -> None:
    documents = Document.objects.filter(external_id__in=[f"doc-{n}" for n in numbers])
    releases.withdraw(documents=documents, reason="Recalled", by=cast.dora())


def shown(turn: Turn) -> list[changed_sources.Change]:
    return presentation.view(Turn.objects.get(pk=turn.pk), entities=()).changes


def test_the_author_is_told_once_where_the_words_still_stand(collection: Collection) -> None:
    author = cast.alice()
    turn = quoting(author, (current(), DOSE), (current(), OTHER))
    load(collection, source(f"{DOSE} {OTHER} Not in pregnancy."))
    notice = told(author)
    assert notice.text == (
        "“Title 1” was replaced by another version. 1 answer you have seen rests on it. "
        "The quoted words are unchanged in the current version."
    )
    assert notice.level == Notice.Level.INFO
    assert notice.url == f"/ask/{turn.conversation_id}/#turn-1"
    assert not Notice.objects.exclude(user=author).exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Give three tablets a day. Check the liver first.", "The quoted words are no longer in the current version."),
        (f"{DOSE} Check the liver first.", "Some of the quoted words are no longer in the current version."),
        ("Give two\n   tablets a day.  Check the\nkidneys first. Twice.", "The quoted words are unchanged in the"),
    ],
    ids=["gone", "some", "only wrapped anew"],
)
def test_whether_the_quoted_words_still_stand_is_said(collection: Collection, text: str, words: str) -> None:
    turn = quoting(cast.alice(), (current(), DOSE), (current(), OTHER))
    load(collection, source(text))
    assert words in told(cast.alice()).text
    (change,) = shown(turn)
    assert words in change.text


def test_a_withdrawal_warns(collection: Collection) -> None:
    turn = quoting(cast.alice(), (current(), DOSE))
    withdraw(1)
    notice = told(cast.alice())
    assert notice.level == Notice.Level.WARNING
    assert notice.text == "“Title 1” was withdrawn: do not rely on it. 1 answer you have seen rests on it."
    (change,) = shown(turn)
    assert change.withdrawn
    assert change.url == ""
    assert re.fullmatch(r"“Title 1” was withdrawn on \w{3} \d+, \d{4}\. Do not rely on it\.", change.text)


def test_a_withdrawal_also_reaches_who_saw_an_earlier_version(collection: Collection) -> None:
    turn = quoting(cast.alice(), (current(), DOSE))
    load(collection, source(f"{DOSE} Not in pregnancy."))
    Notice.objects.all().delete()
    withdraw(1)
    assert told(cast.alice()).level == Notice.Level.WARNING
    (change,) = shown(turn)
    assert change.withdrawn, "the version was only superseded, the document is gone"


def test_who_opened_the_conversation_in_an_emergency_is_told(collection: Collection) -> None:
    alice, bob, dora = cast.alice(), cast.verified(cast.bob()), cast.verified(cast.dora())
    early = quoting(alice, (current(), DOSE), n=0).conversation
    emergency.take(user=dora, what=str(early.pk), reason="Needed on the ward")
    long_ago = clock.now() - timedelta(hours=3)
    BreakGlass.objects.filter(user=dora).update(
        started_at=long_ago, ends_at=long_ago + timedelta(hours=1), review_due_at=long_ago + timedelta(days=3)
    )
    quoting(alice, (current(), DOSE), within=early)
    emergency.take(user=bob, what=str(early.pk), reason="Needed on the ward")
    Notice.objects.all().delete()
    load(collection, source("Give three tablets a day."))
    assert set(Notice.objects.values_list("user", flat=True)) == {alice.pk, bob.pk}, "dora's access was over before"
    assert told(bob).url == f"/library/{current().document_id}/", "not his conversation"
    assert "1 answer you have seen" in told(bob).text


def test_a_closest_passage_is_no_answer(collection: Collection) -> None:
    turn = quoting(cast.alice(), (current(), DOSE), n=0)
    load(collection, source("Give three tablets a day."))
    assert not Notice.objects.exists()
    assert shown(turn) == []


def test_one_notice_names_three_documents_and_counts_the_others(collection: Collection) -> None:
    load(collection, *(source(f"Drug {n} is given once.", n) for n in range(2, 8)))
    older = quoting(cast.alice(), *((current(n), f"Drug {n} is given once.") for n in range(2, 8)))
    newer = quoting(cast.alice(), (current(), DOSE))
    newest = quoting(cast.alice(), (current(2), "Drug 2 is given once."), within=older.conversation)
    quoting(cast.bob(), (current(7), "Drug 7 is given once."))
    withdraw(2, 3, 4, 5, 6)
    assert told(cast.alice()).text == (
        "“Title 2”, “Title 3”, “Title 4” and 2 more documents were withdrawn: do not rely on them. "
        "2 answers you have seen rest on them."
    )
    assert told(cast.alice()).url == f"/ask/{older.conversation_id}/#turn-{newest.number}"
    assert newer.conversation_id != older.conversation_id
    assert not Notice.objects.filter(user=cast.bob()).exists()


def test_replaced_and_withdrawn_in_one_release_is_one_warning(collection: Collection) -> None:
    first = Release.objects.get()
    load(collection, source("Give three tablets a day."), source("Once daily.", 2))
    quoting(cast.alice(), (current(), "Give three tablets a day."), (current(2), "Once daily."))
    releases.roll_back(to=first, reason="A mistake", by=cast.dora())
    assert told(cast.alice()).level == Notice.Level.WARNING
    assert told(cast.alice()).text == (
        "“Title 2” was withdrawn: do not rely on it. “Title 1” was replaced by another version. 1 answer you have seen "
        "rests on them. The quoted words are no longer in the current version."
    )


def test_what_is_searched_again_carries_no_notice(collection: Collection) -> None:
    first = Release.objects.get()
    turn = quoting(cast.alice(), (current(), DOSE))
    load(collection, source("Give three tablets a day."))
    assert shown(turn)
    releases.roll_back(to=first, reason="A mistake", by=cast.dora())
    assert shown(turn) == []


def test_the_longest_titles_fit(collection: Collection) -> None:
    load(collection, *(source(f"Drug {n}.", n, title=f"{n} " + "x" * 490) for n in range(2, 9)))
    quoting(cast.alice(), *((current(n), f"Drug {n}.") for n in range(2, 9)))
    load(collection, *(source(f"Drug number {n}.", n, title=f"{n} " + "x" * 490) for n in range(2, 9)))
    assert len(told(cast.alice()).text) < 500


def statements(collection: Collection, documents: int) -> int:
    """How many statements telling takes for a release that replaces so many documents."""
    load(collection, *(source(f"Drug {n} is given once.", n) for n in range(documents)))
    versions = DocumentVersion.objects.filter(status="published", document__collection=collection)
    for version in versions.exclude(document__external_id="doc-x"):
        quoting(cast.alice(), (version, version.text))
        quoting(cast.bob(), (version, version.text))
    replaced = list(versions.values_list("pk", flat=True))
    release = Release.objects.filter(collection=collection).latest("published_at")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        changed_sources.tell(release=release, replaced=replaced, withdrawn=[])
    return len(queries)


def test_many_replaced_documents_take_no_more_statements_than_few() -> None:
    assert statements(shelf.collection("few"), 2) == statements(shelf.collection("many"), 20)


def test_the_page_and_the_stream_say_the_same(collection: Collection) -> None:
    alice = cast.sign_in(Client(), cast.alice())
    turn = quoting(cast.alice(), (current(), DOSE), (current(), OTHER))
    load(collection, source(f"{DOSE} Check the liver."))
    (change,) = shown(turn)
    assert change.numbers == "Sources 1 and 2"
    assert change.url == f"/library/{current().document_id}/?v=2"
    page = unescape(alice.get(f"/ask/{turn.conversation_id}/").content.decode())
    note = page[page.index("data-changed") : page.index('class="answer"')]
    assert all(part in note for part in (change.numbers, change.text, f'href="{change.url}"'))
    assert 'data-status="superseded"' in page[page.index('id="src-1-1"') :]
    sent: dict[str, Any] = dict(ending_events(Turn.objects.get(pk=turn.pk)))["sources"]
    assert json.loads(json.dumps(sent))["changes"] == [
        {"numbers": change.numbers, "text": change.text, "withdrawn": False, "url": change.url}
    ]
    assert {one["state"] for one in sent["sources"]} == {"superseded"}


def test_a_source_of_a_paged_document_names_its_page(collection: Collection) -> None:
    turn = quoting(cast.alice(), (current(), DOSE))
    turn.citations.update(page=12)
    (shown_source,) = presentation.view(Turn.objects.get(pk=turn.pk), entities=()).sources
    assert shown_source.page == "p. 12"
    page = cast.sign_in(Client(), cast.alice()).get(f"/ask/{turn.conversation_id}/").content.decode()
    assert '<span class="muted" data-f="page">p. 12</span>' in page
