"""Service accounts: programs that use the API. They hold roles as people do, and tokens instead of a password.

A token does what both its scopes and the roles of its account allow, and never what needs training, a second person
or a person's judgment.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.db import transaction

from clinchat.lib import clock
from compliance.access import epoch
from compliance.access.jwt import BadToken, Why
from compliance.access.roles import Action
from compliance.access.tokens import PREFIX
from compliance.models import ServiceToken, User
from compliance.models.tokens import LONGEST_SERVICE

DOMAIN = "service.invalid"
DELEGABLE = frozenset(
    {
        *(Action.BLOCK_NETWORKS, Action.READ_STATUS, Action.READ_LIBRARY, Action.READ_DRAFTS, Action.EDIT_LIBRARY),
        *(Action.READ_CONTINUITY, Action.MAKE_SNAPSHOTS),
    }
)
"""What a program may be given: what has an address below /api/, and /metrics. Whatever decides about people, roles,
sessions or other programs needs a person, and nothing in NEEDS_CLEARANCE is ever here."""
_USED_EVERY = timedelta(minutes=1)


class NotDelegable(ValueError):
    """A scope no program may have, no scope at all, or an expiry that is past or more than a year ahead."""


class Closed(Exception):
    """The service account is closed, or is a person's."""


class NameTaken(Exception):
    """There is a service account with this name."""


def everyone() -> list[User]:
    """All service accounts, closed ones last, each with its tokens and roles."""
    found = User.objects.filter(is_service=True).order_by("-is_active", "name")
    return list(found.prefetch_related("service_tokens__made_by", "role_assignments"))


def create(*, name: str) -> User:
    """A new service account without a role or a token. Roles are asked for and approved as those of people are.

    Raises NameTaken when an open one has this name: two programs must be told apart.
    """
    if User.objects.filter(is_service=True, is_active=True, name__iexact=name).exists():
        raise NameTaken
    return User.objects.create_user(email=f"{uuid.uuid4().hex[:12]}@{DOMAIN}", name=name, is_service=True)


def make_token(
    *, account_id: UUID, name: str, scopes: Iterable[Action], days: int, by: User
) -> tuple[ServiceToken, str]:
    """A new token and its text, which nothing returns again. Raises NotDelegable, Closed."""
    wanted = frozenset(scopes)
    if not wanted or not wanted <= DELEGABLE or not 1 <= days <= LONGEST_SERVICE.days:
        raise NotDelegable
    text = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        account = User.objects.select_for_update().filter(pk=account_id, is_service=True, is_active=True).first()
        if account is None:
            raise Closed
        now = clock.now()
        token = ServiceToken.objects.create(
            user=account,
            name=name,
            digest=_digest(text),
            prefix=text[: len(PREFIX) + 6],
            scopes=sorted(wanted),
            made_by=by,
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
    return token, text


def revoke(*, token_id: UUID) -> bool:
    """End one token; whether it still counted. The next request with it is refused."""
    with transaction.atomic():
        ended = ServiceToken.objects.filter(pk=token_id, revoked_at=None).update(revoked_at=clock.now())
        if ended:
            epoch.bump()
    return bool(ended)


def token_of(text: str) -> ServiceToken:
    """The token with this text, if it counts now. Raises BadToken."""
    token = ServiceToken.objects.select_related("user").filter(digest=_digest(text)).first()
    if token is None:
        raise BadToken(Why.MALFORMED)
    if not token.user.is_active or not token.user.is_service:
        raise BadToken(Why.CLOSED, str(token.user_id))
    now = clock.now()
    if token.revoked_at is not None or token.expires_at <= now:
        raise BadToken(Why.ENDED if token.revoked_at else Why.EXPIRED, str(token.user_id))
    if token.last_used_at is None or now - token.last_used_at >= _USED_EVERY:
        ServiceToken.objects.filter(pk=token.pk).update(last_used_at=now)
        User.objects.filter(pk=token.user_id).update(last_login=now)
    return token


def scopes_of(token: ServiceToken) -> frozenset[Action]:
    """What the token was made for, without what has left the policy since or may no longer be delegated."""
    return frozenset(action for action in DELEGABLE if action in token.scopes)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
