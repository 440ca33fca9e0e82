"""Failed sign-ins slow down the next one, shared by all processes (NIST SP 800-63B section 5.2.2, ASVS 5.0 V6.3.1).

After five failures for one account from one address each further try must wait: 30 s, then 1, 2, 4 … at most 30 min.
After twenty for one account, from wherever, tries wait a little: 1 s, 2, 4 … at most 30 s, and not at all from an
address the person has signed in from before, so nobody can lock somebody else out for good. An hour without failures
forgets them. Unknown accounts are counted like any other: an e-mail address is a name here, and kept as a keyed digest.
"""

from __future__ import annotations

import math
from secrets import token_hex
from typing import Final

from compliance import audit, logs, notices
from compliance.access import counters
from compliance.access.counters import Unavailable as Unavailable  # noqa: PLC0414  # raised here, caught by name
from compliance.access.roles import Role
from compliance.models import Notice, User

FREE: Final = 5
FIRST_SECONDS: Final = 30
LONGEST_SECONDS: Final = 30 * 60
ACCOUNT_FREE: Final = 20
ACCOUNT_LONGEST_SECONDS: Final = 30
FORGET_SECONDS: Final = 3600
KNOWN_SECONDS: Final = 90 * 24 * 3600
UNDERWAY_SECONDS: Final = 3
"""How long a try may take before the next one is let through beside it: tries at once must not outrun the count."""
ALERT_ABOVE: Final = 10
ALERT_SECONDS: Final = 60
NOTICE_SECONDS: Final = 600

_NOW = "local time = redis.call('TIME') local now = time[1] * 1000 + math.floor(time[2] / 1000)"

# KEYS: pair, account, tries under way, known address, try under way of the slowed account. ARGV: FREE, UNDERWAY ms, a
# name for the try that begins or "", ACCOUNT_FREE.
# Answers the milliseconds until the next try counts.
_WAIT = counters.Script(f"""{_NOW}
local pair = redis.call('HMGET', KEYS[1], 'n', 'until')
local wait = math.max(tonumber(pair[2] or 0) - now, 0)
if redis.call('EXISTS', KEYS[4]) == 0 then
  wait = math.max(wait, tonumber(redis.call('HGET', KEYS[2], 'until') or 0) - now)
end
if wait > 0 or ARGV[3] == '' then return wait end
if redis.call('EXISTS', KEYS[4]) == 0 and tonumber(redis.call('HGET', KEYS[2], 'n') or 0) >= tonumber(ARGV[4])
  and not redis.call('SET', KEYS[5], 1, 'NX', 'PX', ARGV[2]) then return 1000 end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - ARGV[2])
local underway = redis.call('ZCARD', KEYS[3])
if underway > 0 and tonumber(pair[1] or 0) + underway >= tonumber(ARGV[1]) then return 1000 end
redis.call('ZADD', KEYS[3], now, ARGV[3])
redis.call('PEXPIRE', KEYS[3], ARGV[2])
return 0
""")

# KEYS: pair, account, tries under way, failures of the portal, alert told, try of the slowed account. ARGV: the numbers
# above, times in ms.
# Answers failures of the pair, its lock in ms, failures of the account, its lock in ms, whether an alert begins.
_FAILED = counters.Script(f"""{_NOW}
local function count(key, free, first, longest)
  local n, lock = redis.call('HINCRBY', key, 'n', 1), 0
  if n >= free then
    lock = math.min(first * 2 ^ math.min(n - free, 30), longest)
    redis.call('HSET', key, 'until', string.format('%.0f', now + lock))
  end
  redis.call('PEXPIRE', key, ARGV[6] + lock)
  return n, lock
end
local n, lock = count(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
local all, slow = count(KEYS[2], tonumber(ARGV[4]), 1000, tonumber(ARGV[5]))
redis.call('ZPOPMIN', KEYS[3])
redis.call('DEL', KEYS[6])
redis.call('RPUSH', KEYS[4], now)
redis.call('LTRIM', KEYS[4], -ARGV[7] - 1, -1)
redis.call('PEXPIRE', KEYS[4], ARGV[8])
local alert, oldest = 0, redis.call('LINDEX', KEYS[4], -ARGV[7] - 1)
if oldest and now - oldest < tonumber(ARGV[8]) and redis.call('SET', KEYS[5], 1, 'NX', 'PX', ARGV[8]) then alert = 1 end
return {{n, lock, all, slow, alert}}
""")

# KEYS: pair, tries under way, known address. ARGV: KNOWN seconds.
_SUCCEEDED = counters.Script("""
redis.call('DEL', KEYS[1], KEYS[2], KEYS[4])
redis.call('SET', KEYS[3], 1, 'EX', ARGV[1])
""")

_PASSED = counters.Script("redis.call('ZPOPMIN', KEYS[1]) redis.call('DEL', KEYS[2])")

# KEYS: failures of the portal. ARGV: ALERT_ABOVE, ms.
_ALERT = counters.Script(f"""{_NOW}
local oldest = redis.call('LINDEX', KEYS[1], -ARGV[1] - 1)
return oldest and now - oldest < tonumber(ARGV[2]) and 1 or 0
""")

_ALL, _TOLD = "lock:failures", "lock:alert"


def wait(account: str, source: str | None) -> int:
    """Seconds until the next try for the account from there counts. 0: it begins now, so judge it and say what came of
    it: `failed`, `passed` or `succeeded`. Use `left` to look only. Raises Unavailable.

    While others are being judged, no more are let through than may still fail.
    """
    return _asked(account, source, begins=True)


def left(account: str, source: str | None) -> int:
    """As `wait`, without beginning a try."""
    return _asked(account, source, begins=False)


def failed(account: str, source: str | None) -> int:
    """The password or code was wrong. Returns the seconds until the next try counts.

    Puts on record that a lock begins (AUTHN_LOGIN_FAIL_MAX, AUTHN_LOGIN_LOCK), and that failures of the portal are too
    many (`alert`).
    """
    pair, whole = _pair(account, source), _account(account)
    args: list[int | str] = [
        FREE,
        FIRST_SECONDS * 1000,
        LONGEST_SECONDS * 1000,
        ACCOUNT_FREE,
        ACCOUNT_LONGEST_SECONDS * 1000,
        FORGET_SECONDS * 1000,
        ALERT_ABOVE,
        ALERT_SECONDS * 1000,
    ]
    keys = [f"lock:pair:{pair}", f"lock:account:{whole}", f"lock:underway:{pair}", _ALL, _TOLD, _slowed(whole)]
    failures, lock, of_account, slow, alarming = (int(n) for n in _FAILED(keys=keys, args=args))
    if failures == FREE:
        _record_most(account, failures)
    if lock:
        _record_lock(account, {"of": "account and address", "failures": failures, "seconds": lock // 1000})
    if of_account == ACCOUNT_FREE:
        _record_lock(account, {"of": "account", "failures": of_account, "seconds": slow // 1000})
    if alarming:
        _raise_alert()
    return left(account, source) if lock or slow else 0


def passed(account: str, source: str | None) -> None:
    """The password was right and the second factor is still to come: no failure is forgiven yet."""
    _PASSED(keys=[f"lock:underway:{_pair(account, source)}", _slowed(_account(account))], args=[])


def succeeded(account: str, source: str | None) -> None:
    """Both factors were right: failures of the account from that address are forgiven, and the address is known."""
    pair = _pair(account, source)
    keys = [f"lock:pair:{pair}", f"lock:underway:{pair}", f"lock:known:{pair}", _slowed(_account(account))]
    _SUCCEEDED(keys=keys, args=[KNOWN_SECONDS])


def alert() -> bool:
    """Whether more than ten sign-ins failed in the last minute, of all accounts. Raises Unavailable."""
    return bool(_ALERT(keys=[_ALL], args=[ALERT_ABOVE, ALERT_SECONDS * 1000]))


def _asked(account: str, source: str | None, *, begins: bool) -> int:
    pair, whole = _pair(account, source), _account(account)
    keys = [f"lock:pair:{pair}", f"lock:account:{whole}", f"lock:underway:{pair}", f"lock:known:{pair}", _slowed(whole)]
    ms = _WAIT(keys=keys, args=[FREE, UNDERWAY_SECONDS * 1000, token_hex(8) if begins else "", ACCOUNT_FREE])
    return math.ceil(int(ms) / 1000)


def _slowed(whole: str) -> str:
    """One try at a time for an account whose failures slow it down, wherever it comes from."""
    return f"lock:underway:account:{whole}"


def _account(account: str) -> str:
    return counters.digest("account", account.strip().lower())


def _pair(account: str, source: str | None) -> str:
    return counters.digest("pair", account.strip().lower(), counters.neighborhood(source))


def _record_most(account: str, failures: int) -> None:
    """As many failed as may fail freely, for one account from one address (OWASP: authn_login_fail_max)."""
    audit.record(
        code=audit.Code.AUTHN_LOGIN_FAIL_MAX,
        action=audit.Crude.EXECUTE,
        outcome=audit.Outcome.FAILURE,
        object_type="compliance.User",
        object_id=_named(account),
        detail={"of": "account and address", "failures": failures},
    )


def _record_lock(account: str, detail: dict[str, audit.JSON]) -> None:
    audit.record(
        code=audit.Code.AUTHN_LOGIN_LOCK,
        action=audit.Crude.EXECUTE,
        object_type="compliance.User",
        object_id=_named(account),
        detail=detail,
    )


def _named(account: str) -> str:
    """What was typed as an e-mail may be a password: the account is named only if it exists."""
    typed = account.strip().lower()
    found = User.objects.filter(email=typed) if typed.isprintable() else User.objects.none()
    return str(found.values_list("pk", flat=True).first() or "")


def _raise_alert() -> None:
    """On record and in the log once a minute, to the security officers once in ten."""
    event_id = audit.record(
        code=audit.Code.AUTHN_LOGIN_FAIL_MAX,
        action=audit.Crude.EXECUTE,
        outcome=audit.Outcome.FAILURE,
        detail={"more_than": ALERT_ABOVE, "seconds": ALERT_SECONDS},
    )
    logs.many_auth_failures(event_id=event_id, more_than=ALERT_ABOVE, seconds=ALERT_SECONDS)
    if counters.once("failures told", NOTICE_SECONDS):
        notices.tell(
            notices.holders(Role.SECURITY_OFFICER),
            title="Many sign-ins fail",
            text=f"More than {ALERT_ABOVE} sign-ins failed within a minute. Look at where they come from, and block "
            "that network if it is not one of yours.",
            url="/compliance/audit/?code=authn_login_fail",
            level=Notice.Level.CRITICAL,
        )
