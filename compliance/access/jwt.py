"""The signed tokens of the API (RFC 7519): three kinds, and none is taken for another.

Each kind is signed with a key of its own, derived from SECRET_KEY for that purpose, by HMAC-SHA-256 and nothing else:
what a token says about its algorithm is compared, never obeyed. Issuer, audience, kind, id and expiry are checked.
Whether a rightly signed token still counts is for compliance.access.tokens to say.
"""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.tokens import Token

ISSUER = "clinchat"
AUDIENCE = "clinchat-api"
ACCESS = timedelta(minutes=5)
IDLE = timedelta(minutes=60)
STEP = timedelta(minutes=5)
LEEWAY = timedelta(seconds=5)  # between the clocks of two of our machines
_SHAPE = re.compile(r"[\w-]{1,400}\.[\w-]{1,1200}\.[\w-]{1,200}", re.ASCII)


class Why(StrEnum):
    """Why a token is refused, for the audit trail. Whoever sent it learns only whether signing in again helps."""

    MALFORMED = "malformed"
    EXPIRED = "expired"
    ENDED = "ended"
    REUSED = "reused"
    CLOSED = "account closed"
    SERVICE = "service token at a page of people"


class BadToken(Exception):
    """The token opens nothing. `user_id` is whose it was, where it was rightly signed."""

    def __init__(self, why: Why, user_id: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.user_id = user_id


class Signed(Token):
    """A token of one kind. `Signed()` makes one, `Signed.read(text)` checks one."""

    token_type: str
    lifetime: timedelta
    payload: dict[str, Any]

    def get_token_backend(self) -> TokenBackend:
        return _backend(self.token_type, settings.SECRET_KEY)

    @property
    def digest(self) -> str:
        """Names the token without its id."""
        return hmac.new(b"token id", str(self.payload["jti"]).encode(), "sha256").hexdigest()

    @property
    def expires_at(self) -> datetime:
        return datetime.fromtimestamp(self.payload["exp"], UTC)

    @classmethod
    def read(cls, text: str) -> Any:
        """The token if we signed it for this purpose and it has not expired. Raises BadToken."""
        if not _SHAPE.fullmatch(text):
            raise BadToken(Why.MALFORMED)
        try:
            return cls(text)  # type: ignore[arg-type]  # simplejwt calls the text of a token a Token
        except ExpiredTokenError:
            raise BadToken(Why.EXPIRED) from None
        except TokenError:
            raise BadToken(Why.MALFORMED) from None


class StepToken(Signed):
    """Says that the password was right. Good for one thing: a code of the second factor."""

    token_type = "mfa"  # noqa: S105  # a kind, not a token
    lifetime = STEP


class AccessToken(Signed):
    """Opens the API for five minutes, as long as its family counts."""

    token_type = "access"  # noqa: S105  # a kind, not a token
    lifetime = ACCESS


class RefreshToken(Signed):
    """Opens nothing; brings one new pair of tokens, once."""

    token_type = "refresh"  # noqa: S105  # a kind, not a token
    lifetime = IDLE


@lru_cache(maxsize=6)
def _backend(purpose: str, secret: str) -> TokenBackend:
    key = hmac.new(secret.encode(), f"clinchat api token: {purpose}".encode(), "sha256").hexdigest()
    return TokenBackend("HS256", key, audience=AUDIENCE, issuer=ISSUER, leeway=LEEWAY)
