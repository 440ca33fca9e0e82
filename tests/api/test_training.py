"""Training through the API: from the first lesson to a certificate, and what it never tells on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from compliance.models import AuditEvent, Code
from tests import cast
from tests.api.conftest import Api
from tests.api.documented import Documented, signed_in
from tests.api.test_signin import assert_problem
from tests.training import certified, making_learning
from training import attempts, enrolments
from training.models import Attempt, Certificate, LessonRead

pytestmark = pytest.mark.django_db
HIPAA = "training/modules/hipaa"


@pytest.fixture(autouse=True)
def _content(db: None) -> None:
    certified.load_content()


@pytest.fixture
def nadia(db: None) -> Documented:
    return signed_in(cast.nadia())


def begun(api: Documented) -> dict[str, Any]:
    """The attempt of somebody who has read the lessons."""
    making_learning.read_lessons(cast.nadia())
    answer = api.post(f"{HIPAA}/attempts")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def answer_all(api: Documented, attempt: dict[str, Any], *, rightly: bool = True) -> None:
    for question in attempts.form_of(Attempt.objects.get(pk=attempt["id"]))[: None if rightly else 3]:
        path = f"training/attempts/{attempt['id']}/answers/{question.answer.number}"
        saved = api.put(path, {"revision": 0, "answer": making_learning.right(question)}).json()
        assert saved["revision"] == 1
        assert saved["whole"]


def explanations() -> set[str]:
    """What the bank says about options of this module: none of it belongs into a form."""
    items = enrolments.in_force("hipaa").module.items
    options = [option for item in items for option in item.options]
    options += [option for item in items for part in item.parts for option in part.options]
    return {option.why for option in options}


def test_from_the_first_lesson_to_a_certificate(nadia: Documented, api: Api) -> None:
    assert nadia.get("training/modules").json()["next"] == "hipaa"
    early = assert_problem(nadia.post(f"{HIPAA}/attempts"), 409)
    lessons = nadia.get(HIPAA).json()["lessons"]
    assert early["lessons"] == [one["key"] for one in lessons]
    for one in lessons:
        path = f"{HIPAA}/lessons/{one['key']}"
        lesson = nadia.get(path).json()
        assert lesson["text"]
        marked = nadia.post(f"{path}/read", {"version": lesson["version"]}).json()
        assert marked["lesson"]["read"]
    attempt = nadia.post(f"{HIPAA}/attempts").json()
    assert nadia.post(f"{HIPAA}/attempts").json()["id"] == attempt["id"]  # gone on with
    answer_all(nadia, attempt)
    assert_problem(nadia.post(f"training/attempts/{attempt['id']}/submit", {"attested": False}), 422)
    done = nadia.post(f"training/attempts/{attempt['id']}/submit", {"attested": True}).json()
    assert (done["passed"], done["percent"]) == (True, 100)
    assert {one["result"] for one in done["explained"]} == {"right"}
    (held,) = nadia.get("training/certificates").json()["certificates"]
    assert held["id"] == done["certificate"]
    token = nadia.get(f"training/certificates/{held['id']}").json()["token"]
    assert api.post("training/certificates/verify", {"token": token}).json()["verdict"] == "valid"
    assert api.post("training/certificates/verify", {"token": token[:-4] + "AAAA"}).json()["verdict"] == "forged"
    (turn,) = nadia.get("training/transcript").json()["turns"]
    assert turn["attempts"][0]["percent"] == 100
    passed = assert_problem(nadia.post(f"{HIPAA}/attempts"), 409)
    assert passed["until"] == held["expires_at"]


def test_the_check_of_a_lesson_says_why_and_keeps_nothing(nadia: Documented) -> None:
    path = f"{HIPAA}/lessons/{nadia.get(HIPAA).json()['lessons'][0]['key']}"
    offered = nadia.get(path).json()["check"]["options"]
    told = [nadia.post(f"{path}/check", {"answer": one["value"]}).json() for one in offered]
    assert [one["right"] for one in told].count(True) == 1
    assert all(one["why"] for one in told)
    assert_problem(nadia.post(f"{path}/check", {"answer": "z"}), 422)
    assert not LessonRead.objects.exists()


def test_what_is_right_is_not_told_before_the_last_attempt(nadia: Documented) -> None:
    attempt, secrets = begun(nadia), explanations()
    assert len(secrets) > 100
    answer_all(nadia, attempt, rightly=False)
    open_one = nadia.get(f"training/attempts/{attempt['id']}")
    failed = nadia.post(f"training/attempts/{attempt['id']}/submit", {"attested": True})
    assert failed.json()["passed"] is False
    assert failed.json()["again"]
    for answer in (json.dumps(attempt), open_one.content.decode(), failed.content.decode()):
        assert '"right"' not in answer
        assert not [why for why in secrets if json.dumps(why, ensure_ascii=False)[1:-1] in answer]
    waits = assert_problem(nadia.post(f"{HIPAA}/attempts"), 409)
    assert waits["until"] == failed.json()["opens_at"]


def test_two_windows_do_not_overwrite_each_other(nadia: Documented) -> None:
    attempt = begun(nadia)
    question = next(one for one in attempt["questions"] if one["kind"] == "single")
    path = f"training/attempts/{attempt['id']}/answers/{question['number']}"

    def save(letter: str, revision: int) -> Any:
        return nadia.put(path, {"revision": revision, "answer": {"answer": [letter]}})

    assert save("a", 0).json()["revision"] == 1
    assert save("a", 0).json()["revision"] == 1  # the same again
    assert assert_problem(save("b", 0), 409)["revision"] == 1
    assert save("b", 1).json()["revision"] == 2
    assert_problem(save("z", 2), 422)
    assert_problem(nadia.put(path, {"revision": 2, "answer": {"item": ["a"]}}), 422)
    assert_problem(nadia.put(f"training/attempts/{attempt['id']}/answers/99", {"revision": 0, "answer": {}}), 404)


def test_an_attempt_and_a_certificate_are_nobody_elses_business(nadia: Documented) -> None:
    attempt = making_learning.passed(cast.nadia())
    mine = Certificate.objects.get(person=cast.nadia())
    alice, dora = signed_in(cast.alice()), signed_in(cast.dora())
    for path in (f"training/attempts/{attempt.pk}", f"training/certificates/{mine.pk}"):
        assert nadia.get(path).status_code == 200
        assert_problem(alice.get(path), 404)
    assert_problem(
        alice.put(f"training/attempts/{attempt.pk}/answers/1", {"revision": 0, "answer": {"answer": ["a"]}}), 404
    )
    assert_problem(dora.get(f"training/attempts/{attempt.pk}"), 404)
    assert dora.get(f"training/certificates/{mine.pk}").status_code == 200  # heads the department
    read = AuditEvent.objects.filter(code=Code.SENSITIVE_READ, object_type="training.Certificate")
    assert [event.actor_id for event in read] == [cast.dora().pk]


def test_a_certificate_is_revoked_by_somebody_else_with_a_reason(nadia: Documented) -> None:
    making_learning.passed(cast.nadia())
    mine = Certificate.objects.get(person=cast.nadia())
    path, reason = f"training/certificates/{mine.pk}/revoke", {"reason": "Somebody else sat it."}
    assert_problem(nadia.post(path, reason), 403)
    pat = signed_in(cast.pat())
    assert_problem(pat.post(path, {"reason": ""}), 400)
    assert pat.post(path, reason).json()["valid"] is False
    assert_problem(pat.post(path, reason), 409)


def test_a_head_unlocks_another_attempt_and_gives_more_time(nadia: Documented, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.attempts.opens_at", lambda *_: None)  # what waiting means has its own tests
    turn = making_learning.failed(cast.nadia()).enrolment
    dora, person = signed_in(cast.dora()), f"training/people/{cast.nadia().pk}"
    unlocking = {"turn": str(turn.pk), "reason": "We went through it together."}
    assert_problem(dora.post(f"{person}/unlock", unlocking), 409)
    for _ in range(turn.attempts.count() - 1):
        making_learning.failed(cast.nadia())
    assert_problem(nadia.post(f"{HIPAA}/attempts"), 409)
    assert dora.get(person).json()["transcript"]["turns"][0]["stuck"]
    assert dora.post(f"{person}/unlock", unlocking).json()["transcript"]["turns"][0]["attempts_left"] == 1
    assert nadia.post(f"{HIPAA}/attempts").status_code == 200
    assert dora.post(f"{person}/accommodation", {"more": "1.5"}).json()["more_time"] == "1.5"
    assert dora.post(f"{person}/accommodation", {"more": "end"}).json()["more_time"] is None
    assert_problem(nadia.get(person), 403)
    assert_problem(dora.get(f"training/people/{cast.sam().pk}"), 404)
    assert_problem(dora.post(f"training/people/{cast.dora().pk}/accommodation", {"more": "2"}), 403)


def test_oversight_reads_the_same_and_is_on_record(nadia: Documented) -> None:
    making_learning.passed(cast.nadia())
    carol, dora = signed_in(cast.carol()), signed_in(cast.dora())
    assert carol.get("training/cohort?q=nadia").json()["members"][0]["passed"] == 1
    assert carol.get("training/cohort").json()["people"] > dora.get("training/cohort").json()["people"]
    evidence = carol.get(f"training/people/{cast.nadia().pk}/evidence").json()
    assert evidence["attempts"][0]["questions"][0]["given"] != "Not answered"
    item = evidence["attempts"][0]["questions"][0]["item"]
    assert dora.get(f"training/people/{cast.nadia().pk}/evidence").json()["attempts"][0]["questions"] == []
    listed = {one["key"]: one for one in carol.get("training/items?module=hipaa").json()["items"]}
    assert listed[item]["n"] == 1
    parts = carol.get(f"training/items/{item}").json()["parts"]
    assert any(option["right"] for part in parts for option in part["options"])
    assert carol.get("training/misconceptions").json() == {"objectives": []}
    assert AuditEvent.objects.filter(code=Code.SENSITIVE_READ, actor_id=cast.carol().pk).count() == 6
    for path in ("training/cohort", "training/items", f"training/people/{cast.nadia().pk}/evidence"):
        assert_problem(nadia.get(path), 403)


def test_feedback_is_given_and_answered(nadia: Documented) -> None:
    sent = {"about": "lesson", "subject": "hipaa/your-name-your-screen", "category": "privacy", "text": "Ask Ann Lee"}
    assert_problem(nadia.post("feedback", sent | {"subject": "/?patient=Ann Lee"}), 400)
    given = nadia.post("feedback", sent)
    assert given.status_code == 201
    path = f"feedback/{given.json()['id']}"
    assert nadia.get("feedback").json()["feedback"] == [nadia.get(path).json()]
    assert_problem(signed_in(cast.alice()).get(path), 404)
    assert_problem(nadia.get("feedback?queue=true"), 403)
    assert signed_in(cast.edith()).get("feedback?queue=true").json()["feedback"] == []  # no privacy concerns
    pat = signed_in(cast.pat())
    assert len(pat.get("feedback?queue=true&status=open").json()["feedback"]) == 1
    assert_problem(pat.post(f"{path}/reply", {"revision": 0, "status": "settled"}), 422)
    reply = {"revision": 0, "status": "settled", "reply": "Mended."}
    assert pat.post(f"{path}/reply", reply).json()["revision"] == 1
    assert_problem(pat.post(f"{path}/reply", reply), 409)
    assert nadia.get(path).json()["reply"] == "Mended."
