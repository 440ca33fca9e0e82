"""Sessions of browsers: how long they last, how they end, and what they are not for.

A session ends 15 minutes after the last request of its person and 12 hours after the sign-in at the latest
(ASVS 5.0 V7.3; 45 CFR 164.312(a)(2)(iii), automatic logoff); a hospital may shorten both. `SessionStore` asks
`why_over` whenever it loads a session, so that no request can use one past its end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Concatenate, Final, NamedTuple, ParamSpec, TypeVar
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db import connection, transaction
from django.db.models import Count, Q
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from clinchat.lib import clock
from clinchat.lib.http import AuthedRequest
from compliance import audit, notices
from compliance.access import epoch, tokens
from compliance.access.session_store import SessionStore
from compliance.models import Notice, Session, User

P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)
Request = TypeVar("Request", bound=HttpRequest)

PROVED_AT: Final = "proved_at"
"""In the session: when both factors were last shown, in seconds since 1970."""
PROOF_SECONDS: Final = 10 * 60
WARN_SECONDS: Final = 2 * 60
MOST_AT_ONCE: Final = 3
"""Browsers one person is signed in with; who signs in with one more is signed out of the one longest in use."""
_BY_ITSELF: Final = "end of a session"
BATCH: Final = 500
"""Events in one statement; PostgreSQL takes 65,535 values in it."""


# ── How long it lasts ──────────────────────────────────────────────────────────────────────────────────────────


def why_over(row: Session, now: datetime) -> str:
    """Why the session is past its end, "idle" or "too long"; empty while it is not."""
    if row.expire_date <= now:
        return "idle"
    return "too long" if row.began_at + tokens.lifetime() <= now else ""


def ends_at(row: Session) -> datetime:
    """When the session ends if nothing more is done in it."""
    return min(row.expire_date, row.began_at + tokens.lifetime())


class Open(NamedTuple):
    sessions: int
    people: int


def count() -> Open:
    """Sessions of browsers that both factors were shown in, and how many people have them."""
    now = clock.now()
    lives = Session.objects.filter(verified=True, expire_date__gt=now, began_at__gt=now - tokens.lifetime())
    return Open(**lives.aggregate(sessions=Count("pk"), people=Count("user", distinct=True)))


@transaction.atomic
def expire(row: Session, why: str) -> None:
    """Delete a session that is past its end; the one of somebody signed in is an event."""
    gone, _ = Session.objects.filter(pk=row.pk).delete()
    if gone and row.verified and row.user_id:
        # Nobody does this. The request's own person is what is being looked up: asking for them would not end.
        with audit.bind(actor=None, kind=audit.ActorKind.SERVICE, name=_BY_ITSELF, session=row.pk):
            audit.record_all(_ending(row.user_id, {"reason": why}))
        epoch.bump()


def expire_all() -> int:
    """Delete every session past its end or of a closed account, in batches; returns how many there were."""
    now, count = clock.now(), 0
    over = Q(expire_date__lte=now) | Q(began_at__lte=now - tokens.lifetime()) | Q(user__is_active=False)
    while rows := list(Session.objects.filter(over)[:BATCH]):
        for row in rows:
            expire(row, why_over(row, now) or "account closed")
        count += len(rows)
    return count


# ── What a session proves ──────────────────────────────────────────────────────────────────────────────────────


def proved_at(request: HttpRequest) -> datetime | None:
    """When both factors were last shown in this session."""
    seconds = request.session.get(PROVED_AT)
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None


def is_fresh(proved: datetime | None) -> bool:
    """Whether both factors were shown within the last ten minutes (ASVS 5.0 V7.5.1)."""
    return proved is not None and timedelta() <= clock.now() - proved <= timedelta(seconds=PROOF_SECONDS)


def reauthenticated(request: HttpRequest) -> bool:
    """Whether that is so in this session."""
    return is_fresh(proved_at(request))


def fresh(
    view: Callable[Concatenate[AuthedRequest, P], R],
) -> Callable[Concatenate[AuthedRequest, P], HttpResponseBase]:
    """Behind a door: the view runs only for a person who showed both factors in the last ten minutes.

    Others are sent to show them again and then come back: to the page itself, or to the one its form was on.
    """

    @wraps(view)
    def after_proof(request: AuthedRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if reauthenticated(request):
            return view(request, *args, **kwargs)
        return redirect(f"{reverse('signin-again')}?{urlencode({'next': _page_of(request)})}")

    return after_proof


def _page_of(request: HttpRequest) -> str:
    """The page to come back to: what was asked for with GET, else the page that held the form."""
    if request.method in {"GET", "HEAD"}:
        return request.get_full_path()
    page = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(page, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return reverse("settings")
    parts = urlsplit(page)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def leaves_session_alone(
    view: Callable[Concatenate[Request, P], R],
) -> Callable[Concatenate[Request, P], R]:
    """The answer is no activity of a person: it does not prolong their session, nor need the table it is kept in.

    For probes, and for what pages ask for by themselves: streams, clocks.
    """

    @wraps(view)
    def without_session(request: Request, /, *args: P.args, **kwargs: P.kwargs) -> R:
        response = view(request, *args, **kwargs)
        del request.session  # SessionMiddleware saves what it finds
        return response

    vars(without_session)["leaves_session_alone"] = True
    return without_session


def renew(request: HttpRequest, view: Callable[..., object]) -> None:
    """The person does something: put the end of their session off, unless the view leaves it alone."""
    session = request.session
    if getattr(view, "leaves_session_alone", False) or not isinstance(session, SessionStore):
        return
    if session.row is not None and session.row.verified:
        session.touch()


class Clock(NamedTuple):
    """What a page shows of its session: seconds until it ends if nothing more is done, and how many before it warns.

    `final`: doing something does not put the end off any more, the session has nearly lasted as long as one may.
    """

    seconds: int
    final: bool
    warn: int
    idle: int
    hours: int


def clock_of(request: HttpRequest) -> Clock | None:
    """None when nobody is signed in by a session of a browser."""
    row = getattr(getattr(request, "session", None), "row", None)
    if row is None or not row.verified:
        return None
    idle = settings.SESSION_COOKIE_AGE
    return Clock(
        seconds=max(0, int((ends_at(row) - clock.now()).total_seconds())),
        final=row.began_at + tokens.lifetime() <= row.expire_date,
        warn=min(WARN_SECONDS, idle // 3),
        idle=idle // 60,
        hours=settings.CLINCHAT_SESSION_HOURS,
    )


def say_why(request: HttpRequest) -> bool:
    """Whether the session of the visitor's cookie is over; if so, a message for the sign-in page says why."""
    ended = getattr(request.session, "ended", "")
    if not ended:
        return False
    lost = "" if request.method in {"GET", "HEAD"} else " What you sent last was not saved."
    messages.info(request, f"{_why(ended)} Sign in again.{lost}")
    return True


def _why(ended: str) -> str:
    minutes, hours = settings.SESSION_COOKIE_AGE // 60, settings.CLINCHAT_SESSION_HOURS
    idle = f"{minutes} minute{'s'[: minutes != 1]}"
    if ended == "idle":
        return f"You were signed out after {idle} without activity."
    if ended == "too long":
        return f"You were signed out: a session lasts {hours} hour{'s'[: hours != 1]} at most."
    return f"Your session is over: it was ended, or nothing was done in it for {idle}."


# ── Ending what is open ────────────────────────────────────────────────────────────────────────────────────────


@transaction.atomic
def end_all(user: User | None, *, reason: str, except_key: str = "") -> int:
    """End every browser session and API token family of the person, of everyone when None; returns how many.

    The session whose cookie key is `except_key` stays. One event per person whose session ended (for everyone, one
    more with the totals); nothing ends when it cannot be written: raises AuditUnavailable. Open streams end within
    five seconds of the commit (compliance.access.watch).
    """
    ended, ended_tokens = _delete(user, audit.session_digest(except_key)), tokens.end_families(user)
    _record(_endings(ended, ended_tokens, user, reason))
    epoch.bump()
    return ended.total() + ended_tokens


@transaction.atomic
def end_oldest(user: User, *, except_key: str) -> int:
    """End the person's oldest browser sessions until MOST_AT_ONCE are left, this one among them; returns how many.

    In the transaction of the sign-in, which holds the person's row: two at once are counted one after the other.
    """
    now = clock.now()
    live = Session.objects.filter(user=user, verified=True, expire_date__gt=now, began_at__gt=now - tokens.lifetime())
    others = live.exclude(pk=audit.session_digest(except_key)).order_by("-began_at", "pk")
    too_many = [row.pk for row in others[MOST_AT_ONCE - 1 :]]
    if not too_many:
        return 0
    ended, _ = Session.objects.filter(pk__in=too_many).delete()
    _record([_ending(user.pk, {"reason": "too many at once", "sessions": ended})])
    notices.tell(
        [user],
        title="You were signed out elsewhere",
        text=f"You can be signed in with {MOST_AT_ONCE} browsers. The one you signed in with first was signed out. "
        "Not you? Change your password and tell security.",
        url=reverse("settings-sessions"),
        level=Notice.Level.WARNING,
    )
    epoch.bump()
    return ended


def _endings(ended: Counter[UUID], ended_tokens: int, user: User | None, reason: str) -> list[audit.Act]:
    if not ended and not ended_tokens:
        return []
    if user is not None:
        return [_ending(user.pk, {"reason": reason, "sessions": ended[user.pk], "tokens": ended_tokens})]
    acts = [_ending(person, {"reason": reason, "sessions": sessions}) for person, sessions in ended.items()]
    detail: dict[str, audit.JSON] = {"reason": reason, "sessions": ended.total()}
    detail |= {"tokens": ended_tokens, "people": len(ended)}
    return [*acts, audit.Act(audit.Code.SESSION_EXPIRED, audit.Crude.EXECUTE, detail=detail)]


def _delete(user: User | None, kept: str) -> Counter[UUID]:
    """Delete the rows and count the sessions of each person that had both factors.

    Twice: a sign-in that replaces its session at this moment makes the first statement wait for it, and only the
    second one sees what it made.
    """
    ended: Counter[UUID] = Counter()
    whose = user.pk if user else None
    with connection.cursor() as cursor:
        for _ in range(2):
            cursor.execute(
                "DELETE FROM compliance_session WHERE session_key <> %s AND (%s::uuid IS NULL OR user_id = %s::uuid) "
                "RETURNING user_id, verified",
                [kept, whose, whose],
            )
            ended.update(person for person, verified in cursor.fetchall() if verified)
    return ended


def record_end(user: User, *, reason: str) -> None:
    """Put the end of one session of the person on record."""
    _record([_ending(user.pk, {"reason": reason})])


def _ending(person: UUID, detail: dict[str, audit.JSON]) -> audit.Act:
    return audit.Act(
        audit.Code.SESSION_EXPIRED,
        audit.Crude.EXECUTE,
        object_type="compliance.User",
        object_id=str(person),
        detail=detail,
    )


def _record(acts: list[audit.Act]) -> None:
    for start in range(0, len(acts), BATCH):
        audit.record_all(*acts[start : start + BATCH])
