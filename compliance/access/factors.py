"""The second factor: an authenticator app, and recovery codes for when it is lost, kept by django-otp."""

from __future__ import annotations

from base64 import b32encode
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import TYPE_CHECKING

from django.db import transaction
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from clinchat.lib import clock

if TYPE_CHECKING:
    from compliance.models import User

RECOVERY_CODES = 10


class Factor(StrEnum):
    APP = "app"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one code: the device that accepted it, or the seconds until the next try counts."""

    device: Device | None
    tried: bool = True
    wait: int = 0


def has_app(user: User) -> bool:
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def app_devices(user: User) -> list[TOTPDevice]:
    return list(TOTPDevice.objects.filter(user=user, confirmed=True).order_by("pk"))


def try_code(user: User, code: str, factor: Factor) -> Attempt:
    """Check a code against the person's confirmed devices. A right one is used up, a wrong one slows the next.

    Runs in the caller's transaction, which must commit whatever the outcome.
    """
    model = TOTPDevice if factor is Factor.APP else StaticDevice
    devices = model.objects.filter(user=user, confirmed=True).order_by("pk").select_for_update()
    return _try(list(devices), code)


def try_new_app(device: TOTPDevice, code: str) -> Attempt:
    """As try_code, for the one device that is being set up; the right code confirms it."""
    attempt = _try(list(TOTPDevice.objects.filter(pk=device.pk, confirmed=False).select_for_update()), code)
    if attempt.device is not None:
        attempt.device.confirmed = True
        attempt.device.save(update_fields=["confirmed"])
    return attempt


def _try(devices: list[Device], code: str) -> Attempt:
    open_devices = [device for device in devices if _wait(device) == 0]
    for device in open_devices:
        if device.verify_token(code):
            return Attempt(device)
    return Attempt(None, tried=bool(open_devices), wait=max((_wait(device) for device in devices), default=0))


def _wait(device: Device) -> int:
    allowed, why = device.verify_is_allowed()
    return 0 if allowed else max(1, ceil((why["locked_until"] - clock.now()).total_seconds()))


def start_app(user: User) -> TOTPDevice:
    """A new, unconfirmed authenticator. Unfinished ones go: whoever began them may have seen their key."""
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user, confirmed=False).delete()
        return TOTPDevice.objects.create(user=user, name="Authenticator app", confirmed=False)


def key_groups(device: TOTPDevice) -> list[str]:
    """The key as an authenticator app takes it, in groups a person can type."""
    key = b32encode(device.bin_key).decode()
    return [key[start : start + 4] for start in range(0, len(key), 4)]


def new_recovery_codes(user: User) -> list[str]:
    """Ten new codes in place of all earlier ones. They are shown once: nothing returns them again."""
    with transaction.atomic():
        device, _ = StaticDevice.objects.get_or_create(user=user, name="Recovery codes")
        device.token_set.all().delete()
        codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
        StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
    return [f"{code[:4]}-{code[4:]}" for code in codes]


def recovery_codes_left(user: User) -> int:
    return int(StaticToken.objects.filter(device__user=user, device__confirmed=True).count())
