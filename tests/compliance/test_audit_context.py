"""Who acts, from where and for which request reaches every event by itself."""

from __future__ import annotations

import contextvars
import threading
import uuid
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import StreamingHttpResponse
from django.test import Client, RequestFactory
from django.utils.functional import SimpleLazyObject

from clinchat.middleware import RequestContext
from compliance import audit
from compliance.audit import lifecycle
from compliance.models import AuditEvent, Code, Crude, User
from tests import cast, trail

pytestmark = pytest.mark.django_db


def recorded(code: Code = Code.SENSITIVE_READ, action: Crude = Crude.READ) -> AuditEvent:
    return trail.event(audit.record(code=code, action=action))


def test_contexts_nest_and_come_back() -> None:
    alice, bob, outer_id = cast.alice(), cast.bob(), uuid.uuid4()
    with audit.bind(actor=alice, correlation_id=outer_id, source="10.0.0.1"):
        with audit.bind(actor=bob):
            inner = recorded()
        outer = recorded()
    after = recorded()
    assert (inner.actor_id, inner.correlation_id, inner.remote_addr) == (bob.pk, outer_id, "10.0.0.1")
    assert (outer.actor_id, outer.correlation_id, outer.remote_addr) == (alice.pk, outer_id, "10.0.0.1")
    assert (after.actor_id, after.correlation_id, after.remote_addr) == (None, None, None)


def test_context_comes_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), audit.bind(actor=cast.alice()):
        _ = 1 / 0
    assert audit.current().actor is None


def test_nobody_can_be_bound_inside_somebody() -> None:
    with audit.bind(actor=cast.alice()), audit.bind(actor=None):
        assert recorded().actor_id is None


def test_other_threads_and_tasks_do_not_see_it() -> None:
    with audit.bind(actor=cast.alice()):
        assert contextvars.Context().run(audit.current) == audit.AuditContext()


def test_thread_that_is_given_the_context_acts_for_the_same_person() -> None:
    alice, seen = cast.alice(), []
    with audit.bind(actor=alice, session="s"):
        context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: seen.append(context.run(audit.current)))
    thread.start()
    thread.join()
    assert (seen[0].actor, seen[0].session) == (alice, "s")


def test_binding_does_not_look_the_person_up() -> None:
    """Every request binds its user, and most need no event."""

    def look_up() -> User:
        raise AssertionError("looked up")

    with audit.bind(actor=SimpleLazyObject(look_up)), audit.bind(source="10.0.0.1"):  # type: ignore[arg-type]
        pass


def test_stranger_is_recorded_as_nobody() -> None:
    with audit.bind(actor=AnonymousUser()):
        event = recorded(Code.AUTHZ_FAIL, Crude.EXECUTE)
    assert (event.actor_id, event.actor_name, event.actor_roles) == (None, "", [])


def test_events_of_one_request_share_its_correlation_id(client: Client) -> None:
    bob = cast.bob()
    cast.sign_in(client, bob)
    reference = client.get("/admin/", REMOTE_ADDR="192.0.2.7").context["reference"]
    event = AuditEvent.objects.get(code=Code.AUTHZ_FAIL)
    assert event.correlation_id is not None
    assert reference == f"E-{event.correlation_id.hex[:8].upper()}"
    assert (event.actor_id, event.remote_addr) == (bob.pk, "192.0.2.7")
    assert event.session == audit.session_digest(client.session.session_key)
    assert str(client.session.session_key) not in str(vars(event))
    assert client.get("/admin/").context["reference"] != reference


def test_forwarded_header_is_not_believed(client: Client) -> None:
    cast.sign_in(client, cast.bob())
    client.get("/admin/", REMOTE_ADDR="192.0.2.7", headers={"X-Forwarded-For": "203.0.113.9"})
    assert AuditEvent.objects.get(code=Code.AUTHZ_FAIL).remote_addr == "192.0.2.7"


def test_unix_socket_has_no_address(client: Client) -> None:
    cast.sign_in(client, cast.bob())
    client.get("/admin/", REMOTE_ADDR="")
    assert AuditEvent.objects.get(code=Code.AUTHZ_FAIL).remote_addr is None


def test_stream_is_made_in_the_context_of_its_request() -> None:
    """A stream is read when the middleware has long returned; django-auditlog's own loses the actor there."""
    alice = cast.alice()

    def parts() -> Iterator[str]:
        for _ in range(2):
            yield str(recorded().actor_id)

    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.7")
    request.user, request.session = alice, Client().session
    response = RequestContext(lambda _: StreamingHttpResponse(parts()))(request)
    assert isinstance(response, StreamingHttpResponse)
    assert audit.current().actor is None, "the context ended with the middleware"
    assert response.getvalue().decode() == f"{alice.pk}" * 2
    assert {event.remote_addr for event in AuditEvent.objects.filter(code=Code.SENSITIVE_READ)} == {"192.0.2.7"}


def test_purpose_of_use_comes_with_the_door(client: Client) -> None:
    cast.sign_in(client, cast.audra())
    client.get("/compliance/audit/")
    client.get("/ask/")
    read, refused = AuditEvent.objects.filter(lane="access").order_by("timestamp")
    assert (read.code, read.purpose) == (Code.SENSITIVE_READ, "HCOMPL")
    assert (refused.code, refused.purpose) == (Code.AUTHZ_FAIL, "TREAT")
    assert audit.current().purpose == ""


def test_a_process_says_that_it_began_and_ended() -> None:
    lifecycle.started("answers@ward")
    lifecycle.stopped("answers@ward")
    began, ended = AuditEvent.objects.order_by("timestamp")
    assert (began.code, ended.code) == (Code.SYS_STARTUP, Code.SYS_SHUTDOWN)
    assert (began.actor_kind, began.actor_name, began.object_id) == ("service", "answers@ward", "")


def test_a_process_starts_without_the_trail(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """It must be able to wait for its database; what it does then is refused until the trail is back."""

    def unavailable() -> None:
        raise audit.AuditUnavailable

    monkeypatch.setattr("compliance.audit.lane.connection", unavailable)
    lifecycle.started("answers@ward")
    assert "not on record: sys_startup" in caplog.text
    assert not AuditEvent.objects.exists()
