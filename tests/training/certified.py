"""People who have finished training, made without going through it; and the starter content, read once."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from unittest import mock

from django.conf import settings

from clinchat.lib import clock
from compliance import policies
from compliance.models import PolicyVersion, User
from training import loading
from training.bank.types import SIX
from training.models import Certificate, Enrolment


@cache
def _content() -> loading.Content:
    return loading.read(Path(settings.TRAINING_CONTENT))


def load_content() -> None:
    """The starter content, in force. Its files are read once a process."""
    content = _content()
    with mock.patch.object(loading, "read", return_value=content):
        loading.load(Path(settings.TRAINING_CONTENT))


def certify(person: User, *, slug: str, expires_at: datetime | None = None) -> Certificate:
    """A certificate of one module, as if it had been passed; it ends in a year."""
    now = clock.now()
    end = expires_at or now + timedelta(days=365)
    begun = min(now, end - timedelta(days=365))
    enrolment = Enrolment.objects.create(person=person, slug=slug, opened_at=begun, completed_at=begun)
    return Certificate.objects.create(
        person=person,
        slug=slug,
        title=slug,
        version="1.0",
        enrolment=enrolment,
        percent=90,
        issued_at=begun,
        expires_at=end,
        token="not signed",
    )


def train(*people: User, expires_at: datetime | None = None) -> None:
    """All six certificates for each of them, and every policy in force accepted."""
    for person in people:
        for slug in SIX:
            certify(person, slug=slug, expires_at=expires_at)
        for policy in PolicyVersion.objects.in_force():
            policies.acknowledge(person=person, policy=policy)
