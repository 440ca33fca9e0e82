"""What every page frame needs: the links this person may use, and how the page should look."""

from __future__ import annotations

from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from compliance.access import Action, allows


class Link(NamedTuple):
    label: str
    url_name: str
    icon: str
    action: Action


LINKS = (
    Link("Ask", "ask", "message-square-text", Action.ASK),
    Link("Library", "library", "library", Action.READ_LIBRARY),
    Link("Audit", "audit", "file-check-2", Action.READ_AUDIT),
    Link("Admin", "admin:index", "settings", Action.ADMINISTER),
)


def page(request: HttpRequest) -> dict[str, object]:
    """Context of base.html. A link a role may not use is absent, not disabled."""
    user = request.user
    nav = [
        {"label": link.label, "url": url, "icon": link.icon, "current": request.path.startswith(url)}
        for link in LINKS
        if allows(user, link.action)
        for url in [reverse(link.url_name)]
    ]
    return {
        "nav": nav,
        "theme": getattr(user, "theme", "auto"),
        "shortcuts": getattr(user, "shortcuts", True),
        "demo": settings.CLINCHAT_DEMO,
    }
