"""A hospital's own changes of the interaction table: one person proposes, another decides, and each has a last day."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from chat import days
from chat.interactions import changes, current
from chat.interactions.changes import AlreadyDecided, SecondPersonNeeded
from chat.models import LocalInteraction
from chat.tasks import remind_of_interaction_changes
from compliance import phi
from compliance.access import Role
from compliance.models import AuditEvent, Code, Notice, User
from tests import cast
from tests.chat import tables
from tests.factories import make_user
from tests.processes import PATIENCE

pytestmark = pytest.mark.django_db
PAGE, PROPOSE = "/library/interactions/", "/library/interactions/propose/"
Status = LocalInteraction.Status
TEXTS = {
    "mechanism": "Additive effect on the QT interval",
    "effect": "Arrhythmia",
    "management": "Record an ECG before the first dose.",
}


@pytest.fixture(autouse=True)
def _table_of_this_test_alone(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.INTERACTIONS_BACKUP = tmp_path
    current._Seen.tables[tables.shipped().release.sha256] = tables.shipped()
    current._Seen.at, current._Seen.state = float("-inf"), None
    yield
    current._Seen.at, current._Seen.state = float("-inf"), None


def day(n: int) -> str:
    return (days.today() + timedelta(days=n)).isoformat()


def fields(**other: str) -> dict[str, str]:
    """A pair of the table, made graver."""
    return {
        "a": "warfarin",
        "b": "amiodarone",
        "severity": "contraindicated",
        "source_name": "Decision of the pharmacy committee",
        "source_ref": "Minutes of October 2026, item 4",
        "reason": "Two bleeds on our wards last year",
        "expires_on": day(180),
    } | other


def missing(**other: str) -> dict[str, str]:
    """A pair that the table lacks."""
    return fields(**{"a": "metformin", "b": "atorvastatin", "severity": "moderate"} | TEXTS | other)


def lowered(**other: str) -> dict[str, str]:
    return fields(**{"severity": "moderate"} | other)


def signed_in(person: Callable[[], User]) -> Client:
    return cast.sign_in(Client(), person())


def text_of(page: Any) -> str:
    return unescape(page.content.decode())


def propose(client: Client, sent: dict[str, str]) -> str:
    return text_of(client.post(PROPOSE, sent, follow=True))


def proposed(sent: dict[str, str] | None = None, by: User | None = None) -> LocalInteraction:
    data: dict[str, Any] = {**dict.fromkeys(TEXTS, ""), **(sent or fields())}
    data["expires_on"] = days.today() + timedelta(days=int(data.pop("days", 180)))
    return changes.propose(**data, by=by or cast.edith())


def approved(sent: dict[str, str] | None = None, by: User | None = None) -> LocalInteraction:
    return changes.approve(change_id=proposed(sent, by).pk, by=cast.dora(), read=True)


def do(client: Client, what: str, change: LocalInteraction, **sent: str) -> str:
    return text_of(client.post(f"{PAGE}{change.pk}/{what}/", sent, follow=True))


def decide(client: Client, change: LocalInteraction, decision: str = "approve", **sent: str) -> str:
    return do(client, "decide", change, decision=decision, **sent)


def severity_now(pair: tuple[str, str]) -> str:
    current.forget()
    found = current.current().interaction(*pair)
    return found.severity.value if found else ""


# ── Two people ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_proposes_another_approves_and_checks_follow(django_capture_on_commit_callbacks: Any) -> None:
    edith, dora = signed_in(cast.edith), signed_in(cast.dora)
    assert "The change waits for a second person." in propose(edith, fields())
    change = LocalInteraction.objects.get()
    assert (change.a, change.b, change.shipped) == ("amiodarone", "warfarin", "major")
    assert severity_now(tables.MAJOR) == "major", "proposing changes nothing"
    notice = Notice.objects.get(title="A change of the interaction table waits")
    assert (notice.user, notice.url) == (cast.dora(), change.get_absolute_url())
    page = text_of(dora.get(change.get_absolute_url()))
    assert "Two bleeds on our wards last year" in page
    assert "Raised INR and bleeding" in page, "what the table says stands beside it"

    with django_capture_on_commit_callbacks(execute=True):
        assert "The change is in force, within a second." in decide(dora, change)
    change.refresh_from_db()
    assert (change.status, change.proposed_by, change.decided_by) == (Status.APPROVED, cast.edith(), cast.dora())
    found = current.current().interaction(*tables.MAJOR)
    assert found
    assert (found.severity, found.local.shipped if found.local else "") == ("contraindicated", "major")
    assert found.sources[0].name == "Decision of the pharmacy committee"
    assert Notice.objects.filter(user=cast.edith(), title="A change of the interaction table was decided on").exists()


def test_a_pair_that_the_table_lacks_needs_its_own_words() -> None:
    edith = signed_in(cast.edith)
    page = propose(edith, missing(effect=""))
    assert "The table does not hold this pair, so this has to be said." in page
    assert "Record an ECG before the first dose." in page, "what was typed stays"
    propose(edith, missing())
    decide(signed_in(cast.dora), LocalInteraction.objects.get())
    current.forget()
    found = current.current().interaction(*tables.ABSENT)
    assert found
    assert (found.effect, found.alert.value) == ("Arrhythmia", "passive")


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (fields(severity="major"), "The table says major already."),
        (fields(effect="Bleeding"), "The table holds this pair, and its own words stay."),
        (fields(b="Coumadin"), "Choose two different medicines."),
        (fields(b="NSAIDs"), "This is a class of medicines."),
        (fields(b="Bactrim DS"), "holds several medicines: sulfamethoxazole, trimethoprim"),
        (fields(b="amiodaron 200 qqqq metformin"), "Name one medicine here."),
        (fields(b="warfrin"), "ClinChat does not know this medicine. Did you mean warfarin?"),
        (fields(b="zzzzzz"), "ClinChat does not know this medicine."),
        (fields(b=""), "Name a medicine."),
        (fields(severity="deadly"), "That is not one of the choices."),
        (fields(source_ref=""), "Say where in the source."),
        (fields(reason=""), "Say why."),
        (fields(expires_on=""), "Choose a day."),
        (fields(expires_on="soon"), "Enter a date, such as"),
        (fields(expires_on=day(0)), "Choose a day after today."),
        (fields(expires_on=day(732)), "Choose a day within two years."),
    ],
)
def test_what_is_refused_says_why_and_stores_nothing(sent: dict[str, str], words: str) -> None:
    assert words in propose(signed_in(cast.edith), sent)
    assert not LocalInteraction.objects.exists()


def test_a_day_from_tomorrow_to_two_years_is_taken() -> None:
    edith = signed_in(cast.edith)
    propose(edith, fields(expires_on=day(1)))
    propose(edith, missing(expires_on=day(731)))
    assert LocalInteraction.objects.count() == 2


def test_a_brand_stands_for_its_medicine_and_a_pair_waits_once() -> None:
    edith = signed_in(cast.edith)
    propose(edith, fields(a="Coumadin"))
    assert LocalInteraction.objects.get().b == "warfarin"
    assert "waits for a second person already" in propose(edith, lowered())
    assert LocalInteraction.objects.count() == 1


def test_identifiers_are_masked_for_good() -> None:
    propose(signed_in(cast.edith), fields(reason="Bleed of Mr. Delacroix, MRN 88231904"))
    reason = LocalInteraction.objects.get().reason
    assert "Delacroix" not in reason
    assert "88231904" not in reason


def test_without_masking_nothing_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise phi.PhiUnavailable

    monkeypatch.setattr("compliance.masking.mask", broken)
    assert "could not be checked for patient identifiers" in propose(signed_in(cast.edith), fields())
    assert not LocalInteraction.objects.exists()


def test_without_a_table_nothing_is_changed_and_the_pages_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    change = proposed()

    def gone() -> None:
        raise current.Unavailable

    monkeypatch.setattr("chat.interactions.current.current", gone)
    edith, dora = signed_in(cast.edith), signed_in(cast.dora)
    assert "The interaction table cannot be used at the moment" in propose(edith, missing())
    assert "nothing is compared" in text_of(dora.get(PAGE))
    assert "Not compared" in text_of(dora.get(change.get_absolute_url()))
    assert "The interaction table cannot be used at the moment" in decide(dora, change)
    change.refresh_from_db()
    assert change.status == Status.PROPOSED


@pytest.mark.parametrize("decision", ["approve", "refuse"])
def test_who_proposed_does_not_decide(decision: str) -> None:
    change, edith = proposed(), signed_in(cast.edith)
    page = text_of(edith.get(change.get_absolute_url()))
    assert "You proposed it" in page
    assert "/decide/" not in page
    assert "somebody else has to decide" in decide(edith, change, decision)
    change.refresh_from_db()
    assert change.status == Status.PROPOSED
    refused = AuditEvent.objects.get(code=Code.AUTHZ_FAIL, object_id=str(change.pk))
    assert (refused.outcome, refused.actor_name) == ("denied", cast.edith().name)
    assert refused.detail == {"action": "interactions.approve", "step": "second person"}


def test_another_editor_may_decide_and_a_lone_one_is_told_so() -> None:
    change, edith = proposed(), signed_in(cast.edith)
    assert "Nobody here may decide on it" in text_of(edith.get(change.get_absolute_url()))
    changes.approve(change_id=change.pk, by=make_user(roles=[Role.KNOWLEDGE_EDITOR]))
    assert LocalInteraction.objects.get().status == Status.APPROVED


def test_refused_and_withdrawn_change_nothing() -> None:
    refused, edith, dora = proposed(), signed_in(cast.edith), signed_in(cast.dora)
    assert "The change is refused." in decide(dora, refused, "refuse")
    assert "Somebody else was faster" in decide(dora, refused)
    taken_back = proposed()
    assert "The change is withdrawn." in do(edith, "withdraw", taken_back)
    assert severity_now(tables.MAJOR) == "major"
    page = text_of(dora.get(PAGE))
    assert "Refused" in page
    assert "Withdrawn" in page


def test_only_who_proposed_withdraws() -> None:
    change = proposed(by=make_user(roles=[Role.KNOWLEDGE_EDITOR]))
    assert "Only who proposed a change can withdraw it." in do(signed_in(cast.edith), "withdraw", change)
    change.refresh_from_db()
    assert change.status == Status.PROPOSED


@pytest.mark.parametrize("person", ["carol", "otto", "audra", "ada"])
def test_who_only_reads_sees_changes_and_can_do_nothing(person: str) -> None:
    change, client = proposed(), signed_in(getattr(cast, person))
    assert "Two bleeds on our wards last year" in text_of(client.get(change.get_absolute_url()))
    page = text_of(client.get(PAGE))
    assert "Propose a change" not in page
    assert client.get(reverse("interaction-changes-file")).status_code == 200
    for what in ("decide", "withdraw", "end"):
        assert client.post(f"{PAGE}{change.pk}/{what}/").status_code == 403
    for address in (PROPOSE, reverse("interaction-changes-import")):
        assert client.get(address).status_code == 403


@pytest.mark.parametrize("person", ["alice", "pat", "sam", "mallory"])
def test_others_do_not_get_in(person: str) -> None:
    change, client = proposed(), signed_in(getattr(cast, person))
    for address in (PAGE, change.get_absolute_url(), reverse("interaction-changes-file"), PROPOSE):
        assert client.get(address).status_code == 403


def test_a_department_head_decides_and_does_not_propose() -> None:
    dora = signed_in(cast.dora)
    assert dora.get(PROPOSE).status_code == 403
    assert f'href="{PAGE}"' in text_of(dora.get("/library/work/"))
    assert f'href="{PAGE}"' not in text_of(signed_in(cast.alice).get("/library/"))


def test_deciding_and_ending_ask_for_a_proof_of_presence() -> None:
    change = proposed()
    dora = cast.sign_in(Client(), cast.dora(), proved=False)
    for what in ("decide", "end"):
        answer = dora.post(f"{PAGE}{change.pk}/{what}/", {"decision": "approve"})
        assert "/signin/again/" in answer["Location"]
    assert LocalInteraction.objects.get().status == Status.PROPOSED


# ── Taking a warning away ────────────────────────────────────────────────────────────────────────────────────────


def pair(names: tuple[str, str], severity: str) -> dict[str, str]:
    return fields(a=names[0], b=names[1], severity=severity)


@pytest.mark.parametrize(
    ("names", "severity", "words"),
    [
        (tables.CONTRAINDICATED, "major", "The table calls this pair contraindicated."),
        (tables.CONTRAINDICATED, "minor", "The table calls this pair contraindicated."),
        (tables.onc_pair(), "moderate", "This pair is on the ONC list"),
    ],
)
def test_a_grave_lowering_is_approved_only_once_its_warning_was_read(
    names: tuple[str, str], severity: str, words: str
) -> None:
    change, dora = proposed(pair(names, severity)), signed_in(cast.dora)
    page = text_of(dora.get(change.get_absolute_url()))
    assert "This takes a warning away" in page
    assert words in page
    assert "Takes a warning away" in text_of(dora.get(PAGE))
    assert "confirm that you have read the warning first" in decide(dora, change)
    change.refresh_from_db()
    assert change.status == Status.PROPOSED
    assert "The change is in force" in decide(dora, change, read="on")


def test_another_lowering_says_that_it_no_longer_interrupts_and_needs_no_more() -> None:
    change, dora = proposed(lowered()), signed_in(cast.dora)
    page = text_of(dora.get(change.get_absolute_url()))
    assert "It would no longer interrupt" in page
    assert "This takes a warning away" not in page
    assert "The change is in force" in decide(dora, change)


def test_a_raise_warns_of_nothing() -> None:
    change = proposed(pair(tables.onc_pair(), "contraindicated"))
    assert "This takes a warning away" not in text_of(signed_in(cast.dora).get(change.get_absolute_url()))


# ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("sent", [fields(), missing()])
def test_who_proposed_a_change_that_warns_does_not_end_it(sent: dict[str, str]) -> None:
    change, edith = approved(sent), signed_in(cast.edith)
    assert "somebody else has to end it" in text_of(edith.get(change.get_absolute_url()))
    assert "somebody else has to decide" in do(edith, "end", change)
    assert LocalInteraction.objects.get().status == Status.APPROVED
    assert "The change is ended." in do(signed_in(cast.dora), "end", change)
    notice = Notice.objects.get(user=cast.edith(), title="A change of the interaction table was ended")
    assert notice.level == Notice.Level.WARNING
    assert "Somebody else was faster" in do(signed_in(cast.dora), "end", change)


def test_who_proposed_a_lowering_may_end_it() -> None:
    change = approved(lowered())
    assert severity_now(tables.MAJOR) == "moderate"
    assert "The change is ended." in do(signed_in(cast.edith), "end", change)
    assert severity_now(tables.MAJOR) == "major"


def test_a_change_holds_to_the_end_of_its_last_day(monkeypatch: pytest.MonkeyPatch) -> None:
    change = approved(fields(days="2"))
    today, edith = days.today(), cast.edith()

    def in_days(n: int) -> None:
        monkeypatch.setattr("chat.days.today", lambda: today + timedelta(days=n))

    in_days(2)
    assert severity_now(tables.MAJOR) == "contraindicated"
    assert "Today" in text_of(cast.sign_in(Client(), edith).get(PAGE))
    in_days(3)
    assert severity_now(tables.MAJOR) == "major"
    page = text_of(cast.sign_in(Client(), edith).get(PAGE))
    assert "Expired" in page
    again = proposed(fields(severity="minor"), by=edith)
    changes.approve(change_id=again.pk, by=cast.dora())
    change.refresh_from_db()
    assert (change.status, change.ended_by) == (Status.ENDED, cast.dora()), "the expired one ends with it"
    assert severity_now(tables.MAJOR) == "minor"


def test_who_proposed_a_change_that_warns_ends_it_once_it_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    change, today, edith = approved(fields(days="1")), days.today(), signed_in(cast.edith)
    monkeypatch.setattr("chat.days.today", lambda: today + timedelta(days=2))
    assert "It is not in force any more." in text_of(edith.get(change.get_absolute_url()))
    assert "The change is ended." in do(edith, "end", change)


def test_editors_are_reminded_before_changes_expire() -> None:
    approved(fields(days="21"))
    waiting = proposed(missing(days="3"))
    remind_of_interaction_changes.apply()
    assert not Notice.objects.filter(title="Changes of the interaction table expire").exists()
    changes.approve(change_id=waiting.pk, by=cast.dora())
    remind_of_interaction_changes.apply()
    notice = Notice.objects.get(title="Changes of the interaction table expire")
    assert notice.user == cast.edith()
    assert notice.text.startswith("1 change expires within three weeks, the first after ")


def test_a_second_change_of_a_pair_waits_for_the_end_of_the_first() -> None:
    first, dora = approved(), signed_in(cast.dora)
    second = proposed(lowered())
    assert "Another change of this pair is in force. End that one first." in decide(dora, second)
    second.refresh_from_db()
    assert second.status == Status.PROPOSED
    do(dora, "end", first)
    assert "The change is in force" in decide(dora, second)


def test_a_proposal_whose_last_day_is_over_is_not_approved(monkeypatch: pytest.MonkeyPatch) -> None:
    change, today = proposed(fields(days="1")), days.today()
    monkeypatch.setattr("chat.days.today", lambda: today + timedelta(days=2))
    assert "Its last day is over." in decide(cast.sign_in(Client(), cast.dora()), change)
    change.refresh_from_db()
    assert change.status == Status.PROPOSED


# ── At the same moment ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db(transaction=True)
def test_of_two_who_approve_at_once_one_does() -> None:
    change = proposed()
    deciders = [cast.dora(), make_user(roles=[Role.KNOWLEDGE_EDITOR])]
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def run(person: User) -> None:
        try:
            start.wait(PATIENCE)
            changes.approve(change_id=change.pk, by=person)
            outcomes.append("done")
        except AlreadyDecided:
            outcomes.append("late")
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(person,)) for person in deciders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "late"]
    assert LocalInteraction.objects.get().status == Status.APPROVED
    assert Notice.objects.filter(title="A change of the interaction table was decided on").count() == 1


def test_the_service_refuses_its_proposer_whatever_the_page_shows() -> None:
    change = proposed()
    with pytest.raises(SecondPersonNeeded):
        changes.approve(change_id=change.pk, by=cast.edith(), read=True)


def test_everything_is_on_record() -> None:
    change = approved()
    changes.end(change_id=change.pk, by=cast.dora())
    found = AuditEvent.objects.filter(object_type="chat.LocalInteraction", object_id=str(change.pk))
    assert set(found.values_list("code", flat=True)) >= {Code.SENSITIVE_CREATE, Code.SENSITIVE_UPDATE}
    assert "Two bleeds" not in "".join(str(event.changes) for event in found)
