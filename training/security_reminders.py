"""A word about keeping patients' information safe, to everybody with an open account, once in twelve weeks.

45 CFR 164.308(a)(5)(ii)(A) wants security reminders between one training and the next. Safe to run at any time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse

from clinchat.lib import clock
from compliance import notices
from compliance.models import Notice, User

EVERY: Final = timedelta(days=84)
TITLE: Final = "Security reminder: "
"""How the title of each begins, and how they are found again."""
SUBJECTS: Final = (
    (
        "lock your screen",
        "Whoever walks up to an open screen acts in your name. Lock it each time you step away, also for a minute, "
        "and sign out on a shared computer.",
    ),
    (
        "your codes are yours alone",
        "Nobody who works here will ask for your password or for a code of your authenticator, by telephone or by "
        "e-mail. If somebody does, give nothing and tell the security officer the same day.",
    ),
    (
        "ask for no more than you need",
        "Open only what you need for the patient in your care. Each look into somebody's conversation is on record, "
        "and looking up family, colleagues or people in the news is a violation.",
    ),
    (
        "think before you open a link",
        "Mail that hurries you, or asks you to sign in, may be a trap. Open ClinChat from your bookmark and not from "
        "a link, and report what looks odd before you answer it.",
    ),
    (
        "report it early",
        "A lost telephone, a message to the wrong person, a page left open: tell the privacy officer at once. Early "
        "is what protects the patient, and nobody is punished for reporting in good faith.",
    ),
    (
        "keep patients out of other tools",
        "Do not put what identifies a patient into web searches, translators, chats or notes outside the hospital's "
        "systems. No photos of screens, either.",
    ),
)


def remind() -> int:
    """Tell whoever was not reminded for so long, or never; returns how many people. The subject changes each time."""
    now = clock.now()
    subject, text = SUBJECTS[now.date().toordinal() // EVERY.days % len(SUBJECTS)]
    return notices.tell(
        _waiting(now), title=TITLE + subject, text=text, url=reverse("training"), level=Notice.Level.INFO, mail=True
    )


def _waiting(now: datetime) -> QuerySet[User]:
    told = Notice.objects.filter(user=OuterRef("pk"), title__startswith=TITLE, created_at__gt=now - EVERY)
    return User.objects.filter(~Exists(told), is_active=True, is_service=False)
