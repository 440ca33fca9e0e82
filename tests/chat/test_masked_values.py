"""What a question's tokens stand for: read back by its author exactly, kept for a time, and then gone."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from chat import services
from chat.models import Conversation, Turn
from clinchat.lib import clock
from compliance import mask_reports, phi, vault
from compliance.continuity.deletion import retention
from compliance.models import MaskReport, VaultEntry
from compliance.tasks import purge_expired
from tests import cast
from tests.chat.making import make_turn

NAMED = "Mrs. Ines Delacroix, MRN 88231904, had surgery on 3/2/2024; DELACROIX is seen on March 14, 2024. Heparin?"


def test_the_author_reads_each_value_as_it_was_typed(alice: Client) -> None:
    alice.post(reverse("ask"), {"question": NAMED, "submission": str(uuid.uuid4())})
    turn = Turn.objects.get()
    assert "Mrs. [NAME-1], MRN [MRN-1]" in turn.question
    assert "[NAME-1] is seen" in turn.question
    page = alice.get(turn.conversation.get_absolute_url()).content.decode()
    shown = page[page.index("data-token") :]
    assert "Ines Delacroix" in shown
    assert "DELACROIX" in shown


def test_two_masked_dates_carry_the_days_between_them(alice: Client) -> None:
    alice.post(reverse("ask"), {"question": NAMED, "submission": str(uuid.uuid4())})
    turn = Turn.objects.get()
    assert turn.days == {"[DATE-1]": 0, "[DATE-2]": 12}
    page = alice.get(turn.conversation.get_absolute_url()).content.decode()
    assert "[DATE-2] is 12 days after [DATE-1]" in page


def test_a_later_question_counts_from_the_dates_before(library: object) -> None:
    first = make_turn(author=cast.alice(), text="Mrs. Delacroix had surgery on 3/2/2024. Heparin?")
    services.stop(turn=first)
    second = make_turn(author=cast.alice(), text="And on March 14, 2024?", conversation=first.conversation)
    assert first.days == {}
    assert second.days == {"[DATE-1]": 0, "[DATE-2]": 12}


@pytest.fixture
def old(library: object) -> Conversation:
    conversation = make_turn(author=cast.alice(), text=NAMED).conversation
    services.stop(turn=conversation.turns.get())
    Conversation.objects.filter(pk=conversation.pk).update(updated_at=clock.now() - timedelta(days=366))
    return Conversation.objects.get(pk=conversation.pk)


def test_values_are_forgotten_a_year_after_the_last_question(old: Conversation, alice: Client) -> None:
    lately = make_turn(author=cast.alice(), text="Mr. Vanderberg fell.")
    before = VaultEntry.objects.filter(scope=old.pk).count()
    purge_expired.apply()
    assert {entity.value for entity in vault.known(old.pk)} == {""}
    assert [entity.value for entity in vault.known(lately.conversation_id)] == ["Vanderberg"]
    assert VaultEntry.objects.filter(scope=old.pk).count() == before
    page = alice.get(old.get_absolute_url()).content.decode()
    assert "[NAME-1]" in page
    assert "Delacroix" not in page
    assert retention.purge(dry_run=False, only=["values"])[0].removed == 0


def test_a_forgotten_token_is_not_given_to_somebody_else(old: Conversation) -> None:
    retention.purge(dry_run=False, only=["values"])
    turn = make_turn(author=cast.alice(), text="Mr. Vanderberg has the same?", conversation=old)
    assert turn.question == "Mr. [NAME-2] has the same?"


def test_values_of_before_are_still_read(library: object, alice: Client) -> None:
    """Until 0.3 tokens were written with an underscore."""
    turn = make_turn(author=cast.alice(), text="Mrs. Delacroix fell.")
    Turn.objects.filter(pk=turn.pk).update(question="Mrs. [NAME_1] fell.")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM compliance_vaultentry")
    old = VaultEntry(scope=turn.conversation_id, token="[NAME_1]", label="NAME", value="Delacroix", blind_index=b"x")
    old.save()
    assert "Delacroix" in alice.get(turn.conversation.get_absolute_url()).content.decode()
    services.stop(turn=turn)
    assert make_turn(author=cast.alice(), text="And Delacroix now?", conversation=turn.conversation).question == (
        "And [NAME-1] now?"
    )


def test_a_report_after_the_values_are_gone_keeps_days_and_tokens_apart(library: object) -> None:
    text = "Can plimsollite from Maria Lopez's ward take warfarin since 3/4/2024 and 3/9/2024? PLIMSOLLITE is 54."
    turn = make_turn(author=cast.alice(), text=text)
    services.stop(turn=turn)
    days = turn.days
    assert days == {"[DATE-1]": 0, "[DATE-2]": 5}
    vault.erase([turn.conversation_id])
    later = make_turn(author=cast.alice(), text="And on 5/1/2024 and 5/3/2024?", conversation=turn.conversation)
    services.stop(turn=later)
    services.report_missed(turn=turn, words="plimsollite", label="NAME")
    turn.refresh_from_db()
    assert turn.days == days
    read = phi.restore(turn.question, vault.known(turn.conversation_id), turn.spellings)
    assert read == "Can plimsollite from [NAME-1]'s ward take warfarin since [DATE-1] and [DATE-2]? PLIMSOLLITE is 54."


def test_spellings_count_erased_tokens(library: object) -> None:
    turn = make_turn(author=cast.alice(), text="Mrs. Delacroix fell. Can Plimsollite and PLIMSOLLITE take warfarin?")
    services.stop(turn=turn)
    vault.erase([turn.conversation_id])
    services.report_missed(turn=turn, words="plimsollite", label="NAME")
    turn.refresh_from_db()
    assert turn.spellings == [0, 0, 1]
    known = vault.known(turn.conversation_id)
    read = phi.restore(turn.question, known, turn.spellings)
    assert read == "Mrs. [NAME-1] fell. Can Plimsollite and PLIMSOLLITE take warfarin?"


def test_values_are_kept_while_a_report_about_them_is_open(old: Conversation) -> None:
    report = services.report_wrong(turn=old.turns.get(), token="[NAME-1]")
    assert retention.purge(dry_run=False, only=["values"])[0].removed == 0
    assert "Ines Delacroix" in {entity.value for entity in vault.known(old.pk)}
    mask_reports.settle(report_id=report.pk, by=cast.pat(), outcome=mask_reports.Outcome.NOTHING, note="")
    assert retention.purge(dry_run=False, only=["values"])[0].removed > 0
    assert {entity.value for entity in vault.known(old.pk)} == {""}
    assert MaskReport.objects.get().erased_at
