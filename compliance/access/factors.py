"""The second factors of a person: authenticator apps, passkeys, and recovery codes for when those are lost.

Checking a code is done through `compliance.access.proof`, which counts and records what comes of it.
"""

from __future__ import annotations

from base64 import b32encode
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from os import urandom
from typing import TYPE_CHECKING

from django.db import transaction
from django_otp import device_classes
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken

from clinchat.lib import clock, sealed
from compliance.models import Authenticator, User
from compliance.models.factors import MOST_FAILURES

if TYPE_CHECKING:
    from uuid import UUID

RECOVERY_CODES = 10
MOST_APPS = 5
DIGEST_DIGITS = 16


class Factor(StrEnum):
    APP = "app"
    RECOVERY = "recovery"
    PASSKEY = "passkey"


class TooMany(Exception):
    """The person has as many authenticator apps as an account can have."""


class LastFactor(Exception):
    """It is the only second factor of the person: without it they could not sign in."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one code: the device that accepted it, or the seconds until the next try counts."""

    device: Device | None
    tried: bool = True
    wait: int = 0


def has_app(user: User) -> bool:
    return Authenticator.objects.filter(user=user, confirmed=True).exists()


def has_factor(user: User) -> bool:
    """Whether the person has set up an authenticator app or a passkey. Recovery codes alone are none."""
    return count(user) > 0


def count(user: User) -> int:
    """How many authenticator apps and passkeys the person has."""
    devices = [model.objects.devices_for_user(user, confirmed=True) for model in real_devices()]
    return sum(found.count() for found in devices)


def available(user: User) -> list[Factor]:
    """What the person can show now."""
    factors = [Factor.APP] if has_app(user) else []
    if count(user) > Authenticator.objects.filter(user=user, confirmed=True).count():
        factors.append(Factor.PASSKEY)
    return [*factors, Factor.RECOVERY] if recovery_codes_left(user) else factors


def real_devices() -> list[type[Device]]:
    """The kinds of second factors; recovery codes are none."""
    return [model for model in device_classes() if model is not StaticDevice]


def app_devices(user: User) -> list[Authenticator]:
    return list(Authenticator.objects.filter(user=user, confirmed=True))


def try_code(user: User, code: str, factor: Factor) -> Attempt:
    """Check a code against the person's confirmed devices. A right one is used up, a wrong one slows the next.

    Runs in the caller's transaction, which must commit whatever the outcome.
    """
    if factor is Factor.RECOVERY:
        code = _recovery_digest(user, code)
    model = Authenticator if factor is Factor.APP else StaticDevice
    devices = model.objects.filter(user=user, confirmed=True).order_by("pk").select_for_update()
    return _try(list(devices), code)


def try_new_app(device: Authenticator, code: str) -> Attempt:
    """As try_code, for the one device that is being set up; the right code confirms it."""
    attempt = _try(list(Authenticator.objects.filter(pk=device.pk, confirmed=False).select_for_update()), code)
    if attempt.device is not None:
        attempt.device.confirmed = True
        attempt.device.save(update_fields=["confirmed"])
    return attempt


def _try(devices: list[Device], code: str) -> Attempt:
    open_devices = [device for device in devices if _wait(device) == 0]
    for device in open_devices:
        if device.verify_token(code):
            return Attempt(device)
        if device.throttling_failure_count > MOST_FAILURES:  # a wait of hours would shut the owner out
            device.throttling_failure_count = MOST_FAILURES
            device.save(update_fields=["throttling_failure_count"])
    return Attempt(
        None, tried=bool(open_devices) or not devices, wait=max((_wait(device) for device in devices), default=0)
    )


def _wait(device: Device) -> int:
    allowed, why = device.verify_is_allowed()
    return 0 if allowed else max(1, ceil((why["locked_until"] - clock.now()).total_seconds()))


def start_app(user: User, *, name: str = "Authenticator app") -> Authenticator:
    """A new, unconfirmed authenticator. Unfinished ones go: whoever began them may have seen their key.

    Raises TooMany.
    """
    with transaction.atomic():
        if Authenticator.objects.filter(user=user, confirmed=True).count() >= MOST_APPS:
            raise TooMany
        Authenticator.objects.filter(user=user, confirmed=False).delete()
        device = Authenticator(user=user, name=name, confirmed=False)
        device.save()
    return device


def unfinished_app(user: User, uuid: UUID | str | None) -> Authenticator | None:
    """The authenticator the person is setting up, if it is this one."""
    return Authenticator.objects.filter(uuid=uuid, user=user, confirmed=False).first() if uuid else None


def remove_app(user: User, uuid: UUID) -> bool:
    """Take an authenticator away; False when the person has none of that name. Raises LastFactor.

    Two removals at once cannot leave nothing: they queue for the person's row.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        found = Authenticator.objects.filter(user=user, uuid=uuid, confirmed=True).first()
        if found is None:
            return False
        if count(user) == 1:
            raise LastFactor
        found.delete()
        return True


def remove_all(user: User) -> None:
    """Take every second factor and every recovery code away: the next sign-in sets them up anew."""
    with transaction.atomic():
        for model in device_classes():
            model.objects.filter(user=user).delete()


def key_groups(device: Authenticator) -> list[str]:
    """The key as an authenticator app takes it, in groups a person can type."""
    key = device.key
    return [key[start : start + 4] for start in range(0, len(key), 4)]


def new_recovery_codes(user: User) -> list[str]:
    """Ten new codes in place of all earlier ones. They are shown once: the table holds keyed digests of them."""
    with transaction.atomic():
        device, _ = StaticDevice.objects.get_or_create(user=user, name="Recovery codes")
        device.token_set.all().delete()
        codes = [b32encode(urandom(5)).decode().lower() for _ in range(RECOVERY_CODES)]
        StaticToken.objects.bulk_create(
            StaticToken(device=device, token=_recovery_digest(user, code)) for code in codes
        )
    return [f"{code[:4]}-{code[4:]}" for code in codes]


def recovery_codes_left(user: User) -> int:
    return int(StaticToken.objects.filter(device__user=user, device__confirmed=True).count())


def _recovery_digest(user: User, code: str) -> str:
    """64 bits of a keyed digest, of this person's code: the column holds sixteen characters."""
    return sealed.blind_index(code, context=f"recovery:{user.pk}").hex()[:DIGEST_DIGITS]
