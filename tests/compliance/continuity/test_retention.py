"""What is past its time goes, on record, in batches; what is evidence or on hold stays."""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from chat import services
from chat.models import Conversation, InteractionCheck, Turn
from clinchat.lib import clock
from compliance import mask_reports
from compliance.continuity.deletion import holds, retention
from compliance.models import (
    AuditEvent,
    AuditVerification,
    BreakGlass,
    Code,
    DataKey,
    KnownPlace,
    LegalHold,
    Notice,
    OneTimeLink,
    Purge,
    Session,
    VaultEntry,
)
from tests import cast
from tests.chat.making import make_turn

pytestmark = pytest.mark.django_db
NAMED = "Mrs. Ines Delacroix, MRN 88231904, had surgery on 3/2/2024. Heparin?"
DAYS_AGO = 3000


def old_conversation(text: str = NAMED) -> Conversation:
    turn = make_turn(author=cast.alice(), text=text)
    services.stop(turn=turn)
    services.rate(turn=turn, helpful=True, comment="Good for Mrs. Delacroix.")
    InteractionCheck.objects.create(turn=turn, where="question", table="1")
    age(turn.conversation)
    return turn.conversation


def age(conversation: Conversation, days: int = DAYS_AGO) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(updated_at=clock.now() - timedelta(days=days))


def turn_of(key: str, *, dry_run: bool = False) -> tuple[int, int]:
    (turned,) = retention.purge(dry_run=dry_run, only=[key])
    return turned.removed, turned.held


def purged(*words: str) -> dict[str, Any]:
    call_command("purge_expired", *words, "--json", stdout=(out := StringIO()))
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_every_kind_of_record_has_a_rule_with_a_source() -> None:
    rules = {one.key: one for one in retention.rules()}
    assert {"trail", "training", "approvals", "policies", "values", "conversations", "notices"} <= set(rules)
    assert all(one.name and one.kept and one.source for one in rules.values())
    assert all(one.due or one.tables or one.undeleted or one.where for one in rules.values())
    assert all(one.before() <= clock.now() for one in rules.values())


def test_a_conversation_goes_with_everything_that_belongs_to_it() -> None:
    old, lately = old_conversation(), make_turn(author=cast.alice(), text="Mr. Vanderberg fell.").conversation
    assert turn_of("conversations", dry_run=True) == (1, 0)
    assert Conversation.objects.count() == 2, "a dry run removes nothing"
    assert turn_of("conversations") == (1, 0)
    assert list(Conversation.objects.all()) == [lately]
    assert {turn.conversation_id for turn in Turn.objects.all()} == {lately.pk}
    assert {entry.scope for entry in VaultEntry.objects.all()} == {lately.pk}
    assert not InteractionCheck.objects.exists()
    assert DataKey.objects.get(scope=old.pk).destroyed_at


@pytest.mark.parametrize("key", ["values", "conversations"])
def test_a_dry_run_counts_what_a_turn_removes(key: str) -> None:
    old_conversation()
    assert turn_of(key, dry_run=True) == turn_of(key) == (1, 0)


def test_each_turn_and_each_deletion_is_on_record() -> None:
    old = old_conversation()
    turn_of("conversations")
    purge = Purge.objects.get()
    assert (purge.rule, purge.removed, purge.held) == ("conversations", 1, 0)
    told = AuditEvent.objects.get(object_type="compliance.Purge")
    assert (told.object_id, told.changes["removed"][1]) == (str(purge.pk), 1)
    gone = AuditEvent.objects.filter(code=Code.SENSITIVE_DELETE)
    assert gone.filter(object_type="chat.Conversation", object_id=str(old.pk)).exists()
    assert turn_of("conversations") == (0, 0)
    assert Purge.objects.count() == 1, "a turn that removed nothing leaves nothing"


def test_what_is_evidence_stays() -> None:
    reported, opened = old_conversation(), old_conversation()
    report = services.report_wrong(turn=reported.turns.get(), token="[NAME-1]")
    now = clock.now()
    access = BreakGlass.objects.create(
        user=cast.bob(),
        object_type="chat.Conversation",
        object_id=opened.pk,
        reason="x",
        ends_at=now + timedelta(minutes=5),
        review_due_at=now + timedelta(hours=1),
    )
    age(reported)
    assert turn_of("conversations") == (0, 0)
    assert turn_of("values") == (0, 0)
    mask_reports.settle(report_id=report.pk, by=cast.pat(), outcome=mask_reports.Outcome.NOTHING, note="")
    BreakGlass.objects.filter(pk=access.pk).update(
        reviewed_by=cast.pat(), reviewed_at=now, finding="justified", ended_at=now + timedelta(minutes=1)
    )
    assert turn_of("conversations") == (2, 0)


@pytest.mark.parametrize("kind", ["person", "conversation", "patient"])
def test_what_is_on_hold_stays_until_the_hold_ends(kind: str) -> None:
    held, free = old_conversation(), old_conversation("Mr. Vanderberg, MRN 11223344, fell.")
    Conversation.objects.filter(pk=free.pk).update(author=cast.bob())
    typed = {"person": cast.alice().email, "conversation": str(held.pk), "patient": "88231904"}[kind]
    hold = holds.place(kind=kind, subject=typed, reason="A claim.", actor=cast.pat())
    assert turn_of("conversations", dry_run=True) == (1, 1)
    assert turn_of("conversations") == (1, 1)
    assert turn_of("values") == (0, 1)
    assert list(Conversation.objects.all()) == [held]
    holds.end(hold_id=hold.pk, reason="It is over.", actor=cast.carol())
    assert turn_of("conversations") == (1, 0)


def walked(one: retention.Rule) -> tuple[int, int]:
    """What is due of a rule and free, and what is held, row by row as a turn asks."""
    assert one.due
    keys = list(one.due(one.before()).values_list("pk", flat=True))
    on_hold = one.held(keys)
    return len(keys) - len(on_hold), len(on_hold)


def test_the_database_counts_what_a_turn_finds_row_by_row() -> None:
    """Of every rule, under a hold of each kind at once, and with something of everything due: held and free."""
    alice, bob, past = cast.alice(), cast.bob(), clock.now() - timedelta(days=5000)
    named, other, own = old_conversation(), old_conversation("Mr. Vanderberg, MRN 11223344, fell."), old_conversation()
    free = old_conversation("Mr. Lindqvist, MRN 55667788, fell.")
    Conversation.objects.filter(pk__in=[named.pk, other.pk, free.pk]).update(author=bob)
    second = make_turn(author=bob, text=NAMED).conversation  # the same patient, and not due
    for person in (alice, bob, bob):
        Notice.objects.create(user=person, title="t", text="x", created_at=past)
        InteractionCheck.objects.create(where="page", table="1", by=person, at=past)
        times = {"expires_at": past, "made_at": past - timedelta(hours=1)}
        OneTimeLink.objects.create(
            purpose="password", user=person, made_by=cast.carol(), digest=uuid.uuid4().bytes * 2, **times
        )
        Session.objects.create(session_key=uuid.uuid4().hex, session_data="", expire_date=past, user=person)
    InteractionCheck.objects.create(where="page", table="1", at=past)
    AuditVerification.objects.create(ran_at=past, scope="full", ok=True, events=0, to_seal=0, seconds=0)
    for kind, subject in (("person", alice.email), ("conversation", str(other.pk)), ("patient", "88231904")):
        holds.place(kind=kind, subject=subject, reason="A claim.", actor=cast.pat())
    found = {one.key: retention.waiting(one) for one in retention.rules() if one.removes}
    assert {key: (turn.removed, turn.held) for key, turn in found.items()} == {
        one.key: walked(one) for one in retention.rules() if one.removes
    }
    counted = {key: (turn.removed, turn.held) for key, turn in found.items()}
    assert counted["conversations"] == counted["values"] == (1, 3), (named, own, second)
    assert counted["notices"] == (2, 1)
    assert counted["interactions"] == (3, 1)
    assert counted["links"] == counted["sessions"] == (2, 1)
    assert counted["verifications"] == (1, 0)


def test_counting_takes_as_many_queries_however_much_is_due(django_assert_num_queries: Any) -> None:
    past = clock.now() - timedelta(days=5000)
    holds.place(kind="person", subject=cast.alice().email, reason="A claim.", actor=cast.pat())
    rule = retention.named("notices")
    Notice.objects.create(user=cast.bob(), title="t", text="x", created_at=past)
    with CaptureQueriesContext(connection) as few:
        retention.waiting(rule)
    row = {"user": cast.bob(), "title": "t", "text": "x", "created_at": past}
    Notice.objects.bulk_create(Notice(**row) for _ in range(3 * retention.BATCH))
    with django_assert_num_queries(len(few)):
        assert retention.waiting(rule).removed == 3 * retention.BATCH + 1


def test_under_a_hold_on_everything_nothing_goes(settings: Any) -> None:
    old_conversation()
    settings.LEGAL_HOLD = True
    assert turn_of("conversations", dry_run=True) == (0, 1)
    assert all(turned.removed == 0 for turned in retention.purge(dry_run=False))
    assert Conversation.objects.count() == 1


def test_logs_go_after_their_time_but_not_those_of_a_person_on_hold(settings: Any) -> None:
    past = clock.now() - timedelta(days=settings.LOG_DAYS + 1)
    for person in (cast.alice(), cast.bob()):
        Notice.objects.create(user=person, title="t", text="x", created_at=past)
        KnownPlace.objects.create(user=person, network="192.0.2.0/24", address="192.0.2.1", last_seen=past)
    young = Notice.objects.create(user=cast.bob(), title="t", text="x")
    mailing = Notice.objects.create(user=cast.bob(), title="t", text="x", created_at=past, mail="waiting")
    LegalHold.objects.create(kind="person", subject=str(cast.alice().pk), reason="x", placed_by=cast.pat())
    found = {turned.rule.key: (turned.removed, turned.held) for turned in retention.purge(dry_run=False)}
    assert (found["notices"], found["places"]) == ((1, 1), (1, 1))
    kept = set(Notice.objects.filter(user=cast.bob()).values_list("pk", flat=True))
    assert kept == {young.pk, mailing.pk}


def test_a_rule_that_fails_keeps_no_other_from_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(keys: object) -> None:
        raise DatabaseError

    past = clock.now() - timedelta(days=5000)
    Notice.objects.create(user=cast.bob(), title="t", text="x", created_at=past)
    KnownPlace.objects.create(user=cast.bob(), network="192.0.2.0/24", address="192.0.2.1", last_seen=past)
    monkeypatch.setitem(retention._rules, "notices", replace(retention.named("notices"), remove=broken))
    with pytest.raises(DatabaseError):
        retention.purge(dry_run=False)
    assert Notice.objects.exists()
    assert not KnownPlace.objects.exists()


def test_it_goes_in_batches_past_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    past = clock.now() - timedelta(days=5000)
    for person in (cast.alice(), cast.bob()) * 4:
        Notice.objects.create(user=person, title="t", text="x", created_at=past)
    LegalHold.objects.create(kind="person", subject=str(cast.alice().pk), reason="x", placed_by=cast.pat())
    assert turn_of("notices", dry_run=True) == (4, 4)
    assert turn_of("notices") == (4, 4)
    assert turn_of("notices") == (0, 4)


@pytest.mark.django_db(transaction=True)
def test_what_somebody_holds_is_neither_waited_for_nor_counted() -> None:
    past, bob = clock.now() - timedelta(days=5000), cast.bob()
    first, *_ = [Notice.objects.create(user=bob, title="t", text="x", created_at=past) for _ in range(3)]
    counts: list[tuple[int, int]] = []

    def elsewhere() -> None:
        try:
            counts.append(turn_of("notices"))
        finally:
            connections.close_all()

    with transaction.atomic():
        Notice.objects.select_for_update().get(pk=first.pk)
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert counts == [(2, 0)]
    assert turn_of("notices") == (1, 0)
    assert sum(Purge.objects.values_list("removed", flat=True)) == 3


def test_the_command_counts_first_and_removes_then() -> None:
    old_conversation()
    dry = purged("--dry-run", "--rule", "conversations")
    assert (dry["dry_run"], dry["rules"][0]["removed"]) == (True, 1)
    assert purged("--rule", "conversations")["rules"][0]["removed"] == 1
    assert purged("--rule", "conversations")["rules"][0]["removed"] == 0
    call_command("purge_expired", "--dry-run", stdout=(out := StringIO()))
    assert "conversations: 0 due, older than " in out.getvalue()


def test_the_command_names_what_it_cannot_do() -> None:
    with pytest.raises(CommandError, match="There is no rule 'everything'"):
        call_command("purge_expired", "--rule", "everything")
    with pytest.raises(CommandError, match="This command removes none of it"):
        call_command("purge_expired", "--rule", "trail")


def test_what_is_kept_for_good_is_refused_by_its_tables() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgfoid = 'compliance_refuse'::regproc "
            "AND tgtype & 8 = 8 AND tgenabled = ANY(ARRAY['A', 'O']::\"char\"[])"
        )
        refusing = {table for (table,) in cursor.fetchall()}
    tables = {table for one in retention.rules() for table in one.tables}
    assert tables <= refusing
    assert len(tables) > 30


def test_no_rule_waits_for_what_is_not_there() -> None:
    assert {turned.removed for turned in map(retention.waiting, retention.rules())} == {0}
    assert uuid.UUID(int=0) not in holds.people_on_hold()
