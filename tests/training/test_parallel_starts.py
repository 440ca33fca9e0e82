"""However many ask at the same moment: one attempt is begun, none is made, and nothing that follows is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections

from tests import cast
from tests.processes import PATIENCE
from tests.training import certified
from tests.training import making_learning as making
from training import attempts, certificates
from training.bank.types import SIX
from training.models import Attempt, Certificate
from training.models.certificates import OVERALL

STARTS, AT_ONCE = 200, 50


@pytest.mark.django_db(transaction=True)
def test_two_hundred_starts_begin_one_attempt() -> None:
    certified.load_content()
    nadia = cast.nadia()
    making.read_lessons(nadia)
    rights = Attempt.objects.count()
    together = threading.Barrier(AT_ONCE)

    def start(number: int) -> UUID:
        try:
            if number < AT_ONCE:
                connection.ensure_connection()
                together.wait(timeout=PATIENCE)
            return attempts.start(person=nadia, slug=making.SLUG).pk
        finally:
            if number >= STARTS - AT_ONCE:
                connections.close_all()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        begun = set(pool.map(start, range(STARTS)))
        list(pool.map(lambda _: connections.close_all(), range(AT_ONCE)))
    assert len(begun) == 1
    assert Attempt.objects.count() == rights
    assert [one.number for one in Attempt.objects.exclude(state="unused")] == [1]
    assert Attempt.objects.get(state="open").answers.count() > 0


@pytest.mark.django_db(transaction=True)
def test_the_last_two_modules_passed_at_once_make_the_certificate_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    certified.load_content()
    nadia = cast.nadia()
    for slug in SIX[2:]:
        certified.certify(nadia, slug=slug)
    last = [making.begun(nadia, slug) for slug in SIX[:2]]
    for attempt in last:
        making.fill(attempt)
    both, issue = threading.Barrier(2), certificates._issue_overall

    def together(*given: Any) -> None:
        both.wait(timeout=PATIENCE)
        issue(*given)

    def submit(attempt: Attempt) -> None:
        try:
            attempts.submit(attempt=attempt, attested=True)
        finally:
            connections.close_all()

    monkeypatch.setattr(certificates, "_issue_overall", together)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(submit, last))
    assert Certificate.objects.filter(person=nadia, slug=OVERALL).count() == 1
