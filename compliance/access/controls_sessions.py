"""Checks of sessions: when they end by themselves, when they are ended, and that their key changes."""

from __future__ import annotations

import secrets
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.urls import resolve, reverse

from clinchat.lib import clock
from compliance import audit
from compliance.access import matrix, people, sessions, tokens
from compliance.access.controls_signin import code_of
from compliance.access.roles import Action, Role
from compliance.access.session_store import SessionStore
from compliance.access.watch import Watch
from compliance.controls import canary, visits
from compliance.controls.registry import CannotLook, Found, check
from compliance.models import Session, TokenFamily, User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from django.test import Client

    from compliance.controls.canary import Canary

MOST_IDLE: Final = 15 * 60
MOST_HOURS: Final = 12
OVERDUE: Final = timedelta(seconds=5)
REVOKED_SECONDS: Final = 5.0
MOST_AT_ONCE: Final = 3
POLLED: Final = ("session-left", "library-upload-state", "answer-interactions")
"""What scripts of pages ask for by themselves (static/ui), by name: the clock, the state of a file, what came of a
check."""
STREAMED: Final = ("answer-events",)
"""What they keep open. No check opens a stream: it closes the connection of whoever reads it."""
PAGE: Final = "settings-sessions"
_LOOKS_EVERY: Final = 0.05


# ── They end by themselves ─────────────────────────────────────────────────────────────────────────────────────


@check("session.idle", seconds=15)
def idle() -> Found:
    """The limits this process has, and a canary's session that was left alone, lasted too long, or was only polled."""
    with visits.apart("session.idle"):
        person = canary.person(Role.CLINICIAN, Role.KNOWLEDGE_EDITOR, cleared=True, can_type=False)
        row = _row(person.client)
        if not _opens(person.client):
            raise CannotLook("the canary's session opens nothing to begin with")
        promised = (row.expire_date - row.seen_at).total_seconds()
        wrong = {
            "CLINCHAT_SESSION_IDLE_MINUTES": settings.SESSION_COOKIE_AGE > MOST_IDLE or promised > MOST_IDLE + 1,
            "CLINCHAT_SESSION_HOURS": tokens.lifetime() > timedelta(hours=MOST_HOURS),
            "it is not renewed by its person": not _renewed(person.client, _read),
        }
        wrong |= {f"renewed by {name}": _renewed(person.client, _poll(name)) for name in POLLED if _known(name)}
        wrong |= {f"renewed by {name}": _renewed(person.client, _stream(name)) for name in STREAMED if _known(name)}
        wrong["used when idle too long"] = _used_later(person.client, idle=True)
        wrong["used when it lasted too long"] = _used_later(
            canary.person(Role.CLINICIAN, can_type=False).client, idle=False
        )
    failing = [what for what, so in wrong.items() if so]
    minutes, hours = settings.SESSION_COOKIE_AGE / 60, tokens.lifetime().total_seconds() / 3600
    observed = f"idle limit {minutes:g} min, absolute {hours:g} h; {len(failing)} of {len(wrong)} trials went wrong"
    return Found(not failing, observed, len(wrong), failing, {"idle_minutes": minutes, "hours": hours})


def _row(client: Client) -> Session:
    cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
    return Session.objects.get(pk=audit.session_digest(cookie.value if cookie else ""))


def _opens(client: Client) -> bool:
    return client.get(reverse(PAGE)).status_code == 200


def _known(name: str) -> bool:
    return any(route.name == name for route in matrix.routes())


def _renewed(client: Client, does: Callable[[Client], None]) -> bool:
    """Whether what is done moves the end of a session that was left alone for ten minutes."""
    before = clock.now() - timedelta(minutes=10)
    ends = before + timedelta(seconds=settings.SESSION_COOKIE_AGE)
    mine = Session.objects.filter(pk=_row(client).pk)
    mine.update(seen_at=before, expire_date=max(ends, clock.now() + timedelta(seconds=30)))
    was = mine.get().expire_date
    does(client)
    return mine.get().expire_date > was


def _read(client: Client) -> None:
    client.get(reverse(PAGE))


def _poll(name: str) -> Callable[[Client], None]:
    route = next(route for route in matrix.routes() if route.name == name)
    address = visits.address(route)

    def ask(client: Client) -> None:
        client.get(address)

    return ask


def _stream(name: str) -> Callable[[Client], None]:
    """As the middleware treats the session of whoever opens it, without opening it."""
    route = next(route for route in matrix.routes() if route.name == name)
    view = resolve(visits.address(route)).func

    def ask(client: Client) -> None:
        store = _store(client)
        sessions.renew(SimpleNamespace(session=store), view)  # type: ignore[arg-type]  # all it looks at

    return ask


def _store(client: Client) -> SessionStore:
    """The session of a browser, loaded as a request of it loads it."""
    cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
    store = SessionStore(cookie.value if cookie else None)
    store.load()
    return store


def _used_later(client: Client, *, idle: bool) -> bool:
    """Whether a session still opens something a little after its limit, both times of it moved into the past."""
    row = _row(client)
    mine = Session.objects.filter(pk=row.pk)
    if idle:
        promised, later = row.expire_date - row.seen_at, timedelta(seconds=MOST_IDLE) + OVERDUE
        mine.update(seen_at=clock.now() - later, expire_date=clock.now() - later + promised)
    else:
        mine.update(began_at=clock.now() - timedelta(hours=MOST_HOURS) - OVERDUE)
    return _opens(client)


# ── They are ended ─────────────────────────────────────────────────────────────────────────────────────────────


@check("session.revocation", seconds=15)
def revocation() -> Found:
    """A canary signed in three times, with streams open and a program beside, ends everything of theirs in one step.

    Not everybody's: that would sign out whoever works here. It is the same function, with one person for all. The
    streams are watched as theirs are (compliance.access.watch), without being sent.
    """
    with visits.apart("session.revocation"):
        person = canary.person(Role.CLINICIAN, cleared=True, can_type=False)
        others = [canary.another(person.user) for _ in range(2)]
        watches = [watch_of(client) for client in (person.client, *others)]
        _program(person.user)
        open_before = sum(watch.look() for watch in watches)
        began = time.monotonic()
        status = visits.send(person.client, "POST", reverse("settings-sessions-end-all")).status_code
        refused = sum(not _opens(client) for client in (person.client, *others))
        closed = _closed(watches, began)
        seconds = time.monotonic() - began
        wrong = {
            "the page did not do it": status != 302,
            "streams were not open": open_before != len(watches),
            "sessions are left": refused != len(watches),
            "streams stay open": closed != len(watches),
            "programs stay signed in": TokenFamily.objects.live(clock.now()).filter(user=person.user).exists(),
            "too late": seconds > REVOKED_SECONDS,
        }
    failing = [what for what, so in wrong.items() if so]
    observed = f"{refused} of 3 sessions and {closed} of 3 streams ended within {seconds:.1f} s"
    return Found(not failing, observed, len(wrong), failing, {"seconds": round(seconds, 2)})


def watch_of(client: Client) -> Watch:
    """What a stream of this browser would watch."""
    return Watch(SimpleNamespace(session=_store(client)), Action.OWN_SETTINGS)  # type: ignore[arg-type]  # all it uses


def _program(user: User) -> None:
    now = clock.now()
    marks = {"begun_with": secrets.token_hex(16), "newest": secrets.token_hex(16)}
    TokenFamily.objects.create(user=user, ends_at=now + timedelta(hours=1), **marks)


def _closed(watches: list[Watch], began: float) -> int:
    """How many streams know that they are over, asking as they do until all are or the time is up."""
    while time.monotonic() - began <= REVOKED_SECONDS:
        still_open = [watch for watch in watches if watch.look()]
        if not still_open:
            break
        time.sleep(_LOOKS_EVERY)
    return sum(watch.over for watch in watches)


@check("session.rotation", seconds=15)
def rotation() -> Found:
    """A canary signs in through the pages, three times signed in before: keys, sessions left, and what it can end."""
    with visits.apart("session.rotation"):
        person = canary.person(Role.CLINICIAN, signed_in=False)
        for _ in range(MOST_AT_ONCE):
            canary.another(person.user)
        browser = person.client
        keys = [_key(browser) for _ in _signing_in(person)]
        if not _opens(browser):
            raise CannotLook("the canary could not sign in")
        live = Session.objects.filter(user=person.user, verified=True)
        wrong = {
            "the key stays at the password": keys[0] == keys[1],
            "the key stays at the second factor": keys[1] == keys[2],
            "an earlier key still opens": Session.objects.filter(pk__in=map(audit.session_digest, keys[:2])).exists(),
            "more than three at once": (at_once := live.count()) > MOST_AT_ONCE,
            "a person cannot see them": not _listed(browser, live),
            "a person cannot end one": not _ends_one(browser, live.exclude(pk=audit.session_digest(keys[2])).first()),
        }
        people.roles_changed(person.user)
        wrong["a session outlives a change of roles"] = _opens(browser)
    failing = [what for what, so in wrong.items() if so]
    observed = f"{len(set(keys))} keys in 3 steps, {at_once} sessions at once; {len(failing)} of {len(wrong)} wrong"
    return Found(not failing, observed, len(wrong), failing, {"at_once": at_once})


def _signing_in(person: Canary) -> Iterator[str]:
    """Before, after the password, after the code; the browser brings a session somebody else gave it."""
    browser = person.client
    _ = browser.session  # makes one
    yield ""
    sent = {"email": person.user.email, "password": person.password}
    visits.send(browser, "POST", reverse("signin"), sent)
    yield "password"
    visits.send(browser, "POST", reverse("signin-code"), {"code": code_of(person.user)})
    yield "code"


def _key(client: Client) -> str:
    cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
    return str(cookie.value) if cookie else ""


def _listed(client: Client, rows: Iterable[Session]) -> bool:
    """Whether the person's page shows how to end each of them."""
    page = client.get(reverse(PAGE)).content.decode()
    return all(reverse("settings-session-end", args=[row.id]) in page for row in rows)


def _ends_one(client: Client, row: Session | None) -> bool:
    if row is None:
        return False
    visits.send(client, "POST", reverse("settings-session-end", args=[row.id]))
    return not Session.objects.filter(pk=row.pk).exists()
