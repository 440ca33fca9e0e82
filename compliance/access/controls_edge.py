"""The check of what stands before everything else: blocked networks, and limits that all processes share."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Final, cast

import redis
from django.conf import settings
from django.urls import reverse

from compliance import audit
from compliance.access import counters, limits, networks
from compliance.access.controls_sessions import watch_of
from compliance.access.limits import Limit
from compliance.access.roles import Role
from compliance.controls import canary, visits
from compliance.controls.registry import Found, check

if TYPE_CHECKING:
    from django.test import Client

BLOCKED_SECONDS: Final = 2.0
TOLERANCE: Final = 0.05
NETWORK: Final = "203.0.113.0/24"
SOURCE: Final = "203.0.113.40"
ELSEWHERE: Final = "198.51.100.40"
"""Both of networks that are nobody's (RFC 5737)."""
_LOOKS_EVERY: Final = 0.05


@check("edge.block_and_limit", seconds=15)
def block_and_limit() -> Found:
    """A network that is nobody's is blocked, in a transaction that is undone, and asked from; and a limit is used up.

    Half of the limit is used by another connection to the same Redis, as another worker would use it: what is left
    over must be the other half. The block is seen by this process alone, as every process sees one: by the epoch.
    """
    with visits.apart("edge.block_and_limit"):
        officer = canary.person(Role.SECURITY_OFFICER, can_type=False)
        reader = canary.person(Role.CLINICIAN, cleared=True, can_type=False)
        browser, forging = canary.client(**_through(SOURCE)), canary.client(**_through(SOURCE, forged=ELSEWHERE))
        wrong = {"closed before it is blocked": browser.get(reverse("signin")).status_code != 200}
        with audit.bind(source=SOURCE):
            watch = watch_of(reader.client)
        wrong["the stream was not open"] = not watch.look()
        networks.block(network=NETWORK, reason="Control check", by=officer.user, source=ELSEWHERE)
        seconds = _until_refused(browser)
        for name, address in _places().items():
            wrong[f"{name} is open"] = browser.get(address).status_code != 403
        wrong["a forged header opens it"] = forging.get(reverse("signin")).status_code != 403
        wrong["the stream stays open"] = watch.look()
        wrong["too late"] = seconds > BLOCKED_SECONDS
        let_through, number = _limit()
        wrong["the limit is not shared"] = abs(let_through - number) > TOLERANCE * number
        wrong["a forged header is counted apart"] = not _counted_together()
    failing = [what for what, so in wrong.items() if so]
    observed = f"blocked after {seconds:.1f} s; {let_through} of {number} let through by all processes together"
    evidence = {"seconds": round(seconds, 2), "limit": number, "let_through": let_through}
    return Found(not failing, observed, len(wrong), failing, evidence)


def _through(source: str, *, forged: str = "") -> dict[str, str]:
    """How a request from there arrives: through as many proxies as there are, whatever its browser claims."""
    claim = [forged] if forged else []
    if not settings.PROXIES:
        return {"source": source, "HTTP_X_FORWARDED_FOR": ", ".join(claim)}
    proxies = [f"192.0.2.{number + 1}" for number in range(settings.PROXIES)]
    return {"source": proxies[-1], "HTTP_X_FORWARDED_FOR": ", ".join([*claim, source, *proxies[:-1]])}


def _until_refused(browser: Client) -> float:
    began = time.monotonic()
    while browser.get(reverse("signin")).status_code != 403:
        if time.monotonic() - began > BLOCKED_SECONDS:
            break
        time.sleep(_LOOKS_EVERY)
    return time.monotonic() - began


def _places() -> dict[str, str]:
    """What is shut to a blocked network; nobody comes as far as the stream's view when it is."""
    return {
        "a page": reverse("home"),
        "the API": reverse("api-verify"),
        "the admin": reverse("admin:index"),
    }


def _limit() -> tuple[int, int]:
    """How many are let through by this process and another together, and how many should be."""
    who = f"canary:{secrets.token_hex(8)}"
    number = limits.rule(Limit.EXPORT).number
    key = counters.key(f"limit:{Limit.EXPORT}:{counters.digest('person', who)}")
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=counters.SECONDS) as other:
        now = int(other.time()[0]) * 1000
        half = number // 2
        other.rpush(key, *[now] * half)
        other.expire(key, 60)
    here = 0
    while here <= number * 2:
        try:
            limits.hit(Limit.EXPORT, who)
        except limits.TooMany:
            break
        here += 1
    return half + here, number


def _counted_together() -> bool:
    """Whether requests that claim to come from many addresses are counted as the one they come from."""
    name = counters.digest("address", ELSEWHERE)
    key = counters.key(f"limit:{Limit.API}:{name}")
    before = _length(key)
    for number in range(3):
        canary.client(**_through(ELSEWHERE, forged=f"192.0.2.{100 + number}")).get(reverse("api-verify"))
    return _length(key) - before == 3


def _length(key: str) -> int:
    return cast("int", counters.client().llen(key))
