"""What every page frame needs: the links this person may use, and how the page should look."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from compliance import notices
from compliance.access import Action, allows, emergency, sessions


class Link(NamedTuple):
    label: str
    url_name: str
    icon: str
    action: Action


LINKS = (
    Link("Ask", "ask", "message-square-text", Action.ASK),
    Link("Library", "library", "library", Action.READ_LIBRARY),
    Link("Audit", "audit", "file-check-2", Action.READ_AUDIT),
)
ACCESS = (
    Link("People", "people", "", Action.READ_PEOPLE),
    Link("Role requests", "roles", "", Action.REQUEST_ROLES),
    Link("Recertification", "recertification", "", Action.RECERTIFY),
    Link("Emergency access", "emergency-reviews", "", Action.REVIEW_BREAK_GLASS),
    Link("Masking", "masking", "", Action.READ_MASKING),
    Link("Blocked networks", "blocks", "", Action.BLOCK_NETWORKS),
    Link("Sessions", "sessions", "", Action.REVOKE_SESSIONS),
    Link("Service accounts", "services", "", Action.MANAGE_SERVICES),
    Link("Matrix", "matrix", "", Action.READ_POLICY),
)
"""The pages below the one link Access of the bar."""
ADMIN = Link("Admin", "admin:index", "settings", Action.ADMINISTER)


def page(request: HttpRequest) -> dict[str, object]:
    """Context of base.html. A link a role may not use is absent, not disabled."""
    user = request.user
    nav = _shown(request, LINKS)
    sections = _shown(request, ACCESS)
    within = any(section["current"] for section in sections)
    if sections:
        nav.append({**sections[0], "label": "Access", "icon": "shield-check", "current": within})
    nav += _shown(request, [ADMIN])
    return {
        "nav": nav,
        "subnav": sections if within else [],
        "theme": getattr(user, "theme", "auto"),
        "shortcuts": getattr(user, "shortcuts", True),
        "session": sessions.clock_of(request) if allows(user, Action.OWN_SETTINGS) else None,
        "demo": settings.CLINCHAT_DEMO,
        "notices": partial(notices.shown_to, user),
        "emergencies": partial(emergency.open_to, user),
    }


def _shown(request: HttpRequest, links: Iterable[Link]) -> list[dict[str, object]]:
    return [
        {"label": link.label, "url": url, "icon": link.icon, "current": request.path.startswith(url)}
        for link in links
        if allows(request.user, link.action)
        for url in [reverse(link.url_name)]
    ]
