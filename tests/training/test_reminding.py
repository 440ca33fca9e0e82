"""Before a certificate ends its holder and the head of the department are told, each threshold once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from clinchat.lib import clock
from compliance.models import Notice, User
from tests import cast
from tests.training import certified
from training import reminding
from training.models import CertificateReminder, Enrolment

pytestmark = pytest.mark.django_db


def told(person: User) -> int:
    return Notice.objects.filter(user=person, mail="waiting").count()


def test_each_threshold_tells_both_once(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MAIL_URL = "smtp://127.0.0.1:1"
    certified.load_content()
    alice, dora, carol = cast.alice(), cast.dora(), cast.carol()
    now = clock.now()
    certificate = certified.certify(alice, slug="hipaa", expires_at=now + timedelta(days=61))
    days = []
    for later in range(62):
        moment = now + timedelta(days=later)
        monkeypatch.setattr(clock, "now", lambda moment=moment: moment)
        if reminding.remind_of_certificates():
            days.append(later)
        assert reminding.remind_of_certificates() == 0
    assert days == [1, 31, 47, 54, 60]
    assert (told(alice), told(dora), told(carol)) == (5, 5, 0)
    assert sorted(certificate.reminders.values_list("days", flat=True)) == [1, 7, 14, 30, 60]
    renewal = Enrolment.objects.open().get(person=alice)
    assert (renewal.kind, renewal.due_at) == (Enrolment.Kind.RENEWAL, certificate.expires_at)


def test_missed_days_are_caught_up_once_and_a_renewed_one_worries_nobody() -> None:
    certified.load_content()
    alice, bob = cast.alice(), cast.bob()
    certified.certify(alice, slug="hipaa", expires_at=clock.now() + timedelta(days=5))
    certified.certify(bob, slug="hipaa", expires_at=clock.now() + timedelta(days=5))
    certified.certify(bob, slug="hipaa")
    reminding.remind_of_certificates()
    assert list(CertificateReminder.objects.values_list("certificate__person", "days")) == [(alice.pk, 7)]
    assert not Enrolment.objects.open().filter(person=bob).exists()


def test_overdue_first_training_is_told_once_a_week(monkeypatch: pytest.MonkeyPatch) -> None:
    certified.load_content()
    nadia, alice = cast.nadia(), cast.alice()
    certified.train(alice)
    old = clock.now() - timedelta(days=31)
    User.objects.filter(pk__in=[nadia.pk, alice.pk]).update(created_at=old)
    assert (reminding.remind_of_first_training(), reminding.remind_of_first_training()) == (1, 0)
    assert Notice.objects.get(title=reminding.OVERDUE).user == nadia
    later = clock.now() + timedelta(days=8)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert reminding.remind_of_first_training() == 1
