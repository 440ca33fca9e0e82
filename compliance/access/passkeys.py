"""Passkeys (WebAuthn): a second factor that answers only to this portal's own domain.

django-otp-webauthn keeps them and checks their answers. Here is when one may be asked for, and what comes of it: a
challenge is for one person, one session and one purpose, works once and for five minutes, and whoever holds the passkey
has to unlock it (user verification). W3C WebAuthn Level 3, sections 7.1 and 7.2; ASVS 5.0 V6.7.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import redis
from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.http import Http404, HttpRequest
from django.http.request import split_domain_port
from django_otp_webauthn.exceptions import CredentialNotFound, CredentialUserMismatch
from django_otp_webauthn.helpers import WebAuthnHelper
from django_otp_webauthn.models import WebAuthnCredential
from webauthn.helpers.structs import PublicKeyCredentialUserEntity, UserVerificationRequirement

from clinchat.lib import sealed
from compliance import audit
from compliance.access import counters, factors, proof, signin
from compliance.access.factors import Attempt, Factor, LastFactor
from compliance.models import User

if TYPE_CHECKING:
    from collections.abc import Mapping

STEP: Final = "passkey"
SETUP_STEP: Final = "passkey setup"
MOST: Final = 10
"""Passkeys one person may have."""
LIVES_SECONDS: Final = 5 * 60
LONGEST_ANSWER: Final = 20_000
"""Characters; real answers have about 1,000."""
_STATE: Final = "passkey"


class Purpose(StrEnum):
    """What a challenge was made for; it is good for nothing else."""

    ADD = "add"
    SHOW = "show"


class Refused(Exception):
    """The passkey was not accepted. `why` is one of ours: what an exception of the library says is never shown."""

    def __init__(self, why: Why, *, wait: int = 0) -> None:
        super().__init__(why)
        self.why = why
        self.wait = wait


class Why(StrEnum):
    """Recorded as it stands here."""

    STALE = "no challenge"  # none was made here, it is over, or it was used
    WRONG = "wrong answer"
    UNKNOWN = "unknown passkey"  # unknown, or somebody else's
    KNOWN = "known passkey"
    MANY = "too many passkeys"
    LOCKED = "locked"


class Helper(WebAuthnHelper):  # type: ignore[misc]  # the library ships no types
    """The library's ceremonies with what a hospital asks for."""

    def __init__(self, request: HttpRequest, *, name: str = "") -> None:
        super().__init__(request)
        self.name = name

    def get_generate_registration_options_kwargs(self, *, user: User) -> dict[str, Any]:
        options: dict[str, Any] = super().get_generate_registration_options_kwargs(user=user)
        options["authenticator_selection"].user_verification = UserVerificationRequirement.REQUIRED
        return options

    def get_user_entity(self, user: User) -> PublicKeyCredentialUserEntity:
        """The handle by which a browser tells people apart: 32 bytes that name nobody and need no table."""
        handle = sealed.blind_index(str(user.pk), context="passkey handle")
        return PublicKeyCredentialUserEntity(id=handle, name=user.email, display_name=user.get_full_name())

    def create_credential(self, *args: Any, **kwargs: Any) -> WebAuthnCredential:
        passkey = super().create_credential(*args, **kwargs)
        passkey.name = self.name
        return passkey

    def create_attestation(self, *_: Any) -> None:
        """None is asked for, so there is none to keep."""


def usable(request: HttpRequest) -> bool:
    """Whether a browser gives passkeys to the page as it is open: under our domain or a name below it."""
    host, _ = split_domain_port(request.get_host())
    return f".{host}".endswith(f".{settings.OTP_WEBAUTHN_RP_ID}")


def home() -> str:
    """Where passkeys work, as an address to type."""
    return f"{settings.OTP_WEBAUTHN_ALLOWED_ORIGINS[0]}/"


def of(user: User) -> list[WebAuthnCredential]:
    """The passkeys of a person, the oldest first."""
    return list(WebAuthnCredential.objects.filter(user=user, confirmed=True).order_by("created_at", "pk"))


def address(passkey: WebAuthnCredential) -> UUID:
    """Names it in addresses: the first half of the digest of its id, for its own number would count them all."""
    return UUID(passkey.credential_id_sha256[:32])


def find(user: User, named: UUID) -> WebAuthnCredential | None:
    """The person's passkey of that address."""
    return WebAuthnCredential.objects.filter(
        user=user, confirmed=True, credential_id_sha256__startswith=named.hex
    ).first()


def get(user: User, named: UUID) -> WebAuthnCredential:
    """The person's passkey of that address. For anything else raises Http404, on record."""
    passkey = find(user, named)
    if passkey is None:
        audit.record(
            code=audit.Code.AUTHZ_FAIL,
            action=audit.Crude.READ,
            outcome=audit.Outcome.DENIED,
            object_type="django_otp_webauthn.WebAuthnCredential",
            object_id=str(named),
        )
        raise Http404
    return passkey


# ── Ceremonies ─────────────────────────────────────────────────────────────────────────────────────────────────


def begin_adding(request: HttpRequest, user: User) -> dict[str, Any]:
    """What the browser needs to make a passkey for this person. Raises counters.Unavailable without Redis."""
    return _begin(request, user, Purpose.ADD, *Helper(request).register_begin(user))


def begin_showing(request: HttpRequest, user: User) -> dict[str, Any]:
    """What the browser needs to show one of this person's passkeys. Raises counters.Unavailable without Redis."""
    return _begin(request, user, Purpose.SHOW, *Helper(request).authenticate_begin(user))


@contextmanager
def adding(user: User) -> Iterator[None]:
    """What is done inside is done by this person, all of it or nothing. What is refused is on record afterwards."""
    try:
        with audit.bind(actor=user), transaction.atomic():
            yield
    except Refused as refused:
        audit.record(
            code=audit.Code.INPUT_VALIDATION_FAIL,
            action=audit.Crude.EXECUTE,
            outcome=audit.Outcome.FAILURE,
            actor=user,
            object_type="compliance.User",
            object_id=str(user.pk),
            detail={"step": SETUP_STEP, "reason": str(refused.why)},
        )
        raise


def add(request: HttpRequest, user: User, *, name: str, answer: str) -> WebAuthnCredential:
    """Keep the passkey the browser made, inside `adding`. Raises Refused and counters.Unavailable."""
    state = _take(request, user, Purpose.ADD)
    _lock(user)
    if WebAuthnCredential.objects.filter(user=user).count() >= MOST:
        raise Refused(Why.MANY)
    try:
        with transaction.atomic():
            return Helper(request, name=name).register_complete(user, state, _parsed(answer))
    except (OperationalError, InterfaceError):
        raise
    except IntegrityError:
        raise Refused(Why.KNOWN) from None
    except Exception:  # noqa: BLE001  # whatever a malformed answer makes of the libraries that read it
        raise Refused(Why.WRONG) from None


def show(request: HttpRequest, user: User, *, answer: str) -> WebAuthnCredential:
    """The person's passkey that gave this answer. Every failure is on record and counts as a wrong code does.

    Raises Refused and counters.Unavailable.
    """
    if locked := proof.next_try(user, step=STEP):
        raise Refused(Why.LOCKED, wait=locked.wait)
    try:
        passkey = _shown(request, user, answer=answer)
    except Refused as refused:
        attempt = proof.judged(user, Attempt(None), step=STEP)
        raise Refused(refused.why, wait=attempt.wait) from None
    proof.judged(user, Attempt(passkey), step=STEP)
    return passkey


def enter(request: HttpRequest, user: User, *, answer: str) -> str:
    """Let the person in whose second step this session awaits; returns the path they wanted. Raises as `show` does."""
    return signin.let_in(request, user, show(request, user, answer=answer), Factor.PASSKEY)


def enter_with_new(request: HttpRequest, user: User, *, answer: str) -> list[str]:
    """Keep the first factor of a person, let them in with it and return their recovery codes.

    Raises Refused, on record, and counters.Unavailable.
    """
    with adding(user):
        _lock(user)
        if factors.has_factor(user):  # set up by somebody else since this page was opened
            raise Refused(Why.STALE)
        signin.let_in(request, user, add(request, user, name="Passkey", answer=answer), Factor.PASSKEY)
        return factors.new_recovery_codes(user)


def _begin(
    request: HttpRequest, user: User, purpose: Purpose, options: dict[str, Any], state: Mapping[str, Any]
) -> dict[str, Any]:
    try:
        counters.client().set(_mark(state["challenge"]), "", ex=LIVES_SECONDS)
    except redis.RedisError:
        raise counters.Unavailable from None
    request.session[_STATE] = {"purpose": purpose, "user": str(user.pk), **state}
    return options


def _take(request: HttpRequest, user: User, purpose: Purpose) -> Mapping[str, Any]:
    """The challenge this session waits for, which is spent by this. Raises Refused.

    The session alone could not tell: a request that runs beside this one may write the old session back.
    """
    state: Mapping[str, Any] | None = request.session.pop(_STATE, None)
    if state is None or (state["purpose"], state["user"]) != (purpose, str(user.pk)):
        raise Refused(Why.STALE)
    try:
        unspent = counters.client().delete(_mark(state["challenge"]))
    except redis.RedisError:
        raise counters.Unavailable from None
    if not unspent:
        raise Refused(Why.STALE)
    return state


def _lock(user: User) -> None:
    """Whoever else changes the factors of this person waits for the end of the transaction."""
    User.objects.select_for_update().get(pk=user.pk)


def _mark(challenge: str) -> str:
    return counters.key(f"passkey:{hashlib.sha256(challenge.encode()).hexdigest()}")


def _shown(request: HttpRequest, user: User, *, answer: str) -> WebAuthnCredential:
    state = _take(request, user, Purpose.SHOW)
    try:
        with transaction.atomic():
            # Two uses at once queue here: the second one finds the count of the first.
            own = WebAuthnCredential.objects.filter(user=user, confirmed=True).select_for_update(of=("self",))
            known = set(own.values_list("pk", flat=True))
            passkey = Helper(request).authenticate_complete(user, state, _parsed(answer))
            if passkey.pk not in known:
                raise Refused(Why.UNKNOWN)
            return passkey
    except (OperationalError, InterfaceError, Refused):
        raise
    except (CredentialNotFound, CredentialUserMismatch):
        raise Refused(Why.UNKNOWN) from None
    except Exception:  # noqa: BLE001  # as above
        raise Refused(Why.WRONG) from None


def _parsed(answer: str) -> dict[str, Any]:
    """The browser's answer as an object; what is in it the libraries look at. Raises what `json` does, and Refused."""
    if len(answer) > LONGEST_ANSWER:
        raise Refused(Why.WRONG)
    return dict(json.loads(answer))


# ── Keeping them ───────────────────────────────────────────────────────────────────────────────────────────────


def rename(passkey: WebAuthnCredential, name: str) -> None:
    passkey.name = name
    passkey.save(update_fields=["name"])


def remove(user: User, passkey: WebAuthnCredential) -> None:
    """Take a passkey of the person away. Raises LastFactor when they have no other, and no authenticator app.

    Two removals at once cannot leave nothing: they queue for the person's row.
    """
    with transaction.atomic():
        _lock(user)
        if factors.count(user) == 1:
            raise LastFactor
        passkey.delete()
