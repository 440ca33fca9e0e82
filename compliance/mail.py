"""Notices that go out by e-mail as well: a title, a sentence and one link that needs sign-in, and never patient data.

Whoever tells something writes the notice in their transaction and knows no mail server; a worker sends what waits.
So a server that is away breaks no page, and a notice is mailed only if what it tells was committed.
"""

from __future__ import annotations

import logging
import smtplib
from datetime import timedelta
from email.errors import MessageError
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.core import mail
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.template.loader import render_to_string

from clinchat.lib import clock
from compliance import metrics
from compliance.models import Notice

if TYPE_CHECKING:
    from datetime import datetime

    from django.core.mail.backends.base import BaseEmailBackend

logger = logging.getLogger(__name__)

PAUSES: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
"""After the first, second … try that failed."""
TRIES: Final = len(PAUSES) + 1
LONGEST_RUN: Final = timedelta(seconds=25)
MAILS: Final = "clinchat_mails"
UNREACHED: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (smtplib.SMTPAuthenticationError, "it refuses our account"),
    (smtplib.SMTPNotSupportedError, "it offers no encryption, or no sign-in"),
    (smtplib.SMTPServerDisconnected, "it ended the connection"),
    (smtplib.SMTPException, "it is no mail server, or refuses us"),
)
"""What these mean to an operator; the first that fits counts."""


def send_waiting() -> int:
    """Send what is due, the oldest first, for at most half a minute; returns how many were sent.

    Each is held in a transaction of its own while it is sent, so that two workers never send the same one. A server
    that cannot be reached ends the run: the others keep their tries.
    """
    if not settings.MAIL_URL:
        return 0
    ends, sent = clock.now() + LONGEST_RUN, 0
    server = mail.get_connection()
    try:
        while clock.now() < ends and (outcome := _send_one(server)) is not None:
            sent += outcome
    finally:
        server.close()
    return sent


def reach() -> None:
    """Connect to the server, encrypt and sign in, as before each message. Raises what smtplib and sockets raise."""
    server = mail.get_connection()
    server.open()
    server.close()


def _send_one(server: BaseEmailBackend) -> bool | None:
    """True when one was sent, False when it was not, None when there is no more to do now."""
    with transaction.atomic():
        notice = _due(clock.now()).select_for_update(skip_locked=True, of=("self",)).first()
        if notice is None:
            return None
        if not notice.user.mails or not notice.user.is_active:
            Notice.objects.filter(pk=notice.pk).update(mail="")
            return False
        try:
            server.open()
        except (smtplib.SMTPException, OSError) as gone:
            _failed(notice, gone)
            return None
        try:
            server.send_messages([message(notice)])
        except (smtplib.SMTPException, OSError, ValueError, MessageError) as refused:  # the last two: an odd address
            _failed(notice, refused)
            server.close()  # whatever state it is in: the next one opens it anew
            return False
        Notice.objects.filter(pk=notice.pk).update(
            mail=Notice.Mail.SENT, mailed_at=clock.now(), mail_tries=F("mail_tries") + 1
        )
        return True


def _failed(notice: Notice, error: Exception) -> None:
    tries = notice.mail_tries + 1
    state = Notice.Mail.FAILED if tries >= TRIES else Notice.Mail.WAITING
    Notice.objects.filter(pk=notice.pk).update(mail=state, mailed_at=clock.now(), mail_tries=tries)
    logger.warning("a notice could not be mailed: %s", type(error).__name__)


def _due(now: datetime) -> QuerySet[Notice]:
    """Those whose pause is over; `mailed_at` is when one was tried last."""
    due = Q(mail_tries=0)
    for tries, pause in enumerate(PAUSES, 1):
        due |= Q(mail_tries=tries, mailed_at__lte=now - pause)
    return Notice.objects.filter(due, mail=Notice.Mail.WAITING).select_related("user").order_by("created_at")


def message(notice: Notice) -> mail.EmailMultiAlternatives:
    """The e-mail of a notice, as plain text with the same as simple HTML."""
    title = " ".join(notice.title.split())
    context = {"notice": notice, "title": title, "link": settings.PORTAL_URL.rstrip("/") + (notice.url or "/")}
    made = mail.EmailMultiAlternatives(
        subject=f"{settings.EMAIL_SUBJECT_PREFIX}{title}",
        body=render_to_string("mail/notice.txt", context),
        to=[notice.user.email],
        headers={"Auto-Submitted": "auto-generated"},
    )
    made.attach_alternative(render_to_string("mail/notice.html", context), "text/html")
    return made


def register() -> None:
    """Called in AppConfig.ready()."""

    def read() -> dict[str, float]:
        return {
            str(state): Notice.objects.filter(mail=state).count() for state in (Notice.Mail.WAITING, Notice.Mail.FAILED)
        }

    metrics.register(MAILS, metrics.Gauge("Notices that wait to be mailed, and that could not be", read, "state"))
