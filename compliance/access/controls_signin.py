"""Checks of how people prove who they are: passwords, locks, alerts and second factors."""

from __future__ import annotations

import secrets
import string
import time
from collections import Counter
from datetime import timedelta
from typing import Final, cast

from django.conf import settings
from django.contrib.auth import password_validation
from django.contrib.auth.hashers import Argon2PasswordHasher, get_hasher, is_password_usable
from django.core.exceptions import ValidationError
from django.urls import reverse
from django_otp.plugins.otp_static.models import StaticDevice

from clinchat.lib import clock
from compliance import audit, notices
from compliance.access import counters, factors, lockout, proof
from compliance.access.factors import Factor
from compliance.access.roles import Role
from compliance.controls import canary, visits
from compliance.controls.registry import CannotLook, Found, check
from compliance.models import AuditEvent, Authenticator, Code, Notice, User

TRIES: Final = 5
LOCK_WINDOW: Final = 15 * 60
BURST: Final = 20
ALERT_SECONDS: Final = 60
SHORTEST: Final = 12
LONGEST: Final = 64
SOURCE: Final = "203.0.113.77"
"""Of a network that is nobody's (RFC 5737)."""
COMMON: Final = ("passwordpassword", "iloveyou1234567890", "qwertyuiopqwertyuiop", "1q2w3e4r5t1q2w3e4r5t")
"""Long enough, and of the first that are tried, as they are or after what people add to them."""
_LETTERS: Final = string.ascii_lowercase
_ANY: Final = secrets.SystemRandom()


# ── Locks and alerts ───────────────────────────────────────────────────────────────────────────────────────────


@check("authn.lockout_canary", seconds=15)
def lockout_canary() -> Found:
    """A canary's account and five wrong passwords, each with another forged forwarding header; then the right one.

    Counted apart from everybody's failures, in the same Redis by the same scripts.
    """
    person = canary.person(Role.CLINICIAN, signed_in=False)
    before = set(_events(person.user))
    with visits.apart("authn.lockout_canary") as begins:
        browser = canary.client()
        for number in range(TRIES):
            _sign_in(browser, person.user.email, secrets.token_urlsafe(20), forged=f"198.51.100.{number}")
        _sign_in(browser, person.user.email, person.password, forged="198.51.100.250")
        let_in = _awaits(browser)
        _sign_in(canary.client(source="198.51.100.9"), person.user.email, secrets.token_urlsafe(20), forged="")
        addresses = list(counters.client().scan_iter(match=f"{begins}lock:pair:*", count=1000))
        lasts = max((int(cast("int", counters.client().pttl(key))) for key in addresses), default=0) / 1000
    emitted = Counter(code for _, code in set(_events(person.user)) - before)
    wrong = {
        "a right password opened a locked account": let_in,
        "no authn_login_lock": not emitted[Code.AUTHN_LOGIN_LOCK],
        "no authn_login_fail_max": not emitted[Code.AUTHN_LOGIN_FAIL_MAX],
        "a forged header has a count of its own": len(addresses) != 2,
        "failures are forgotten within 15 minutes": lasts < LOCK_WINDOW,
    }
    failing = [what for what, so in wrong.items() if so]
    observed = f"{TRIES} wrong passwords: {'not locked' if let_in else 'locked'}, {len(addresses)} addresses counted"
    return Found(not failing, observed, len(wrong), failing, {"events": dict(emitted), "seconds": round(lasts)})


def _events(user: User) -> list[tuple[object, str]]:
    about = AuditEvent.objects.filter(object_id=str(user.pk), object_type="compliance.User", lane="access")
    return list(about.values_list("pk", "code"))


def _sign_in(browser: object, email: str, password: str, *, forged: str) -> None:
    headers = {"HTTP_X_FORWARDED_FOR": _forwarded(browser, forged)} if forged else {}
    visits.send(browser, "POST", reverse("signin"), {"email": email, "password": password}, **headers)  # type: ignore[arg-type]


def _forwarded(browser: object, forged: str) -> str:
    """What a proxy of ours passes on when the browser claims to come from elsewhere: the claim is left-most.

    With proxies (CLINCHAT_PROXIES) each adds its peer at the right; the last one is the peer of the connection.
    """
    peer: str = browser.defaults["REMOTE_ADDR"]  # type: ignore[attr-defined]  # the client's class
    return ", ".join([forged, *[peer] * settings.PROXIES])


def _awaits(browser: object) -> bool:
    """Whether the session of the browser has passed the first step."""
    from compliance.access.session_store import AWAITS_KEY

    return AWAITS_KEY in browser.session  # type: ignore[attr-defined]  # as above


@check("authn.alert_delivery", seconds=15)
def alert_delivery() -> Found:
    """Twenty failed sign-ins of accounts that do not exist, and who is told of them how soon.

    The event stays in the trail and names this check; the notices are undone with it.
    """
    officers = notices.holders(Role.SECURITY_OFFICER)
    if not officers:
        return Found(False, "nobody holds the role that is alerted", 1, ["no security officer"])
    with visits.apart("authn.alert_delivery"):
        known = set(Notice.objects.filter(user__in=officers).values_list("pk", flat=True))
        events = set(AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_FAIL_MAX, object_id="").values_list("pk"))
        began = time.monotonic()
        name = secrets.token_hex(8)
        for number in range(BURST):
            lockout.failed(f"{name}-{number}@{canary.DOMAIN}", f"203.0.113.{number + 1}")
        alarming = lockout.alert()
        told = Notice.objects.filter(user__in=officers, level=Notice.Level.CRITICAL).exclude(pk__in=known)
        reached = set(told.values_list("user_id", flat=True))
        new = set(AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_FAIL_MAX, object_id="").values_list("pk")) - events
        seconds = time.monotonic() - began
    wrong = {
        "no event": not new,
        "no alarm": not alarming,
        "nobody was told": not reached,
        "too late": seconds > ALERT_SECONDS,
    }
    failing = [what for what, so in wrong.items() if so]
    observed = f"{BURST} failures: {len(reached)} of {len(officers)} officers told after {seconds:.1f} s"
    evidence = {"officers": len(officers), "told": len(reached), "seconds": round(seconds, 2)}
    return Found(not failing, observed, len(wrong), failing, evidence)


# ── Passwords ──────────────────────────────────────────────────────────────────────────────────────────────────


@check("authn.hashers", seconds=10)
def hashers() -> Found:
    """The password of every account as the table has it, and what this process would write for a new one.

    Cost: what Argon2PasswordHasher of this version of Django asks for. A password that cannot be used matches none.
    """
    now = Argon2PasswordHasher()
    wanted = {"memory": now.memory_cost, "time": now.time_cost, "parallelism": now.parallelism}
    kinds, failing, usable = Counter[str](), [], 0
    for pk, encoded in User.objects.values_list("pk", "password").iterator(chunk_size=2000):
        if not is_password_usable(encoded):
            continue
        usable += 1
        kind, weak = _cost(encoded, now)
        kinds[kind] += 1
        if weak:
            failing.append(f"{pk}: {kind}")
    weak_ones = len(failing)
    own = get_hasher("default")
    if not isinstance(own, Argon2PasswordHasher) or _cost(own.encode("x" * 20, own.salt()), now)[1]:
        failing.append("PASSWORD_HASHERS")
    observed = f"{usable - weak_ones} of {usable} passwords as argon2id at the current cost"
    return Found(not failing, observed, usable + 1, failing, {"kinds": dict(kinds), **wanted})


def _cost(encoded: str, now: Argon2PasswordHasher) -> tuple[str, bool]:
    """The algorithm of a stored password, and whether it is weaker than what is asked for now."""
    if not encoded.startswith("argon2$argon2id$"):
        return encoded.partition("$")[0][:20] or "none", True
    is_of = now.decode(encoded)
    weaker = (
        is_of["memory_cost"] < now.memory_cost
        or is_of["time_cost"] < now.time_cost
        or is_of["parallelism"] < now.parallelism
    )
    return "argon2id", weaker


@check("authn.policy", seconds=15)
def policy() -> Found:
    """Passwords this process takes and refuses, asked of the validators every way to a password passes."""
    somebody = User(email=f"wilhelmina.hartenstein@{canary.DOMAIN}", name="Wilhelmina Hartenstein")
    shortest = next((n for n in range(4, 41) if _taken(_random(n), somebody)), 0)
    wrong = {
        "shorter than 12 characters": not shortest or shortest < SHORTEST,
        "64 characters refused": not all(_taken(_random(n), somebody) for n in (LONGEST, LONGEST + 64)),
        "a common or leaked password": any(_taken(word, somebody) for word in COMMON),
        "the name of the person": _taken(f"{_random(10)}Hartenstein{_random(4)}", somebody),
        "the name of the portal": _taken(f"{_random(10)}clinchat{_random(4)}", somebody),
        "rules of composition": not all(_taken(_random(20, of), somebody) for of in (_LETTERS, _LETTERS.upper())),
        "forced rotation": not _old_one_still_opens(),
    }
    failing = [what for what, so in wrong.items() if so]
    observed = f"at least {shortest} characters; {len(wrong) - len(failing)} of {len(wrong)} rules as they should be"
    return Found(not failing, observed, len(wrong), failing, {"shortest": shortest})


def _random(length: int, of: str = _LETTERS) -> str:
    """Letters in no order, the same ones as seldom as can be, so that only the length is judged."""
    return "".join(_ANY.sample(of * (length // len(of) + 1), length)[:length])


def _taken(password: str, user: User) -> bool:
    try:
        password_validation.validate_password(password, user)
    except ValidationError:
        return False
    return True


def _old_one_still_opens() -> bool:
    """Whether somebody whose password is two years old still passes the first step with it."""
    person = canary.person(signed_in=False)
    two_years = clock.now() - timedelta(days=730)
    User.objects.filter(pk=person.user.pk).update(created_at=two_years, last_login=clock.now())
    with visits.apart("authn.policy"), audit.bind(source=SOURCE):
        return proof.check_password(person.user.email, person.password) == person.user


# ── Second factors ─────────────────────────────────────────────────────────────────────────────────────────────


@check("mfa.enrolled", seconds=10)
def enrolled() -> Found:
    """Every open account of a person who can sign in: a confirmed authenticator app or passkey.

    Left out: accounts without a password here or in a directory, whose link was not used yet. Nobody can sign in to
    one, and who uses the link has to set up a second factor before anything opens.
    """
    people = User.objects.filter(is_active=True, is_service=False).order_by("pk")
    able = [user for user in people if user.directory or is_password_usable(user.password)]
    without = _without_factor({user.pk for user in able})
    failing = [str(user.pk) for user in able if user.pk in without]
    observed = f"{len(failing)} of {len(able)} people who can sign in are without a second factor"
    return Found(not failing, observed, len(able), failing, {"people": len(able), "invited": len(people) - len(able)})


def _without_factor(people: set[object]) -> set[object]:
    have: set[object] = set()
    for model in factors.real_devices():
        have |= set(model.objects.filter(confirmed=True).values_list("user_id", flat=True))
    return people - have


@check("mfa.replay", seconds=15)
def replay() -> Found:
    """A canary's code and recovery code, each twice, and five wrong codes, asked as pages and the API ask."""
    person = canary.person(Role.CLINICIAN, signed_in=False, can_type=False)
    user = person.user
    with visits.apart("mfa.replay"), audit.bind(source=SOURCE):
        recovery = factors.new_recovery_codes(user)[0].replace("-", "")
        code = code_of(user)
        wrong = {
            "a right code was refused": not _accepted(user, code, Factor.APP),
            "a used code was accepted": _accepted(user, code, Factor.APP),
        }
        _forgive(user)
        wrong["a right recovery code was refused"] = not _accepted(user, recovery, Factor.RECOVERY)
        wrong["a used recovery code was accepted"] = _accepted(user, recovery, Factor.RECOVERY)
    with visits.apart("mfa.replay"), audit.bind(source=SOURCE):
        _forgive(user)
        waits = [proof.check_second(user, _wrong(user), Factor.APP).wait for _ in range(TRIES)]
        last = proof.check_second(user, code_of(user, steps=1), Factor.APP)
        wrong["no wait after five wrong codes"] = not waits[-1]
        wrong["the sixth was judged"] = last.tried or last.device is not None
    failing = [what for what, so in wrong.items() if so]
    observed = f"after {TRIES} wrong codes {waits[-1]} s of waiting; {len(failing)} of {len(wrong)} steps wrong"
    return Found(not failing, observed, len(wrong), failing, {"wait_seconds": waits[-1]})


def _accepted(user: User, code: str, factor: Factor) -> bool:
    return proof.check_second(user, code, factor).device is not None


def code_of(user: User, *, steps: int = 0) -> str:
    device = Authenticator.objects.filter(user=user, confirmed=True).first()
    if device is None:
        raise CannotLook("the canary has no authenticator")
    codes = device.totp
    codes.drift = steps
    return f"{codes.token():0{codes.digits}d}"


def _wrong(user: User) -> str:
    """A code that none of the steps around now has."""
    near = {code_of(user, steps=step) for step in range(-2, 3)}
    return next(code for number in range(10) if (code := f"{number:06d}") not in near)


def _forgive(user: User) -> None:
    """The wait after a wrong code, which is another thing than what is looked at here, is over."""
    for model in (Authenticator, StaticDevice):
        model.objects.filter(user=user).update(throttling_failure_timestamp=None, throttling_failure_count=0)
