"""Somebody who approves without looking is told on: to compliance managers, at most once a day."""

from __future__ import annotations

from datetime import timedelta
from statistics import median
from typing import Final

from django.urls import reverse

from clinchat.lib import clock
from compliance import notices
from compliance.access import Role
from compliance.models import Notice, User
from training.models import StageDecision
from training.models.approvals import APPROVALS

LAST: Final = 10
FEWEST: Final = 5
SECONDS: Final = 5
TITLE: Final = "Approvals without looking"


def look_at(person: User) -> bool:
    """After an approval of the person, in its transaction; returns whether somebody was told.

    The median of the last ten approvals counts, of five at least: a quick one among careful ones is nobody's business.
    """
    approvals = StageDecision.objects.filter(by=person, step__in=APPROVALS).exclude(looked_seconds=None)
    newest = approvals.order_by("-at").values_list("looked_seconds", flat=True)[:LAST]
    looked = [seconds for seconds in newest if seconds is not None]
    if len(looked) < FEWEST or median(looked) >= SECONDS:
        return False
    url = reverse("person", args=[person.pk])
    told = Notice.objects.filter(title=TITLE, url=url, created_at__gt=clock.now() - timedelta(days=1))
    managers = [one for one in notices.holders(Role.COMPLIANCE_MANAGER) if one.pk != person.pk]
    if told.exists() or not managers:
        return False
    notices.tell(
        managers,
        title=TITLE,
        text=f"{person.name} had each of the last {len(looked)} requests open for less than {SECONDS} seconds, by the "
        "median, before approving it. Look at what was approved.",
        url=url,
        level=Notice.Level.WARNING,
        mail=True,
    )
    return True
