"""Local terms of masking: one person proposes, another approves, and every process follows within two seconds."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from clinchat.lib import clock
from clinchat.lib.keys import Unsealable
from compliance import mask_terms, masking, term_changes
from compliance.access import Role
from compliance.models import AuditEvent, Code, MaskTerm, Notice, User
from compliance.phi import Label
from tests import cast
from tests.factories import make_user

pytestmark = pytest.mark.django_db
PAGE = "/compliance/masking/"
Status = MaskTerm.Status
WARD = "Quillfeather Annex"
TERM = {"kind": "mask", "words": WARD, "label": "FACILITY", "reason": "A building of ours"}


@pytest.fixture(autouse=True)
def _terms_of_this_test_alone() -> Iterator[None]:
    mask_terms._Seen.at = float("-inf")
    yield
    mask_terms._Seen.at = float("-inf")


def signed_in(person: Callable[[], User]) -> Client:
    return cast.sign_in(Client(), person())


def text_of(page: Any) -> str:
    return unescape(page.content.decode())


def propose(client: Client, **fields: str) -> str:
    return text_of(client.post(reverse("mask-term-new"), TERM | fields, follow=True))


def decide(client: Client, what: str, term: MaskTerm) -> str:
    return text_of(client.post(f"{PAGE}terms/{term.pk}/{what}/", follow=True))


def proposed(by: User, **fields: str) -> MaskTerm:
    return term_changes.propose(**TERM | fields, by=by)  # type: ignore[arg-type]


def approved(**fields: str) -> MaskTerm:
    term = proposed(cast.pat(), **fields)
    term_changes.approve(term_id=term.pk, by=cast.carol())
    mask_terms._Seen.at = float("-inf")
    return term


def test_one_proposes_and_another_approves() -> None:
    pat, carol = signed_in(cast.pat), signed_in(cast.carol)
    assert "The term waits for a second person." in propose(pat)
    term = MaskTerm.objects.get()
    assert mask_terms.current().mask == (), "proposing changes nothing"
    assert Notice.objects.get(title="A local term of masking waits").user == cast.carol()
    page = text_of(carol.get(PAGE))
    assert WARD in page
    assert "A building of ours" in page

    assert "The term is in use" in decide(carol, "approve", term)
    term.refresh_from_db()
    assert (term.status, term.proposed_by, term.decided_by) == (Status.APPROVED, cast.pat(), cast.carol())
    mask_terms._Seen.at = float("-inf")
    assert mask_terms.current().mask == ((Label.FACILITY, WARD),)
    assert "[FACILITY-1]" in masking.mask(f"Move to the {WARD.lower()}?", where="test").text


def test_a_term_to_keep_stays_readable_and_an_ended_one_no_longer() -> None:
    question = "Does the Ana Rivera table help?"
    assert "Rivera" not in masking.mask(question, where="test").text
    term = approved(kind="keep", words="Ana Rivera", label="NAME")
    assert term.label == ""
    assert masking.mask(question, where="test").text == question
    assert "Rivera" not in masking.mask("Is Mrs. Ana Rivera here?", where="test").text, "a title says who is meant"
    assert "no longer follows" in decide(signed_in(cast.pat), "end", term)
    assert Notice.objects.filter(user=cast.carol(), title="A local term of masking was ended").exists()
    mask_terms._Seen.at = float("-inf")
    assert "Rivera" not in masking.mask(question, where="test").text
    assert "Somebody else was faster" in decide(signed_in(cast.carol), "end", term)


def test_what_this_process_knows_is_at_most_a_second_old_and_costs_one_query(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    now = [1000.0]
    monkeypatch.setattr("compliance.mask_terms.time.monotonic", lambda: now[0])
    assert mask_terms.current().keep == ()
    term = proposed(cast.pat())
    term_changes.approve(term_id=term.pk, by=cast.carol())
    with django_assert_num_queries(0):
        assert mask_terms.current().mask == ()
    now[0] += mask_terms.FRESH_SECONDS
    assert mask_terms.current().mask == ((Label.FACILITY, WARD),)
    now[0] += mask_terms.FRESH_SECONDS
    with django_assert_num_queries(1):
        same = mask_terms.current()
    assert same.version == mask_terms.current().version


def test_words_are_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    approved()
    mask_terms.current()
    second = approved(words="Quillfeather Wing")
    opened: list[uuid.UUID] = []
    fetch = MaskTerm.objects.in_bulk

    def counted(ids: list[uuid.UUID]) -> dict[uuid.UUID, MaskTerm]:
        opened.extend(ids)
        return fetch(ids)

    monkeypatch.setattr("compliance.mask_terms.MaskTerm.objects.in_bulk", counted)
    assert len(mask_terms.current().mask) == 2
    assert opened == [second.pk]


@pytest.mark.parametrize("what", ["approve", "refuse"])
def test_who_proposed_does_not_decide(what: str) -> None:
    term, pat = proposed(cast.pat()), signed_in(cast.pat)
    page = text_of(pat.get(PAGE))
    assert "You proposed it" in page
    assert f"{term.pk}/approve/" not in page
    assert "somebody else has to decide" in decide(pat, what, term)
    term.refresh_from_db()
    assert term.status == Status.PROPOSED
    refused = AuditEvent.objects.get(code=Code.AUTHZ_FAIL, object_id=str(term.pk))
    assert (refused.outcome, refused.actor_name) == ("denied", "Pat Petrov")
    assert refused.detail == {"action": "masking.manage", "step": "second person"}


def test_where_nobody_else_may_decide_the_page_says_so() -> None:
    proposed(cast.pat())
    assert "Nobody here may decide on it" in text_of(signed_in(cast.pat).get(PAGE))
    make_user(roles=[Role.COMPLIANCE_MANAGER])
    assert "Nobody here may decide on it" not in text_of(signed_in(cast.pat).get(PAGE))


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"status": "approved", "decided_by": cast.pat, "decided_at": clock.now()}, "second_person"),
        ({"status": "refused", "decided_by": cast.pat, "decided_at": clock.now()}, "second_person"),
        ({"status": "withdrawn", "decided_by": cast.carol, "decided_at": clock.now()}, "withdrawn_by_own"),
        ({"status": "approved"}, "decided_whole"),
        (
            {"status": "ended", "decided_by": cast.carol, "decided_at": clock.now(), "end_proposed_by": cast.pat},
            "ended_whole",
        ),
        ({"ended_by": cast.carol, "ended_at": clock.now()}, "ended_whole"),
        ({"end_proposed_by": cast.carol}, "end_of_used"),
        (
            {
                "status": "ended",
                "decided_by": cast.carol,
                "decided_at": clock.now(),
                "ended_by": cast.pat,
                "ended_at": clock.now(),
                "end_proposed_by": cast.pat,
            },
            "end_second_person",
        ),
        ({"label": ""}, "mask_term_kind"),
        ({"kind": "keep"}, "mask_term_kind"),
        ({"label": "PET"}, "mask_term_kind"),
        ({"reason": ""}, "has_reason"),
    ],
)
def test_the_database_refuses(fields: dict[str, Any], constraint: str) -> None:
    term = proposed(cast.pat())
    values = {name: value() if callable(value) else value for name, value in fields.items()}
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        MaskTerm.objects.filter(pk=term.pk).update(**values)


@pytest.mark.parametrize("person", ["sam", "audra"])
def test_who_only_reads_sees_the_terms_and_can_do_nothing(person: str) -> None:
    term, client = proposed(cast.pat()), signed_in(getattr(cast, person))
    page = text_of(client.get(PAGE))
    assert "A building of ours" in page
    assert WARD not in page
    assert "Approve" not in page
    assert "Propose a local term" not in page
    for what in ("approve", "refuse", "withdraw", "end"):
        assert client.post(f"{PAGE}terms/{term.pk}/{what}/").status_code == 403
    assert client.post(reverse("mask-term-new"), TERM).status_code == 403
    assert MaskTerm.objects.count() == 1


@pytest.mark.parametrize("person", ["alice", "dora", "otto", "ada", "mallory"])
def test_nobody_else_sees_them(person: str) -> None:
    assert signed_in(getattr(cast, person)).get(PAGE).status_code == 403


def test_reading_the_words_is_on_record() -> None:
    proposed(cast.pat())
    for person in (cast.carol, cast.audra):
        signed_in(person).get(PAGE)
    read = AuditEvent.objects.filter(object_type="compliance.MaskTerm", code=Code.SENSITIVE_READ).order_by("timestamp")
    assert [(e.actor, e.detail.get("step")) for e in read] == [(cast.carol(), "words"), (cast.audra(), None)]


@pytest.mark.parametrize("became", ["refused", "withdrawn", "ended"])
def test_the_words_of_a_term_that_is_over_are_erased(became: str) -> None:
    if became == "ended":
        term = approved(kind="keep")
        term_changes.end(term_id=term.pk, by=cast.carol())
    else:
        term = proposed(cast.pat())
        act, by = (term_changes.refuse, cast.carol()) if became == "refused" else (term_changes.withdraw, cast.pat())
        act(term_id=term.pk, by=by)
    term.refresh_from_db()
    assert (term.status, term.words, bytes(term.blind_index)) == (became, "", b"")
    page = text_of(signed_in(cast.pat).get(PAGE))
    assert WARD not in page
    assert "Words no longer kept" in page


def test_ending_one_that_masks_takes_two_people() -> None:
    term, pat, carol = approved(), signed_in(cast.pat), signed_in(cast.carol)
    assert "waits for a second person" in decide(pat, "end", term)
    assert Notice.objects.get(title="The end of a local term waits").user == cast.carol()
    assert "somebody else has to decide" in decide(pat, "end", term)
    assert "stays in use" in decide(carol, "keep", term)
    assert "Somebody else was faster" in decide(carol, "keep", term)
    assert "waits for a second person" in decide(carol, "end", term)
    mask_terms._Seen.at = float("-inf")
    assert mask_terms.current().mask == ((Label.FACILITY, WARD),)
    assert "no longer follows" in decide(pat, "end", term)
    mask_terms._Seen.at = float("-inf")
    assert mask_terms.current().mask == ()
    term.refresh_from_db()
    assert (term.end_proposed_by, term.ended_by) == (cast.carol(), cast.pat())
    trail = text_of(signed_in(cast.audra).get("/compliance/audit/", {"object_id": str(term.pk)}))
    for words in ("Proposed to end a local term, or to keep it", "Ended a local term"):
        assert words in trail, words


def test_two_ends_that_show_in_the_other_order_are_both_seen() -> None:
    """The moment of a change is of before its commit."""
    first, second = approved(kind="keep", words="Alpha wobble"), approved(kind="keep", words="Beta wobble")
    term_changes.end(term_id=second.pk, by=cast.carol())
    mask_terms._Seen.at = float("-inf")
    assert mask_terms.current().keep == ("Alpha wobble",)
    ended = MaskTerm.objects.get(pk=second.pk).ended_at
    assert ended
    MaskTerm.objects.filter(pk=first.pk).update(
        status=Status.ENDED, ended_by=cast.pat(), ended_at=ended - timedelta(milliseconds=5)
    )
    mask_terms._Seen.at = float("-inf")
    assert mask_terms.current().keep == ()


def test_the_form_and_the_list_promise_no_more_than_is_true() -> None:
    approved(kind="keep", words="Ana Rivera")
    pat = signed_in(cast.pat)
    assert "Never" not in text_of(pat.get(PAGE))
    form = text_of(pat.get(reverse("mask-term-new")))
    assert "unless a title, a role or words such as “seen at” show that they identify somebody" in form


def test_who_proposed_withdraws_and_nobody_else() -> None:
    term = proposed(cast.pat())
    assert "Only who proposed" in decide(signed_in(cast.carol), "withdraw", term)
    assert AuditEvent.objects.filter(code=Code.AUTHZ_FAIL, object_id=str(term.pk)).exists()
    assert "withdrawn" in decide(signed_in(cast.pat), "withdraw", term)
    assert "Somebody else was faster" in decide(signed_in(cast.carol), "approve", term)
    term.refresh_from_db()
    assert (term.status, term.decided_by) == (Status.WITHDRAWN, cast.pat())


def test_a_refused_term_changes_nothing_and_can_be_proposed_again() -> None:
    term = proposed(cast.pat())
    assert "is refused" in decide(signed_in(cast.carol), "refuse", term)
    assert Notice.objects.get(user=cast.pat()).text == "The one you proposed was refused."
    assert mask_terms.current().mask == ()
    proposed(cast.carol())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"words": ""}, "Enter the words."),
        ({"words": "x" * 101}, "at most 100 characters"),
        ({"words": "?!"}, "at least two letters or digits"),
        ({"words": "6"}, "at least two letters or digits"),
        ({"words": "of"}, "at least three where they are letters alone"),
        ({"words": "[NAME-1]"}, "Leave out square brackets"),
        ({"words": "Quill\u200bfeather"}, "Leave out square brackets"),
        ({"label": ""}, "Choose what it is masked as."),
        ({"label": "PET"}, "That is not one of the choices."),
        ({"kind": "hide"}, "That is not one of the choices."),
        ({"kind": ""}, "Choose one."),
        ({"reason": " "}, "Say why."),
        ({"reason": "x" * 501}, "Shorten it to 500 characters."),
        ({"kind": "keep", "words": "078-05-1120"}, "social security number. That is always masked."),
        ({"kind": "keep", "words": "maria.lopez@example.org"}, "e-mail address"),
        ({"kind": "keep", "words": "(212) 555-0187"}, "phone number"),
        ({"kind": "keep", "words": "MRN 48213907"}, "record number"),
        ({"kind": "keep", "words": "03/14/1951"}, "date"),
        ({"kind": "keep", "words": "Quillon 48213"}, "other identifier"),
        ({"kind": "keep", "words": "203.0.113.42"}, "network address"),
        ({"report": "7f1c1f0a-3f0a-4d3a-8a39-000000000000"}, "That report does not exist."),
    ],
)
def test_a_term_that_makes_no_sense_is_refused_with_words(fields: dict[str, str], words: str) -> None:
    page = propose(signed_in(cast.pat), **fields)
    assert words in page
    assert 'class="err"' in page
    assert not MaskTerm.objects.exists()


@pytest.mark.parametrize("words", ["6E", "K12", "OS-4471", "Apgar", "Quillon score", "São Bento"])
def test_short_codes_and_names_of_scores_can_be_kept(words: str) -> None:
    assert proposed(cast.pat(), kind="keep", words=words).words == words


def test_a_refusal_is_on_record_and_what_was_typed_is_not() -> None:
    propose(signed_in(cast.pat), kind="keep", words="maria.lopez@example.org")
    event = AuditEvent.objects.get(code=Code.INPUT_VALIDATION_FAIL)
    assert (event.object_type, event.outcome, event.detail) == (
        "compliance.MaskTerm",
        "denied",
        {"reason": "identifier"},
    )
    assert b"lopez" not in bytes(event.canonical)


def test_the_same_words_are_there_once_whatever_is_to_be_done_with_them() -> None:
    pat = signed_in(cast.pat)
    propose(pat)
    assert "wait for a second person already" in propose(pat, words="QUILLFEATHER  annex")
    assert "wait for a second person already" in propose(pat, kind="keep")
    assert MaskTerm.objects.count() == 1


def test_no_row_and_no_event_holds_the_words() -> None:
    propose(signed_in(cast.pat), reason="Quillfeather Annex is ours, says Maria Lopez")
    term = MaskTerm.objects.get()
    assert term.reason.endswith(" is ours, says [name]")
    decide(signed_in(cast.carol), "approve", term)
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text, t.words, t.blind_index FROM compliance_maskterm t")
        row = [str(part) if isinstance(part, str) else bytes(part).decode("latin-1") for part in cursor.fetchone()]
    events = [bytes(e.canonical).decode() for e in AuditEvent.objects.filter(object_id=str(term.pk))]
    assert len(events) == 2
    for text in (*row, *events):
        assert "quillfeather" not in text.casefold()


def test_words_moved_to_another_term_do_not_open() -> None:
    one, other = proposed(cast.pat()), proposed(cast.pat(), words="Quillfeather Wing")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE compliance_maskterm SET words = (SELECT words FROM compliance_maskterm WHERE id = %s) "
            "WHERE id = %s",
            [one.pk, other.pk],
        )
    with pytest.raises(Unsealable):
        str(MaskTerm.objects.get(pk=other.pk).words)


def test_approving_and_ending_need_both_factors_again() -> None:
    term = proposed(cast.pat())
    late = cast.sign_in(Client(), cast.carol(), proved=False)
    assert late.post(f"{PAGE}terms/{term.pk}/approve/")["Location"].startswith("/signin/again/")
    term.refresh_from_db()
    assert term.status == Status.PROPOSED


def test_a_term_that_does_not_exist() -> None:
    assert signed_in(cast.carol).post(f"{PAGE}terms/{uuid.uuid4()}/approve/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_of_two_who_decide_at_once_one_wins() -> None:
    term = proposed(cast.pat())
    people = [cast.carol(), make_user(roles=[Role.PRIVACY_OFFICER])]
    outcomes: list[str] = []
    barrier = threading.Barrier(2)

    def act(decision: Callable[..., MaskTerm], by: User) -> None:
        barrier.wait()
        try:
            decision(term_id=term.pk, by=by)
            outcomes.append("done")
        except term_changes.AlreadyDecided:
            outcomes.append("late")
        finally:
            connection.close()

    decisions = (term_changes.approve, term_changes.refuse)
    threads = [threading.Thread(target=act, args=pair) for pair in zip(decisions, people, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "late"]
    assert MaskTerm.objects.get().status in {Status.APPROVED, Status.REFUSED}
    assert Notice.objects.filter(user=cast.pat()).count() == 1
