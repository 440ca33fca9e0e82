"""Many failed sign-ins across the portal: on record, in the log, and told to the security officers."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.test import Client

from compliance.access import counters, lockout
from compliance.models import AuditEvent, Code, Notice
from tests import cast
from tests.guards.test_documents import ROOT

pytestmark = pytest.mark.django_db


def redis() -> Any:
    return counters.client()


def fail(times: int, *, start: int = 0) -> None:
    for number in range(start, start + times):
        lockout.failed(f"person{number}@hospital.test", f"203.0.113.{number}")


def alerts() -> int:
    return AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_FAIL_MAX).count()


def test_more_than_ten_in_a_minute() -> None:
    fail(10)
    assert (lockout.alert(), alerts()) == (False, 0)
    fail(1, start=10)
    assert (lockout.alert(), alerts()) == (True, 1)
    event = AuditEvent.objects.get(code=Code.AUTHN_LOGIN_FAIL_MAX)
    assert event.detail == {"more_than": 10, "seconds": 60}


def test_it_is_told_once_a_minute_and_to_the_officers_once_in_ten() -> None:
    sam = cast.sam()
    fail(40)
    assert alerts() == 1
    assert 0 < redis().pttl("abuse:lock:alert") <= 60_000
    redis().delete("abuse:lock:alert")  # a minute later
    fail(1, start=40)
    assert alerts() == 2
    notice = Notice.objects.get()
    assert (notice.user, notice.level) == (sam, Notice.Level.CRITICAL)
    assert 590 <= redis().ttl("abuse:once:failures told") <= 600
    redis().delete("abuse:lock:alert", "abuse:once:failures told")
    fail(1, start=41)
    assert Notice.objects.count() == 2


def test_failures_of_an_earlier_minute_do_not_count() -> None:
    fail(10)
    times = [int(at) - 61_000 for at in redis().lrange("abuse:lock:failures", 0, -1)]
    redis().delete("abuse:lock:failures")
    redis().rpush("abuse:lock:failures", *times)
    fail(5, start=10)
    assert (lockout.alert(), alerts()) == (False, 0)
    fail(6, start=15)
    assert (lockout.alert(), alerts()) == (True, 1)


def test_the_condition_passes_by_itself() -> None:
    fail(11)
    assert 0 < redis().pttl("abuse:lock:failures") <= 60_000
    redis().delete("abuse:lock:failures")
    assert lockout.alert() is False


def test_the_log_has_a_line_an_operator_searches_for(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "clinchat.security"):
        fail(12)
    (line,) = [record for record in caplog.records if getattr(record, "code", "") == "AUTH_FAILURES"]
    fields: dict[str, Any] = vars(line)["fields"]
    event = AuditEvent.objects.get(code=Code.AUTHN_LOGIN_FAIL_MAX)
    assert fields == {"event_id": str(event.pk), "more_than": 10, "seconds": 60}
    assert "`AUTH_FAILURES`" in (ROOT / "docs/operations.md").read_text()


def test_whoever_may_block_sees_that_it_is_so(client: Client) -> None:
    words = "More than ten sign-ins failed in the last minute"
    cast.sign_in(client, cast.sam())
    assert words not in client.get("/compliance/blocks/").content.decode()
    fail(11)
    assert words in client.get("/compliance/blocks/").content.decode()
