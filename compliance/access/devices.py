"""Where a person is signed in: the browsers and programs they see in their settings, and can sign out one by one.

ASVS 5.0 V7.5.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest

from clinchat.lib import clock
from compliance import audit
from compliance.access import epoch, sessions, tokens
from compliance.models import Session, User

BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
"""What stands before the slash in a browser's name for itself, the most telling first: most claim to be Safari too."""
SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)
UNKNOWN: Final = "Unknown browser"
PROGRAMS: Final = (
    "curl",
    "Wget",
    "python-requests",
    "python-httpx",
    "PostmanRuntime",
    "okhttp",
    "Java",
    "Go-http-client",
)


@dataclass(frozen=True, slots=True)
class Device:
    """One sign-in that still counts."""

    id: UUID
    name: str
    source: str | None
    began_at: datetime
    seen_at: datetime
    here: bool = False


def of(request: HttpRequest, user: User) -> list[Device]:
    """The person's own sign-ins, this one first, then those used last."""
    here, now = audit.session_digest(request.session.session_key), clock.now()
    found = [
        Device(row.id, browser(row.agent), row.source, row.began_at, row.seen_at, here=row.pk == here)
        for row in Session.objects.filter(user=user, verified=True)
        if not sessions.why_over(row, now)
    ]
    found += [Device(f.pk, program(f.agent), f.source, f.created_at, f.seen_at) for f in tokens.families(user)]
    return sorted(found, key=lambda device: (device.here, device.seen_at), reverse=True)


@transaction.atomic
def end(user: User, device_id: UUID) -> bool:
    """End one sign-in of the person; whether there was one. Of somebody else's nothing is said and nothing ends."""
    found = Session.objects.filter(id=device_id, user=user, verified=True)
    if not found.exists() and device_id not in {family.pk for family in tokens.families(user)}:
        return False
    sessions.record_end(user, reason="ended by the person")
    if not found.delete()[0]:
        tokens.end_family(user, device_id)
    epoch.bump()
    return True


def browser(agent: str) -> str:
    """ "Firefox on Windows", from what a browser calls itself. Only words of ours: the agent may hold anything."""
    name = next((name for mark, name in BROWSERS if f"{mark}/" in agent), "")
    system = next((name for mark, name in SYSTEMS if mark in agent), "")
    if name and system:
        return f"{name} on {system}"
    return name or (f"{UNKNOWN} on {system}" if system else UNKNOWN)


def program(agent: str) -> str:
    """ "curl, through the API", for the programs we know by their name for themselves."""
    name = next((name for name in PROGRAMS if agent.startswith(f"{name}/")), "Program")
    return f"{name}, through the API"
