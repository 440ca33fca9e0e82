"""Certificates: signed when somebody passes, checked by anybody, revoked with a reason. Their only writer.

A certificate is a token: what it says and an Ed25519 signature over exactly these bytes. Whoever has the public key
checks it without this portal (standalone/verify_certificate.py).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction

from clinchat.lib import clock, ui_tags
from compliance import notices
from compliance.access import Action, refusals
from compliance.models import Notice, User
from training import clearing, statements
from training.bank.types import SIX
from training.models import Certificate, Enrolment, ModuleVersion
from training.models.certificates import OVERALL

WHO_CHECKS: Final = "Whoever is shown a certificate has no account here, and learns nothing that is not on it"
"""Why checking one is open to anybody."""
VALID_FOR: Final = timedelta(days=365)
OVERALL_TITLE: Final = "All six training modules"
LONGEST_TOKEN: Final = 2_000
CERTIFICATE: Final = "certificate"
REVOCATIONS: Final = "revocations"
"""The two kinds of things that are signed; neither passes for the other."""


class Malformed(Exception):
    """This is no certificate: it is cut off, or something else."""


class Forged(Exception):
    """It looks like a certificate, and the signature is not ours, or not of these words."""


class Oneself(Exception):
    """Nobody revokes their own certificate."""


class AlreadyRevoked(Exception):
    """Somebody has revoked it before."""


@dataclass(frozen=True)
class Signed:
    """What a certificate says, word for word as it was signed."""

    id: UUID
    name: str
    module: str
    version: str
    percent: int | None
    issued: datetime
    expires: datetime
    key: str


class Verdict(StrEnum):
    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    UNCHECKED = "unchecked"
    """Genuine and in date; whether it was revoked could not be looked up."""
    FORGED = "forged"
    MALFORMED = "malformed"


# ── Signing and checking, without the database ─────────────────────────────────────────────────────────────────────


def key_id() -> str:
    """The first sixteen digits of the SHA-256 of the public key."""
    return hashlib.sha256(public_key()).hexdigest()[:16]


def public_key() -> bytes:
    return _key().public_key().public_bytes_raw()


def verify(token: str) -> Signed:
    """What the certificate says, if it is ours to the last letter. Raises Malformed and Forged."""
    words = opened(token, kind=CERTIFICATE)
    try:
        return Signed(
            id=UUID(words["id"]),
            name=str(words["name"]),
            module=str(words["module"]),
            version=str(words["version"]),
            percent=words["percent"],
            issued=datetime.fromisoformat(words["issued"]),
            expires=datetime.fromisoformat(words["expires"]),
            key=str(words["key"]),
        )
    except (KeyError, TypeError, ValueError):
        raise Malformed from None


def opened(token: str, *, kind: str) -> Mapping[str, Any]:
    """What was signed as this kind of thing. Raises Malformed and Forged."""
    payload, _, signature = token.partition(".")
    if len(token) > LONGEST_TOKEN and kind == CERTIFICATE:
        raise Malformed
    message, signed = _decoded(payload), _decoded(signature)
    try:
        _key().public_key().verify(signed, message)
    except InvalidSignature:
        raise Forged from None
    words: dict[str, Any] = json.loads(message)
    if words.get("kind") != kind:
        raise Forged
    return words


def sign(words: Mapping[str, Any]) -> str:
    """The words as bytes that have one form only, and the signature over them."""
    message = json.dumps(words, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return f"{_encoded(message)}.{_encoded(_key().sign(message))}"


def _key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(settings.CERTIFICATE_KEY)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    """Bytes have one way to be written; any other is refused, so that no letter can be changed unnoticed."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise Malformed from None
    if not data or _encoded(data) != text:
        raise Malformed
    return data


# ── With the database ──────────────────────────────────────────────────────────────────────────────────────────────


def issue(*, enrolment: Enrolment, version: ModuleVersion, percent: int) -> Certificate:
    """The certificate of a module that was just passed, and that of all six where it completes them.

    In the transaction of the caller, who settles the person's clearance afterwards.
    """
    now = clock.now().replace(microsecond=0)  # as the token says it
    person = enrolment.person
    made = _issue(
        Certificate(
            person=person,
            slug=version.slug,
            title=version.title,
            version=version.version,
            enrolment=enrolment,
            percent=percent,
            issued_at=now,
            expires_at=now + VALID_FOR,
        )
    )
    _issue_overall(person, now)
    return made


def _issue_overall(person: User, now: datetime) -> None:
    """When all six are valid, and the one of all that the person may have ends before them.

    Two modules passed at the same moment wait for each other here, or neither would see that it is the last.
    """
    User.objects.select_for_update(no_key=True).get(pk=person.pk)
    ends: dict[str, datetime] = {}
    live = person.certificates.live(now)
    for slug, expires in live.of_modules().values_list("slug", "expires_at"):
        ends[slug] = max(expires, ends.get(slug, expires))
    if not set(SIX) <= set(ends):
        return
    until = min(ends[slug] for slug in SIX)
    if live.filter(slug=OVERALL, expires_at__gte=until).exists():
        return
    _issue(
        Certificate(
            person=person,
            slug=OVERALL,
            title=OVERALL_TITLE,
            version=now.date().isoformat(),
            issued_at=now,
            expires_at=until,
        )
    )


def _issue(certificate: Certificate) -> Certificate:
    certificate.token = sign(
        {
            "kind": CERTIFICATE,
            "id": str(certificate.pk),
            "name": certificate.person.get_full_name(),
            "module": certificate.title,
            "version": certificate.version,
            "percent": certificate.percent,
            "issued": _second(certificate.issued_at),
            "expires": _second(certificate.expires_at),
            "key": key_id(),
        }
    )
    certificate.save(force_insert=True)
    statements.certified(certificate)
    return certificate


def _second(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def state(token: str) -> tuple[Signed, Verdict]:
    """What the certificate says and how it stands now. Raises Malformed and Forged."""
    signed = verify(token)
    if signed.expires <= clock.now():
        return signed, Verdict.EXPIRED
    try:
        found = Certificate.objects.filter(pk=signed.id).values_list("revoked_at", "token").first()
    except (OperationalError, InterfaceError):
        return signed, Verdict.UNCHECKED
    if found is None or found[1] != token:
        return signed, Verdict.UNKNOWN
    return signed, Verdict.VALID if found[0] is None else Verdict.REVOKED


def verdict(token: str) -> tuple[Signed | None, Verdict]:
    """As `state`, also for what is no certificate of ours."""
    try:
        return state(token)
    except Forged:
        return None, Verdict.FORGED
    except Malformed:
        return None, Verdict.MALFORMED


def revoke(*, certificate: Certificate, by: User, reason: str) -> None:
    """The certificate counts no longer, nor does the one of all six that rests on it; access follows at once.

    `reason` is masked. Raises Oneself and AlreadyRevoked.
    """
    if certificate.person_id == by.pk:
        refusals.second_person_needed(by, Action.REVOKE_CERTIFICATES, certificate)
        raise Oneself
    now = clock.now()
    with transaction.atomic():
        live = Certificate.objects.filter(revoked_at=None)
        done = {"revoked_at": now, "revoked_by": by, "revoke_reason": reason}
        if live.filter(pk=certificate.pk).update(**done) != 1:
            raise AlreadyRevoked
        if certificate.slug != OVERALL:
            live.filter(person=certificate.person_id, slug=OVERALL, expires_at__gt=now).update(**done)
        notices.tell(
            [certificate.person],
            title="A certificate was revoked",
            text=f"{by.name} has revoked your certificate {certificate.title}. "
            f"It was valid until {ui_tags.day(certificate.expires_at)}.",
            url=certificate.get_absolute_url(),
            level=Notice.Level.WARNING,
            mail=True,
        )
        clearing.settle(certificate.person)
    certificate.refresh_from_db()


def revocations() -> dict[str, Any]:
    """Every certificate that was revoked before it ended, for whoever checks without the portal: signed as a whole."""
    now = clock.now()
    revoked = Certificate.objects.filter(revoked_at__isnull=False, expires_at__gt=now).order_by("pk")
    words: dict[str, Any] = {
        "kind": REVOCATIONS,
        "as_of": _second(now),
        "key": key_id(),
        "revoked": [str(pk) for pk in revoked.values_list("pk", flat=True)],
    }
    return words | {"signed": sign(words)}
