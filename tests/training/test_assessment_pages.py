"""The pages of an assessment: what they give away, what they refuse, and whose they are."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from compliance.models import AuditEvent
from tests import cast
from tests.training import certified
from tests.training import making_learning as making
from training import attempts, enrolments
from training.attempts import Question
from training.models import Attempt, Certificate, Enrolment

pytestmark = pytest.mark.django_db
SLUG = making.SLUG
JSON = {"accept": "application/json"}


@pytest.fixture(autouse=True)
def _content() -> None:
    certified.load_content()


@pytest.fixture
def client() -> Client:
    return cast.sign_in(Client(), cast.nadia())


def text(response: Any) -> str:
    return unescape(response.content.decode())


def secrets_of(question: Question) -> list[str]:
    """Everything about a question that is not to be in a page before it is graded."""
    item = question.item
    whys = [one.why for one in item.options] + [one.why for one in item.steps] + [one.why for one in item.numbers]
    whys += [one.why for one in (*item.pairs, *item.extra)] + [
        option.why for part in item.parts for option in part.options
    ]
    return [item.key, *whys]


def pages_of(client: Client, attempt: Attempt) -> dict[str, str]:
    count = attempt.answers.count()
    names = [*(str(n) for n in range(1, count + 1)), "review"]
    return {name: text(client.get(f"/training/attempts/{attempt.pk}/{name}/")) for name in names}


def test_from_the_lessons_to_the_certificate(client: Client) -> None:
    nadia, address = cast.nadia(), f"/training/{SLUG}/assessment/"
    assert "Read these lessons first" in text(client.post(address, follow=True))
    making.read_lessons(nadia)
    assert "Start the assessment" in text(client.get(address))
    first = client.post(address, follow=True)
    attempt = Attempt.objects.get(state="open")
    assert first.redirect_chain[-1][0] == f"/training/attempts/{attempt.pk}/1/"
    for question in attempts.form_of(attempt):
        sent = making.right(question) | {"revision": ["0"]}
        answer = client.post(f"/training/attempts/{attempt.pk}/{question.answer.number}/", sent)
        assert answer.status_code == 302
    assert answer["Location"].endswith("/review/")
    refused = client.post(answer["Location"])
    assert (refused.status_code, Attempt.objects.get(state="open")) == (422, attempt)
    for _ in range(2):
        result = client.post(answer["Location"], {"attested": "yes"}, follow=True)
        assert "You passed" in text(result)
    assert Certificate.objects.count() == 1
    for question in attempts.form_of(attempt):
        assert all(why in text(result) for why in secrets_of(question)[1:]), question.item.key


def test_no_page_gives_an_answer_away_before_or_between_attempts(client: Client) -> None:
    attempt = making.begun(cast.nadia())
    form = attempts.form_of(attempt)
    making.fill(attempt, first=2)
    pages = pages_of(client, attempt)
    client.post(f"/training/attempts/{attempt.pk}/review/", {"attested": "yes"})
    pages["result"] = text(client.get(f"/training/attempts/{attempt.pk}/"))
    assert "Read again" in pages["result"]
    assert "The next attempt opens" in pages["result"]
    for name, page in pages.items():
        found = [secret for question in form for secret in secrets_of(question) if secret in page]
        assert not found, name
        assert not re.search(r"data-right|is-right|class=\"right", page), name
    assert not any(one.item.question in pages["result"] for one in form)


def test_after_the_last_attempt_every_option_is_explained(client: Client) -> None:
    for weeks in (9, 6, 3):
        with making.ago(weeks=weeks):
            attempt = making.failed(cast.nadia())
    page = text(client.get(f"/training/attempts/{attempt.pk}/"))
    assert "No attempt is left" in page
    assert all(why in page for one in attempts.form_of(attempt) for why in secrets_of(one)[1:])
    assert "No attempt is left" in text(client.get(f"/training/{SLUG}/assessment/"))


def test_saving_without_the_page_answers_with_the_time_and_tells_of_another_window(client: Client) -> None:
    attempt = making.begun(cast.nadia())
    question = next(one for one in attempts.form_of(attempt) if one.item.kind == "single")
    address = f"/training/attempts/{attempt.pk}/{question.answer.number}/"
    saved = client.post(address, {"answer": "a", "revision": "0"}, headers=JSON).json()
    assert (saved["revision"], len(saved["saved"])) == (1, 5)
    stale = client.post(address, {"answer": "b", "revision": "0"}, headers=JSON)
    assert (stale.status_code, stale.json()["reload"]) == (409, True)
    page = client.post(address, {"answer": "b", "revision": "0"})
    assert page.status_code == 409
    assert "Another window has saved another answer" in text(page)
    assert re.search(r'value="a" checked', text(page))


@pytest.mark.parametrize(
    "sent",
    [
        {"answer": "z", "revision": "0"},
        {"answer": "aa", "revision": "0"},
        {"answer": "a"},
        {"answer": "a", "revision": "-1"},
        {"answer": "a", "revision": "99999999999999"},
    ],
)
def test_what_no_form_of_ours_sends_is_refused(client: Client, sent: dict[str, str]) -> None:
    attempt = making.begun(cast.nadia())
    question = next(one for one in attempts.form_of(attempt) if one.item.kind == "single")
    assert client.post(f"/training/attempts/{attempt.pk}/{question.answer.number}/", sent).status_code == 422
    assert not attempt.answers.exclude(given=None).exists()


def test_an_attempt_of_somebody_else_is_not_there_and_that_is_on_record() -> None:
    attempt = making.begun(cast.nadia())
    bob = cast.sign_in(Client(), cast.bob())
    addresses = [f"/training/attempts/{attempt.pk}/{rest}" for rest in ("", "1/", "review/")]
    assert [bob.get(one).status_code for one in addresses] == [404] * 3
    assert bob.post(addresses[1], {"answer": "a", "revision": "0"}).status_code == 404
    assert bob.post(addresses[2], {"attested": "yes"}).status_code == 404
    assert AuditEvent.objects.filter(code="authz_fail", actor_id=cast.bob().pk).count() == 5
    own = cast.sign_in(Client(), cast.nadia())
    assert [own.get(addresses[0] + one).status_code for one in ("0/", "99/", "nothing/")] == [404] * 3


def test_a_head_of_the_department_unlocks_and_grants_more_time_and_a_colleague_does_not() -> None:
    nadia = cast.nadia()
    for weeks in (9, 6, 3):
        with making.ago(weeks=weeks):
            making.failed(nadia)
    address = f"/compliance/training/people/{nadia.pk}/learning/"
    turn = Enrolment.objects.get()
    sent = {"enrolment": str(turn.pk), "reason": "We went through it for John Smith, MRN 00482913"}
    assert cast.sign_in(Client(), cast.bob()).post(f"{address}unlock/", sent).status_code == 403
    dora = cast.sign_in(Client(), cast.dora())
    assert enrolments.in_force(SLUG).title in text(dora.get(address))
    assert dora.post(f"{address}unlock/", sent | {"reason": ""}).status_code == 422
    assert "One more attempt is unlocked" in text(dora.post(f"{address}unlock/", sent, follow=True))
    assert "Nothing was changed" in text(dora.post(f"{address}unlock/", sent, follow=True))
    [more] = Attempt.objects.filter(state="unused")
    assert "00482913" not in more.unlock_reason
    dora.post(f"{address}time/", {"more": "none"})
    assert attempts.accommodation_of(nadia) is not None
    dora.post(f"{address}time/", {"more": "end"})
    assert attempts.accommodation_of(nadia) is None
    assert dora.post(f"{address}time/", {"more": "3"}).status_code == 422
    own = f"/compliance/training/people/{cast.dora().pk}/learning/"
    assert "somebody else has to do it" in text(dora.post(f"{own}time/", {"more": "2"}, follow=True))
