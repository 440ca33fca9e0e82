"""The queue of mask reports: who sees it, who opens the words, and how a report ends."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from clinchat.lib import clock
from clinchat.lib.keys import Unsealable
from compliance import mask_reports, phi, vault
from compliance.mask_reports import Kind, Outcome, Reported
from compliance.models import AuditEvent, Code, MaskReport, MaskTerm, Notice, User
from compliance.phi import Entity, Label
from compliance.tasks import remind_of_mask_reports
from tests import cast

pytestmark = pytest.mark.django_db
PAGE = "/compliance/masking/"
WORDS = "Zebulon Quixworth"


def make_report(**fields: Any) -> MaskReport:
    given: dict[str, Any] = {
        "kind": Kind.MISSED,
        "scope": uuid.uuid4(),
        "turn": uuid.uuid4(),
        "token": "[NAME-1]",
        "words": WORDS,
    }
    return mask_reports.file(Reported(**given | {"label": "NAME"} | fields), by=cast.alice())


def signed_in(person: Callable[[], User]) -> Client:
    return cast.sign_in(Client(), person())


@pytest.fixture
def pat() -> Client:
    return signed_in(cast.pat)


def text_of(page: Any) -> str:
    return unescape(page.content.decode())


def show(client: Client, report: MaskReport) -> Any:
    return client.post(reverse("mask-report-words", args=[report.pk]))


def settle(client: Client, report: MaskReport, outcome: str = "nothing", note: str = "") -> Any:
    address = reverse("mask-report-settle", args=[report.pk])
    return client.post(address, {"outcome": outcome, "note": note}, follow=True)


def test_the_oldest_open_report_is_on_top_without_its_words(pat: Client) -> None:
    new, old = make_report(), make_report(kind=Kind.WRONG, label="MRN", token="[MRN-1]")
    MaskReport.objects.filter(pk=old.pk).update(created_at=clock.now() - timedelta(days=3))
    page = pat.get(PAGE)
    assert list(page.context["open"]) == [old, new]
    text = text_of(page)
    assert (old.number in text, "3 days" in text, "Record number" in text, "Alice Adeyemi" in text) == (True,) * 4
    assert WORDS not in text
    assert WORDS not in text_of(pat.get(reverse("mask-report", args=[new.pk])))


@pytest.mark.parametrize("person", ["pat", "carol"])
def test_who_manages_masking_opens_the_words_on_record(person: str) -> None:
    user = getattr(cast, person)()
    scope = uuid.uuid4()
    vault.store(scope, [Entity("[MRN-1]", Label.MRN, "00482913")])
    report = make_report(scope=scope)
    assert WORDS in text_of(show(cast.sign_in(Client(), user), report))
    opened = AuditEvent.objects.get(detail__step="words")
    assert (opened.code, opened.action, opened.actor_id) == (Code.SENSITIVE_READ, "R", user.pk)
    assert (opened.object_id, opened.patient, opened.purpose) == (str(report.pk), vault.patient(scope), "HCOMPL")
    assert WORDS.encode() not in bytes(opened.canonical)


def test_the_trail_says_it_in_words(pat: Client) -> None:
    report = make_report()
    show(pat, report)
    settle(pat, report)
    page = text_of(signed_in(cast.audra).get("/compliance/audit/", {"object_id": str(report.pk)}))
    for words in ("Reported a mask", "Opened the words of a mask report", "Settled a mask report"):
        assert words.lower() in page.lower(), words


@pytest.mark.parametrize("person", ["sam", "audra"])
def test_who_only_reads_sees_the_report_and_not_the_words(person: str) -> None:
    report, client = make_report(), signed_in(getattr(cast, person))
    page = text_of(client.get(reverse("mask-report", args=[report.pk])))
    assert report.number in page
    assert "Show the words" not in page
    assert "Settle the report" not in page
    assert show(client, report).status_code == 403
    assert settle(client, report).status_code == 403


@pytest.mark.parametrize("person", ["alice", "dora", "otto", "ada", "mallory"])
def test_nobody_else_sees_anything(person: str) -> None:
    report, client = make_report(), signed_in(getattr(cast, person))
    assert client.get(PAGE).status_code == 403
    assert client.get(reverse("mask-report", args=[report.pk])).status_code == 403
    assert show(client, report).status_code == 403


def test_opening_the_words_needs_both_factors_again() -> None:
    report = make_report()
    late = cast.sign_in(Client(), cast.pat(), proved=False)
    assert show(late, report)["Location"].startswith("/signin/again/")
    assert not AuditEvent.objects.filter(detail__step="words").exists()


def test_a_report_that_does_not_exist(pat: Client) -> None:
    assert pat.get(f"{PAGE}{uuid.uuid4()}/").status_code == 404
    assert pat.post(f"{PAGE}{uuid.uuid4()}/words/").status_code == 404


def test_it_ends_with_an_outcome_and_its_reporter_is_told(pat: Client) -> None:
    report = make_report()
    assert "Its reporter was told" in text_of(settle(pat, report, "software", "Seen with Maria Lopez"))
    report.refresh_from_db()
    assert (report.status, report.outcome, report.settled_by) == ("settled", "software", cast.pat())
    assert report.settled_note == "Seen with [name]"
    told = Notice.objects.get(user=cast.alice())
    assert told.text == f"Report {report.number}. To be corrected by an update of ClinChat."
    page = pat.get(PAGE)
    assert (list(page.context["open"]), list(page.context["settled"])) == ([], [report])


def test_it_ends_once(pat: Client) -> None:
    report = make_report()
    settle(pat, report, "nothing")
    assert "Somebody else has settled it already." in text_of(settle(signed_in(cast.carol), report, "software"))
    report.refresh_from_db()
    assert (report.outcome, report.settled_by) == ("nothing", cast.pat())


@pytest.mark.parametrize(("outcome", "note"), [("", ""), ("fine", ""), ("nothing", "x" * 501)])
def test_it_needs_an_outcome(pat: Client, outcome: str, note: str) -> None:
    report = make_report()
    page = settle(pat, report, outcome, note)
    assert page.context["form"].errors
    assert note in text_of(page)
    report.refresh_from_db()
    assert report.status == "open"


def test_a_note_that_cannot_be_masked_ends_nothing(pat: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(text: str, known: object = ()) -> phi.Masked:
        raise phi.PhiUnavailable

    monkeypatch.setattr(phi, "mask", down)
    report = make_report()
    assert "could not be checked for patient identifiers" in text_of(settle(pat, report, "nothing", "Seen on rounds"))
    report.refresh_from_db()
    assert report.status == "open"


def test_a_term_is_proposed_from_it(pat: Client) -> None:
    report = make_report()
    form = show(pat, report).context["proposing"]
    assert form.initial == {"kind": "mask", "words": "", "label": "NAME", "report": report.pk}, "it may be a patient"
    sent = {**form.initial, "words": WORDS, "reason": "The name of a ward"}
    assert "The term waits for a second person." in text_of(pat.post(reverse("mask-term-new"), sent, follow=True))
    term = MaskTerm.objects.get()
    assert (term.report, term.words) == (report, WORDS)
    page = text_of(pat.get(reverse("mask-report", args=[report.pk])))
    assert "Local terms proposed from it" in page
    assert WORDS not in page


def test_a_wrong_mask_suggests_a_term_to_keep(pat: Client) -> None:
    report = make_report(kind=Kind.WRONG)
    initial = show(pat, report).context["proposing"].initial
    assert (initial["kind"], initial["words"]) == ("keep", WORDS)


def test_the_figures_count_the_last_30_days(pat: Client) -> None:
    vault.store(uuid.uuid4(), [Entity("[NAME-1]", Label.NAME, "A B"), Entity("[NAME-1]", Label.NAME, "A. B.", 1)])
    vault.store(uuid.uuid4(), [Entity("[NAME-1]", Label.NAME, "A B"), Entity("[SSN-1]", Label.SSN, "078-05-1120")])
    make_report()
    make_report(kind=Kind.WRONG)
    make_report(label="")
    old = make_report(label="MRN")
    MaskReport.objects.filter(pk=old.pk).update(created_at=clock.now() - timedelta(days=31))
    found = {one.label: (one.masked, one.missed, one.wrong) for one in pat.get(PAGE).context["figures"]}
    assert found == {"Name": (2, 1, 1), "Social Security number": (1, 0, 0), "Not said": (0, 1, 0)}


def test_an_empty_page_says_so(pat: Client) -> None:
    page = text_of(pat.get(PAGE))
    for words in ("No report is open.", "No term is in use.", "Nothing was masked or reported."):
        assert words in page


def test_the_same_report_while_it_is_open_is_one() -> None:
    turn, pat = uuid.uuid4(), cast.pat()
    assert make_report(turn=turn) == make_report(turn=turn)
    assert Notice.objects.filter(user=pat).count() == 1
    mask_reports.settle(report_id=MaskReport.objects.get().pk, by=pat, outcome=Outcome.NOTHING, note="")
    make_report(turn=turn)
    assert MaskReport.objects.count() == 2


def test_the_words_go_with_the_values_of_the_conversation_once_it_is_settled(pat: Client) -> None:
    report = make_report()
    assert mask_reports.forget([report.scope]) == 0, "it is still open"
    settle(pat, report)
    assert mask_reports.forget([uuid.uuid4()]) == 0
    assert mask_reports.forget([report.scope]) == 1
    assert mask_reports.missed(report.scope) == ()
    page = text_of(show(pat, report))
    assert "No longer kept" in page
    assert "Show the words" not in page
    assert not AuditEvent.objects.filter(detail__step="words").exists()


def test_the_team_is_reminded_of_what_waits_for_more_than_a_week() -> None:
    pat, old = cast.pat(), make_report()
    make_report()
    remind_of_mask_reports.apply()
    assert not Notice.objects.filter(user=pat, title="Mask reports wait").exists()
    MaskReport.objects.filter(pk=old.pk).update(created_at=clock.now() - timedelta(days=8))
    remind_of_mask_reports.apply()
    assert Notice.objects.get(user=pat, title="Mask reports wait").text.startswith("1 mask report waits for more than")


def test_no_row_holds_the_words_and_moved_they_do_not_open() -> None:
    one, other = make_report(), make_report(words="Another Person")
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text, t.words FROM compliance_maskreport t")
        for text, blob in cursor.fetchall():
            assert "Quixworth" not in text
            assert b"Quixworth" not in bytes(blob)
        cursor.execute(
            "UPDATE compliance_maskreport SET words = (SELECT words FROM compliance_maskreport WHERE id = %s) "
            "WHERE id = %s",
            [one.pk, other.pk],
        )
    with pytest.raises(Unsealable):
        str(MaskReport.objects.get(pk=other.pk).words)


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"kind": "odd"}, "mask_report_kind"),
        ({"label": "PET"}, "mask_report_label"),
        ({"kind": "wrong", "label": ""}, "wrong_has_label"),
        ({"status": "settled"}, "settled_whole"),
        ({"outcome": "nothing"}, "settled_whole"),
        ({"settled_by": cast.pat}, "settled_whole"),
    ],
)
def test_the_database_refuses(fields: dict[str, Any], constraint: str) -> None:
    report = make_report()
    values = {name: value() if callable(value) else value for name, value in fields.items()}
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        MaskReport.objects.filter(pk=report.pk).update(**values)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_settle_at_once_one_wins() -> None:
    report, people = make_report(), [cast.pat(), cast.carol()]
    outcomes: list[str] = []
    barrier = threading.Barrier(2)

    def act(by: User) -> None:
        barrier.wait()
        try:
            mask_reports.settle(report_id=report.pk, by=by, outcome=Outcome.NOTHING, note="")
            outcomes.append("done")
        except mask_reports.AlreadySettled:
            outcomes.append("late")
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=(by,)) for by in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "late"]
    assert Notice.objects.filter(user=cast.alice()).count() == 1
