"""`ask` answers from what was searched on another day, and says on which page the words stand."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from chat.models import Collection, DocumentVersion, Listing
from clinchat.lib import clock
from tests.chat import labelled

pytestmark = pytest.mark.django_db

QUESTION = "What is the usual dose of brevoxil for migraine?"
NOW = "Brevoxil is given for migraine. The usual dose of brevoxil is 20 mg by mouth once daily."


@pytest.fixture
def drugs(db: None) -> Collection:
    """Brevoxil changed ten days ago."""
    made = labelled.drugs()
    labelled.load(made, labelled.source("brevoxil", NOW))
    for number, days in ((1, 30), (2, 10)):
        then = clock.now() - timedelta(days=days)
        Listing.objects.filter(since__number=number).update(since_at=then)
        Listing.objects.filter(until__number=number).update(until_at=then)
    return made


def ask(*options: str) -> Any:
    out = StringIO()
    call_command("ask", QUESTION, "--json", *options, stdout=out)
    return json.loads(out.getvalue())


def day(days: int) -> str:
    return f"{clock.now().date() - timedelta(days=days)}"


def test_the_answer_is_that_of_the_day(drugs: Collection) -> None:
    assert "20 mg" in ask()["answer"]
    before = ask("--as-of", day(20))
    assert "40 mg" in before["answer"]
    assert {c["version"] for s in before["sentences"] for c in s["citations"]} == {1}
    assert "20 mg" in ask("--as-of", day(0))["answer"]
    assert ask("--as-of", day(40))["abstained"] is True


def test_a_citation_says_the_page(drugs: Collection) -> None:
    assert {c["page"] for s in ask()["sentences"] for c in s["citations"]} == {None}
    version = DocumentVersion.objects.get(document__external_id="brevoxil", number=2)
    DocumentVersion.objects.filter(pk=version.pk).update(pages=[0, NOW.index("The usual")])
    pages = {s["text"]: [c["page"] for c in s["citations"]] for s in ask()["sentences"]}
    assert pages["The usual dose of brevoxil is 20 mg by mouth once daily."] == [2]


@pytest.mark.parametrize(
    ("given", "says"), [("tomorrow", "write the day as"), ("9999-12-31", "has not come yet"), ("", "write the day as")]
)
def test_what_is_no_day(db: None, given: str, says: str) -> None:
    with pytest.raises(CommandError, match=says):
        ask("--as-of", given)
