"""Access review: people, their roles, how these changed and who agreed, closed accounts, emergency access."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from django.db.models import Q

from compliance.access.roles import Role
from compliance.models import (
    AuditEvent,
    BreakGlass,
    Campaign,
    CampaignItem,
    Crude,
    RoleAssignment,
    RoleRequest,
    User,
)
from compliance.reports.sections import Cell, Period, Section, at, counted

PEOPLE: Final = "/compliance/people/"
ROLES: Final = "/compliance/roles/"
EMERGENCY: Final = "/compliance/emergency/"


def fill(section: Section, period: Period) -> None:
    people = User.objects.filter(is_service=False, created_at__lt=period.end)
    open_then = people.filter(Q(is_active=True) | Q(closed_at__gte=period.end))
    section.fact("People with an open account", open_then.count(), PEOPLE)
    section.fact("Service accounts", _open_programs(period), "/compliance/services/")
    section.fact("Accounts opened", people.filter(**period.inside("created_at")).count(), PEOPLE)
    _closed(section, period)
    _roles(section, period)
    _changes(section, period)
    _campaigns(section, period)
    _emergencies(section, period)


def _open_programs(period: Period) -> int:
    programs = User.objects.filter(is_service=True, created_at__lt=period.end)
    return programs.filter(Q(is_active=True) | Q(closed_at__gte=period.end)).count()


def _closed(section: Section, period: Period) -> None:
    closed = User.objects.filter(is_service=False, **period.inside("closed_at"))
    reasons = counted(closed, "closed_because")
    section.fact("Accounts closed", closed.count(), PEOPLE)
    section.fact("Of them dormant, not used for 45 days", reasons.get(User.Closed.DORMANT, 0), PEOPLE)
    rows = closed.order_by("closed_at", "pk").values_list("name", "closed_because", "closed_at")
    words = dict(User.Closed.choices)
    section.table(
        "Accounts closed",
        ["Person", "Why", "When"],
        [[name, str(words.get(why, "Not said")), at(when)] for name, why, when in rows],
        none="No account was closed.",
    )


def _roles(section: Section, period: Period) -> None:
    held = Counter(held_then(period))
    section.bars(
        "People by role at the end",
        ["People"],
        [(role.label, [held[role.value]]) for role in Role],
        first="Role",
    )
    section.fact("Roles held", sum(held.values()), ROLES)


def held_then(period: Period) -> Iterable[str]:
    """The role of each assignment there was at the end: those there are still, and those the trail says went later."""
    then = RoleAssignment.objects.filter(granted_at__lt=period.end)
    yield from then.filter(Q(suspended_at=None) | Q(suspended_at__gte=period.end)).values_list("role", flat=True)
    gone = AuditEvent.objects.filter(
        object_type="compliance.RoleAssignment", action=Crude.DELETE, timestamp__gte=period.end
    )
    for changes in gone.order_by().values_list("changes", flat=True):
        granted, suspended = _before(changes, "granted_at"), _before(changes, "suspended_at")
        if granted and granted < _written(period) and not suspended:
            yield _before(changes, "role")


def _before(changes: dict[str, list[str | None]] | None, column: str) -> str:
    return (changes or {}).get(column, [None])[0] or ""


def _written(period: Period) -> str:
    """The end as the trail writes times: they sort as text."""
    return period.end.strftime("%Y-%m-%dT%H:%M:%S")


def _changes(section: Section, period: Period) -> None:
    decided = RoleRequest.objects.filter(**period.inside("decided_at"))
    approved = decided.filter(status=RoleRequest.Status.APPROVED)
    section.fact("Role requests decided", decided.count(), ROLES)
    section.fact("Of them approved, each by a second person", approved.count(), ROLES)
    written = AuditEvent.objects.filter(object_type="compliance.RoleAssignment", **period.inside("timestamp"))
    by_action = counted(written, "action")
    url = period.audit(object_type="compliance.RoleAssignment")
    section.fact("Roles given, by the audit trail", by_action.get(Crude.CREATE, 0), url)
    section.fact("Roles taken away, by the audit trail", by_action.get(Crude.DELETE, 0), url)
    rows: list[list[Cell]] = [
        [
            one.user.name,
            f"{one.get_kind_display()}: {one.get_role_display()}",
            one.requested_by.name,
            one.decided_by.name if one.decided_by else "",
            one.get_status_display(),
            at(one.decided_at),
        ]
        for one in decided.select_related("user", "requested_by", "decided_by").order_by("decided_at", "pk")
    ]
    section.table(
        "Changes of roles",
        ["Person", "Change", "Asked for by", "Decided by", "Decision", "When"],
        rows,
        none="No change of a role was decided on.",
    )


def _campaigns(section: Section, period: Period) -> None:
    campaigns = Campaign.objects.filter(opened_at__lt=period.end, due_at__gte=period.start)
    rows: list[list[Cell]] = []
    for campaign in campaigns.order_by("opened_at"):
        items = campaign.items.all()
        decided = counted(items.filter(decided_at__lt=period.end), "status")
        kept, taken = decided.get(CampaignItem.Status.KEPT, 0), decided.get(CampaignItem.Status.TAKEN, 0)
        suspended = items.filter(status=CampaignItem.Status.SUSPENDED).count()
        total = items.count()
        rows.append([campaign.name, at(campaign.due_at), total, kept, taken, suspended, total - kept - taken])
    section.table(
        "Recertification",
        ["Quarter", "Due", "Roles", "Confirmed", "Taken away", "Suspended", "Not decided"],
        rows,
        none="No review of roles was open.",
    )


def _emergencies(section: Section, period: Period) -> None:
    taken = BreakGlass.objects.filter(**period.inside("started_at"))
    waiting = BreakGlass.objects.filter(started_at__lt=period.end)
    waiting = waiting.filter(Q(reviewed_at=None) | Q(reviewed_at__gte=period.end))
    section.fact("Emergency accesses", taken.count(), EMERGENCY)
    section.fact("Emergency accesses not reviewed at the end", waiting.count(), EMERGENCY)
    section.fact("Of them overdue", waiting.filter(review_due_at__lt=period.end).count(), EMERGENCY)
    rows: list[list[Cell]] = [
        [
            one.user.name,
            at(one.started_at),
            at(one.over_at),
            one.reviewed_by.name if one.reviewed_by else "",
            at(one.reviewed_at),
            one.get_finding_display() if one.finding else "Not reviewed",
        ]
        for one in taken.select_related("user", "reviewed_by").order_by("started_at", "pk")
    ]
    section.table(
        "Emergency access",
        ["Person", "From", "Until", "Reviewed by", "Reviewed", "Finding"],
        rows,
        none="Nobody took emergency access.",
    )
