"""Feedback: given by anybody about anything they see, sorted and answered by who is in charge of it."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.urls import Resolver404, resolve

from clinchat.lib import clock
from compliance import notices
from compliance.access import refusals
from compliance.access.next_page import own_path
from compliance.access.roles import Role
from compliance.models import Notice, Remark, User

About, Category, Status = Remark.About, Remark.Category, Remark.Status

TRIAGE: Final = (Role.PRIVACY_OFFICER, Role.COMPLIANCE_MANAGER, Role.KNOWLEDGE_EDITOR)
PRIVACY: Final = (Role.PRIVACY_OFFICER, Role.COMPLIANCE_MANAGER)
"""Who sees privacy concerns."""
AT_ONCE: Final = {Category.SAFETY: TRIAGE, Category.PRIVACY: PRIVACY}
"""Categories nobody waits with, and who is told by e-mail."""
LONGEST_SUBJECT: Final = 200
_SLUG: Final = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_FORMS: Final = {
    About.PAGE: re.compile(r"/(?:[A-Za-z0-9._-]+/)*[A-Za-z0-9._-]*"),
    About.LESSON: re.compile(rf"({_SLUG})/{_SLUG}"),
    About.ITEM: re.compile(_SLUG),
    About.ANSWER: re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
}


class Stale(Exception):
    """Somebody else has changed it since the form was opened."""


class ReplyMissing(Exception):
    """What is settled or declined has a reply that says why."""


def subject_of(about: str, subject: str) -> tuple[Remark.About, str]:
    """What feedback is about, if its name has the form of one: a path without a query, a lesson, an item, a turn.

    Anything else, as somebody may have written it into the address, is feedback about no page in particular.
    """
    known = about in About.values and len(subject) <= LONGEST_SUBJECT and _FORMS[About(about)].fullmatch(subject)
    if not known or (about == About.PAGE and not _is_ours(subject)):
        return About.PAGE, ""
    return About(about), subject


def _is_ours(path: str) -> bool:
    """Whether there is such a page: other words than the names of our pages are somebody's own."""
    try:
        return bool(own_path(path) and resolve(path))
    except Resolver404:
        return False


def address(remark: Remark) -> str:
    """Where what it is about can be looked at by whoever may; empty for what has no page of its own."""
    pages: dict[str, str] = {
        About.PAGE: remark.subject,
        About.LESSON: f"/training/{remark.subject.partition('/')[0]}/",
        About.ITEM: f"/compliance/training/items/{remark.subject}/",
    }
    return pages.get(remark.about, "")


def triaged_by(viewer: User) -> QuerySet[Remark]:
    """The feedback the viewer sorts: privacy concerns only for the privacy officer and compliance."""
    found = Remark.objects.select_related("by", "handled_by")
    return found if viewer.roles & frozenset(PRIVACY) else found.exclude(category=Category.PRIVACY)


def to_sort(viewer: User, remark_id: UUID) -> Remark:
    """One that the viewer sorts. Raises Http404, on record."""
    found = triaged_by(viewer).filter(pk=remark_id).first()
    if found is None:
        refusals.as_if_absent(viewer, "compliance.Remark", remark_id)
    return found


@transaction.atomic
def give(*, by: User, about: Remark.About, subject: str, category: Remark.Category, text: str) -> Remark:
    """Keep feedback whose words are masked already. What concerns safety or privacy is told at once."""
    remark = Remark.objects.create(by=by, about=about, subject=subject, category=category, text=text)
    if category in AT_ONCE:
        notices.tell(
            [person for person in notices.holders(*AT_ONCE[category]) if person.pk != by.pk],
            title=f"{remark.get_category_display()} reported",
            text="Somebody reported it as feedback. Read it, take it up, and reply.",
            url=remark.get_absolute_url(),
            level=Notice.Level.WARNING,
            mail=True,
        )
    return remark


@transaction.atomic
def handle(*, remark_id: UUID, by: User, revision: int, status: Remark.Status, reply: str) -> Remark:
    """Take it up, settle or decline it; the reply is masked already, and its author is told.

    Raises Stale and ReplyMissing.
    """
    if status in {Status.SETTLED, Status.DECLINED} and not reply:
        raise ReplyMissing
    fresh = Remark.objects.filter(pk=remark_id, revision=revision)
    now = clock.now()
    if not fresh.update(status=status, reply=reply, handled_by=by, handled_at=now, revision=revision + 1):
        raise Stale
    remark = Remark.objects.select_related("by").get(pk=remark_id)
    if remark.by_id != by.pk and remark.by.is_active:
        notices.tell(
            [remark.by],
            title=f"Your feedback: {remark.get_status_display().lower()}",
            text="Somebody looked at your feedback. Their reply is with it." if reply else "Somebody has taken it up.",
            url="/feedback/",
        )
    return remark
