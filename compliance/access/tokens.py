"""What opens the API: families of tokens of people, and the tokens of service accounts.

A family begins with both factors and ends after twelve hours, or after one in which nobody asked for new tokens. An
access token is good for five minutes, and only while its family is: each request looks. A refresh token is good once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from clinchat.lib import clock
from compliance import audit
from compliance.access import agents, epoch
from compliance.access.jwt import ACCESS, AccessToken, BadToken, RefreshToken, Signed, StepToken, Why
from compliance.models import Notice, ServiceToken, TokenFamily, User

if TYPE_CHECKING:
    from compliance.access.factors import Factor

PREFIX = "cct_"
_SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Pair:
    """An access and a refresh token; `expires_in` is the seconds the first is good for."""

    access: str
    refresh: str
    expires_in: int
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a token speaks for, and through what: exactly one of `family` and `token` is set."""

    user: User
    expires_at: datetime
    family: TokenFamily | None = None
    token: ServiceToken | None = None

    @property
    def persistent_id(self) -> str:
        """Stands where django-otp keeps the device that verified a person."""
        return f"family:{self.family.pk}" if self.family else f"service:{self.token.pk}" if self.token else ""

    @property
    def session(self) -> str:
        """What the audit trail calls this sign-in, as it does sessions of browsers."""
        return audit.session_digest(self.persistent_id)


def lifetime() -> timedelta:
    """From the sign-in to its end, of browsers and programs alike, however active the person is."""
    return timedelta(hours=settings.CLINCHAT_SESSION_HOURS)


def after_password(user: User) -> str:
    """The token that the second factor is shown with. A new password makes it worthless."""
    step = StepToken()
    step["sub"], step["pw"] = str(user.pk), _password(user)
    return str(step)


def awaited(text: str) -> tuple[User, str]:
    """Whose code the token of the first step awaits, and a digest that opens one family. Raises BadToken."""
    step = StepToken.read(text)
    user = User.objects.filter(pk=step["sub"]).first()
    if user is None or not user.is_active or user.is_service:
        raise BadToken(Why.CLOSED, step["sub"])
    if step["pw"] != _password(user) or TokenFamily.objects.filter(begun_with=step.digest).exists():
        raise BadToken(Why.ENDED, step["sub"])
    return user, step.digest


def begin(user: User, *, begun_with: str, factor: Factor, source: str | None, agent: str) -> Pair:
    """A new family of somebody who has just shown both factors, on record. Raises BadToken at the second of two."""
    family = TokenFamily(user=user, begun_with=begun_with, source=source, agent=agents.program(agent))
    family.ends_at = family.created_at + lifetime()
    pair = _pair(family)
    bearer = Bearer(user, family.ends_at, family)
    try:
        with audit.bind(actor=user, session=bearer.session), transaction.atomic():
            family.save(force_insert=True)
            user.last_login = family.created_at
            user.save(update_fields=["last_login"])
            audit.record(
                code=audit.Code.AUTHN_LOGIN_SUCCESS,
                action=audit.Crude.EXECUTE,
                object_type="compliance.User",
                object_id=str(user.pk),
                detail={"factor": str(factor), "through": "api"},
            )
    except IntegrityError:
        raise BadToken(Why.ENDED, str(user.pk)) from None
    return pair


def renew(text: str, *, source: str | None, agent: str) -> Pair:
    """A new pair for the newest refresh token of a family. Raises BadToken.

    One that was used before ends its whole family: either the person or a thief holds a copy of what the other used,
    and nobody can tell which (RFC 9700, section 4.14.2). The person is told.
    """
    refresh = RefreshToken.read(text)
    with transaction.atomic():
        found = TokenFamily.objects.select_for_update(of=("self",)).select_related("user")
        family = found.filter(pk=refresh["fam"]).first()
        why = _unusable(family, refresh)
        if family is not None and why is None:
            return _next(family, source=source, agent=agent)
        if family is not None and why is Why.REUSED:
            _reused(family)
    raise BadToken(why or Why.ENDED, refresh["sub"])


def _next(family: TokenFamily, *, source: str | None, agent: str) -> Pair:
    pair = _pair(family)
    family.seen_at, family.source, family.agent = clock.now(), source, agents.program(agent)
    family.save(update_fields=["newest", "seen_at", "source", "agent"])
    return pair


def _unusable(family: TokenFamily | None, token: Signed) -> Why | None:
    """Why a rightly signed token of the family opens nothing now; None when it does."""
    if family is None or str(family.user_id) != token["sub"]:
        return Why.MALFORMED
    if not family.user.is_active or family.user.is_service:
        return Why.CLOSED
    if family.revoked_at is not None or family.ends_at <= clock.now():
        return Why.ENDED
    return Why.REUSED if isinstance(token, RefreshToken) and token.digest != family.newest else None


def _reused(family: TokenFamily) -> None:
    from compliance import notices

    with audit.bind(actor=family.user, session=Bearer(family.user, family.ends_at, family).session):
        audit.record(
            code=audit.Code.AUTHN_TOKEN_REUSE,
            action=audit.Crude.EXECUTE,
            outcome=audit.Outcome.DENIED,
            object_type="compliance.TokenFamily",
            object_id=str(family.pk),
        )
        _end(TokenFamily.objects.filter(pk=family.pk), TokenFamily.Ended.REUSED)
        epoch.bump()
    notices.tell(
        [family.user],
        title="An API token of yours was used twice",
        text="Somebody may have copied it. That sign-in is ended. If the program was not yours, change your password.",
        url="/settings/",
        level=Notice.Level.CRITICAL,
    )


def sign_out(text: str) -> None:
    """End the family of a refresh token, whichever of its tokens it is. Raises BadToken when we did not make it."""
    refresh = RefreshToken.read(text)
    with transaction.atomic():
        ended = TokenFamily.objects.filter(pk=refresh["fam"], user_id=refresh["sub"], revoked_at=None)
        family = ended.select_related("user").first()
        if family is None:
            return
        with audit.bind(actor=family.user, session=Bearer(family.user, family.ends_at, family).session):
            audit.record(code=audit.Code.SESSION_EXPIRED, action=audit.Crude.EXECUTE, detail={"reason": "signed out"})
            _end(ended, TokenFamily.Ended.SIGNED_OUT)
            epoch.bump()


def bearer(text: str) -> Bearer:
    """Whom the token of a request speaks for, now. One query. Raises BadToken."""
    return _service(text) if text.startswith(PREFIX) else _person(text)


def _person(text: str) -> Bearer:
    access = AccessToken.read(text)
    family = TokenFamily.objects.select_related("user").filter(pk=access["fam"]).first()
    why = _unusable(family, access)
    if family is None or why is not None:
        raise BadToken(why or Why.ENDED, access["sub"])
    if clock.now() - family.seen_at >= _SEEN_EVERY:
        TokenFamily.objects.filter(pk=family.pk).update(seen_at=clock.now())
    return Bearer(family.user, min(family.ends_at, access.expires_at), family)


def _service(text: str) -> Bearer:
    from compliance.access import services

    token = services.token_of(text)
    token.user.scopes = services.scopes_of(token)
    return Bearer(token.user, token.expires_at, token=token)


def end_families(user: User | None) -> int:
    """End every sign-in through the API and every service token, of the person or (None) of everyone; how many.

    In the caller's transaction; the next request with such a token is refused.
    """
    whose = Q() if user is None else Q(user=user)
    now = clock.now()
    ended = _end(TokenFamily.objects.live(now).filter(whose), TokenFamily.Ended.REVOKED)
    ended += ServiceToken.objects.live(now).filter(whose).update(revoked_at=now)
    if ended:
        epoch.bump()
    return ended


def end_family(user: User, family_id: UUID) -> bool:
    """End one of the person's own sign-ins through the API; whether there was one to end."""
    with transaction.atomic():
        mine = TokenFamily.objects.live(clock.now()).filter(pk=family_id, user=user)
        ended = _end(mine, TokenFamily.Ended.REVOKED)
        if ended:
            epoch.bump()
    return bool(ended)


def families(user: User) -> list[TokenFamily]:
    """The person's sign-ins through the API that still count, newest first."""
    return list(TokenFamily.objects.live(clock.now()).filter(user=user))


def _end(found: QuerySet[TokenFamily], reason: TokenFamily.Ended) -> int:
    return found.update(revoked_at=clock.now(), reason=reason)


def _pair(family: TokenFamily) -> Pair:
    """New tokens of the family; `family.newest` is set, and not saved. None of them outlives it."""
    access, refresh = AccessToken(), RefreshToken()
    for token in (access, refresh):
        token["sub"], token["fam"] = str(family.user_id), str(family.pk)
        token["exp"] = min(token["exp"], int(family.ends_at.timestamp()))
    family.newest = refresh.digest
    return Pair(str(access), str(refresh), int(ACCESS.total_seconds()), family.ends_at)


def _password(user: User) -> str:
    return hashlib.sha256(user.get_session_auth_hash().encode()).hexdigest()[:16]
