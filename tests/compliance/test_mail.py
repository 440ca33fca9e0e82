"""Notices go out by e-mail from a worker, with a link and nothing of a patient; no page waits for the mail server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from email import message_from_string
from email.policy import default
from typing import Any

import pytest
from django.test import Client

from clinchat.lib import clock
from compliance import mail, metrics, notices
from compliance.models import Notice, User
from tests import cast
from tests.training.making_oversight import MailServer, running

pytestmark = pytest.mark.django_db
State = Notice.Mail


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    server = MailServer()
    with running(server) as address:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = address.split(":")[0], int(address.split(":")[1])
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        settings.MAIL_URL, settings.PORTAL_URL = f"smtp://{address}", "https://portal.test"
        yield server


def tell(person: User, title: str = "Renew HIPAA & more") -> Notice:
    notices.tell([person], title=title, text="Your certificate ends soon.", url="/training/hipaa/", mail=True)
    return Notice.objects.get(user=person, title=title)


def test_it_is_sent_once_with_one_link(server: MailServer) -> None:
    alice = cast.alice()
    told = tell(alice)
    assert (mail.send_waiting(), mail.send_waiting()) == (1, 0)
    [(to, raw)] = server.taken
    made = message_from_string(raw, policy=default)
    plain, html = [part.get_content() for part in made.iter_parts()]
    assert (to, made["Subject"]) == (alice.email, "ClinChat: Renew HIPAA & more")
    assert plain.count("https://portal.test/training/hipaa/") == 1
    assert "Renew HIPAA &amp; more" in html
    assert html.count("href=") == 1
    told.refresh_from_db()
    assert (told.mail, told.mailed_at is not None) == (State.SENT, True)


def test_who_turned_it_off_or_left_gets_none(server: MailServer) -> None:
    alice, bob = cast.alice(), cast.bob()
    told = [tell(alice), tell(bob)]
    client = cast.sign_in(Client(), alice)
    client.post("/settings/mails/", {"mails": "off"})
    assert 'name="mails" value="off" checked' in client.get("/settings/").content.decode()
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert mail.send_waiting() == 0
    assert server.taken == []
    assert {Notice.objects.get(pk=one.pk).mail for one in told} == {""}
    alice.refresh_from_db()
    assert tell(alice, "Another").mail == ""


def test_a_refused_address_is_tried_five_times_and_stops_no_other(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = cast.alice(), cast.bob()
    server.refused = {alice.email}
    told, other = tell(alice), tell(bob)
    mail.send_waiting()
    other.refresh_from_db()
    assert other.mail == State.SENT
    for pause in mail.PAUSES:
        mail.send_waiting()  # nothing is due yet
        later = clock.now() + pause + timedelta(seconds=1)
        monkeypatch.setattr(clock, "now", lambda later=later: later)
        mail.send_waiting()
    told.refresh_from_db()
    assert (told.mail, told.mail_tries) == (State.FAILED, mail.TRIES)
    assert b'clinchat_mails{state="failed"} 1.0' in metrics.exposition()[0]


def test_an_address_that_is_none_stops_no_other(server: MailServer) -> None:
    alice, bob = cast.alice(), cast.bob()
    User.objects.filter(pk=alice.pk).update(email="alice@somewhere@hospital.test")
    told = [tell(alice), tell(bob)]
    assert mail.send_waiting() == 1
    assert [Notice.objects.get(pk=one.pk).mail_tries for one in told] == [1, 1]


def test_a_server_that_is_away_costs_one_try_and_breaks_no_page(server: MailServer) -> None:
    server.down = True
    told = [tell(cast.alice()), tell(cast.bob())]
    assert mail.send_waiting() == 0
    assert sorted(Notice.objects.get(pk=one.pk).mail_tries for one in told) == [0, 1]
    assert cast.sign_in(Client(), cast.alice()).get("/settings/").status_code == 200
