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
from compliance.continuity import maintenance


class Link(NamedTuple):
    """`within`: where else than below its own address it is the present one."""

    label: str
    url_name: str
    icon: str
    action: Action
    within: tuple[str, ...] = ()


LINKS = (
    Link("Ask", "ask", "message-square-text", Action.ASK),
    Link("Interactions", "interactions", "pill", Action.CHECK_INTERACTIONS),
    Link("Library", "library", "library", Action.READ_LIBRARY),
    Link("Training", "training", "graduation-cap", Action.TRAIN),
    Link("Audit", "audit", "file-check-2", Action.READ_AUDIT),
)
ACCESS = (
    Link("People", "people", "", Action.READ_PEOPLE),
    Link("Role requests", "roles", "", Action.REQUEST_ROLES),
    Link("Approvals", "approvals", "", Action.READ_ACCESS),
    Link("Recertification", "recertification", "", Action.RECERTIFY),
    Link("Emergency access", "emergency-reviews", "", Action.REVIEW_BREAK_GLASS),
    Link("Masking", "masking", "", Action.READ_MASKING),
    Link("Training records", "cohort", "", Action.READ_TRAINING),
    Link("Questions", "items", "", Action.READ_ITEMS),
    Link("Feedback", "remarks", "", Action.TRIAGE_FEEDBACK),
    Link("Blocked networks", "blocks", "", Action.BLOCK_NETWORKS),
    Link("Sessions", "sessions", "", Action.REVOKE_SESSIONS),
    Link("Service accounts", "services", "", Action.MANAGE_SERVICES),
    Link("Matrix", "matrix", "", Action.READ_POLICY),
)
"""The pages below the one link Access of the bar."""
COMPLIANCE = (
    Link("Overview", "compliance", "", Action.READ_CONTROLS, ("/compliance/controls/",)),
    Link("Risks", "risks", "", Action.READ_CONTROLS),
    Link("Assets", "assets", "", Action.READ_CONTROLS),
    Link("Vendors", "vendors", "", Action.READ_CONTROLS),
    Link("Policies", "compliance-policies", "", Action.READ_CONTROLS),
    Link("Officials", "officials", "", Action.READ_CONTROLS),
    Link("Exercises", "exercises", "", Action.READ_CONTROLS),
    Link("Reviews", "audit-reviews", "", Action.READ_AUDIT),
    Link("Disclosures", "disclosures", "", Action.KEEP_DISCLOSURES),
    Link("Amendments", "amendments", "", Action.KEEP_DISCLOSURES),
    Link("Reports", "reports", "", Action.READ_CONTROLS),
    Link("Continuity", "continuity", "", Action.READ_CONTINUITY),
    Link("Read-only mode", "maintenance", "", Action.READ_CONTINUITY),
)
"""The pages below the link Compliance of the bar."""
LIBRARY = (
    Link("Search", "library", "", Action.READ_LIBRARY),
    Link("Work", "library-work", "", Action.READ_DRAFTS, ("/library/drafts/", "/library/uploads/")),
    Link("Add", "library-add", "", Action.EDIT_LIBRARY),
    Link("Releases", "library-releases", "", Action.READ_QUALITY, ("/library/collections/",)),
    Link("Quality", "library-quality", "", Action.READ_QUALITY, ("/library/questions/",)),
    Link("Interactions", "interaction-changes", "", Action.READ_INTERACTIONS),
)
"""The pages below the link Library, for those who do more there than read."""
ADMIN = Link("Admin", "admin:index", "settings", Action.ADMINISTER)


def page(request: HttpRequest) -> dict[str, object]:
    """Context of base.html. A link a role may not use is absent, not disabled."""
    user = request.user
    nav = _shown(request, LINKS)
    label, subnav = "Library", _library(request)
    for name, icon, links in _groups(request):
        present = any(link["current"] for link in links)
        if links:
            nav.append({**links[0], "label": name, "icon": icon, "current": present})
        if present:
            label, subnav = name, links
    nav += _shown(request, [ADMIN])
    return {
        "nav": nav,
        "subnav": subnav,
        "subnav_label": label,
        "own_access": allows(user, Action.TRAIN),
        "theme": getattr(user, "theme", "auto"),
        "shortcuts": getattr(user, "shortcuts", True),
        "session": sessions.clock_of(request) if allows(user, Action.OWN_SETTINGS) else None,
        "may_give_feedback": allows(user, Action.GIVE_FEEDBACK),
        "demo": settings.CLINCHAT_DEMO,
        "read_only": maintenance.current,
        "maintenance_comes": maintenance.coming,
        "notices": partial(notices.shown_to, user),
        "emergencies": partial(emergency.open_to, user),
    }


def _groups(request: HttpRequest) -> list[tuple[str, str, list[dict[str, object]]]]:
    """The links that share one place in the bar. Of several addresses a page lies below, the longest is its own."""
    access, compliance = _shown(request, ACCESS), _shown(request, COMPLIANCE)
    present = [link for link in (*access, *compliance) if link["current"]]
    own = max(present, key=lambda link: len(str(link["url"])), default=None)
    audit = request.path.startswith(reverse("audit"))  # has a link of its own in the bar
    for link in present:
        link["current"] = link is own and not audit
    return [("Access", "user", access), ("Compliance", "shield-check", compliance)]


def _library(request: HttpRequest) -> list[dict[str, object]]:
    """The pages of the library, on one of them. Its search is where no other of them is, also on a document."""
    if not request.path.startswith(reverse("library")):
        return []
    links = _shown(request, LIBRARY)
    if len(links) < 2:
        return []
    elsewhere = [link for link in links[1:] if link["current"]]
    links[0]["current"] = not elsewhere
    return links


def _shown(request: HttpRequest, links: Iterable[Link]) -> list[dict[str, object]]:
    return [
        {"label": link.label, "url": url, "icon": link.icon, "current": request.path.startswith((url, *link.within))}
        for link in links
        if allows(request.user, link.action)
        for url in [reverse(link.url_name)]
    ]
