"""How often something may be done: by one person, and from one address.

A limit counts what was let through in the time before now (a sliding log), exactly, over all processes. Numbers are in
the settings (CLINCHAT_LIMIT_…); docs/configuration.md lists them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import dateformat, timezone

from clinchat.lib import clock
from compliance import audit
from compliance.access import counters, origin
from compliance.access.counters import Unavailable as Unavailable  # noqa: PLC0414  # raised here, caught by name

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase

P = ParamSpec("P")
R = TypeVar("R", bound="HttpResponseBase")

FROM_ONE_ADDRESS: Final = 10
"""How many times the limit of a person one address has: a whole ward may come through it. Sign-ins are not known to be
of a person before they succeed, so their limit is that of the address."""


class Limit(StrEnum):
    SIGN_IN = "sign_in"
    ASK = "ask"
    DRAFT = "draft"
    MASK_REPORT = "mask_report"
    API = "api"
    EXPORT = "export"


@dataclass(frozen=True, slots=True)
class Rule:
    """At most `number` in any `seconds`."""

    number: int
    seconds: int


class TooMany(Exception):
    """The limit is reached. `retry_after` is the number of seconds until one more is let through."""

    def __init__(self, retry_after: int, kind: Limit = Limit.API, rule: Rule = Rule(0, 0), *, of: str = "") -> None:
        super().__init__("TooMany")
        self.retry_after = retry_after
        self.kind = kind
        self.rule = rule
        self.of = of

    @property
    def words(self) -> str:
        """What happened and what to do, for the person: UI.md section 4, "Too many request{s}"."""
        again = timezone.localtime(_whole_minute(clock.now() + timedelta(seconds=self.retry_after)))
        there = "From your network, " if self.of == "address" else ""
        done = _TOLD[self.kind, self.of].format(n=self.rule.number, s="" if self.rule.number == 1 else "s")
        told = f"{there}{done} in {_duration(self.rule.seconds)}."
        return f"{told} Try again at {dateformat.format(again, 'H:i')}."


_TOLD = {
    (Limit.ASK, "person"): "You have asked {n} question{s}",
    (Limit.ASK, "address"): "people have asked {n} question{s}",
    (Limit.DRAFT, "person"): "You have had {n} draft{s} looked at",
    (Limit.DRAFT, "address"): "people have had {n} draft{s} looked at",
    (Limit.MASK_REPORT, "person"): "You have made {n} mask report{s}",
    (Limit.MASK_REPORT, "address"): "people have made {n} mask report{s}",
    (Limit.EXPORT, "person"): "You have made {n} export{s}",
    (Limit.EXPORT, "address"): "people have made {n} export{s}",
    (Limit.API, "person"): "You have sent {n} request{s}",
    (Limit.API, "address"): "programs have sent {n} request{s}",
    (Limit.SIGN_IN, "person"): "You have tried to sign in {n} time{s}",
    (Limit.SIGN_IN, "address"): "people have tried to sign in {n} time{s}",
}

# KEYS: a list of times and a flag for each of those who are counted. ARGV: for each a number and milliseconds.
# A list holds the last `number` times something was let through, so its oldest says whether one more fits. Nothing is
# counted for anybody unless all let it through. Answers 0, or {whose limit, ms to wait, whether it is news}.
_HIT = counters.Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local full, wait = 0, 0
for i = 1, #KEYS / 2 do
  local number, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local oldest = redis.call('LINDEX', KEYS[2 * i - 1], -number)
  if oldest then
    local left = math.min(oldest + window - now, window)
    if left > wait then full, wait = i, left end
  end
end
if full > 0 then
  local news = redis.call('SET', KEYS[2 * full], 1, 'NX', 'PX', ARGV[2 * full])
  return {full, wait, news and 1 or 0}
end
for i = 1, #KEYS / 2 do
  local key, number = KEYS[2 * i - 1], tonumber(ARGV[2 * i - 1])
  redis.call('RPUSH', key, now)
  redis.call('LTRIM', key, -number, -1)
  redis.call('PEXPIRE', key, ARGV[2 * i])
end
return {0, 0, 0}
""")


def rule(kind: Limit, of: str = "person") -> Rule:
    """The limit of one person, or of one address."""
    number, seconds = settings.LIMITS[str(kind)]
    more = FROM_ONE_ADDRESS if of == "address" and kind is not Limit.SIGN_IN else 1
    return Rule(number * more, seconds)


def hit(kind: Limit, *who: str | None) -> None:
    """Count one more for each of `who`: addresses (None for an unknown one) and ids of people.

    Raises TooMany, which is put on record once in each window, and counts nothing then; Unavailable without Redis.
    """
    counted = [_name(one) for one in who]
    rules = [rule(kind, of) for of, _ in counted]
    keys = [f"{what}:{kind}:{counters.digest(of, name)}" for of, name in counted for what in ("limit", "told")]
    full, wait, news = _HIT(keys=keys, args=[n for r in rules for n in (r.number, r.seconds * 1000)])
    if not full:
        return
    of, broken = counted[full - 1][0], rules[full - 1]
    refused = TooMany(max(1, math.ceil(wait / 1000)), kind, broken, of=of)
    if news:
        audit.record(
            code=audit.Code.EXCESS_RATE_LIMIT_EXCEEDED,
            action=audit.Crude.EXECUTE,
            outcome=audit.Outcome.DENIED,
            detail={"limit": str(kind), "of": of, "number": broken.number, "seconds": broken.seconds},
        )
    raise refused


def hit_by(request: HttpRequest, kind: Limit) -> None:
    """As `hit`, for the person of the request, if anybody is signed in, and the address it came from."""
    source, _ = origin.route(request)
    person = [str(request.user.pk)] if request.user.is_authenticated else []
    hit(kind, *person, source)


def limited(
    kind: Limit,
) -> Callable[[Callable[Concatenate[Any, P], R]], Callable[Concatenate[Any, P], R | HttpResponse]]:
    """A view whose POSTs are counted, under its door: 429 with Retry-After above the limit."""

    def count(view: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R | HttpResponse]:
        @wraps(view)
        def counted(request: Any, /, *args: P.args, **kwargs: P.kwargs) -> R | HttpResponse:
            if request.method == "POST":
                try:
                    hit_by(request, kind)
                except TooMany as refused:
                    return answer(request, refused)
            return view(request, *args, **kwargs)

        return counted

    return count


def answer(request: HttpRequest, refused: TooMany) -> HttpResponse:
    """429 as a page, or as a problem document for programs (RFC 6585 section 4)."""
    # That module loads DRF, which services that count do not need.
    from compliance.api.problems import answers_programs, problem, reference_of

    if answers_programs(request.path):
        response: HttpResponse = problem(429, reference_of(request), detail=refused.words)
    else:
        context = {"text": refused.words, "reference": reference_of(request)}
        page = render_to_string("429.html", context, request=request)
        response = HttpResponse(page, status=HTTPStatus.TOO_MANY_REQUESTS)
    response["Retry-After"] = str(refused.retry_after)
    return response


def _name(who: str | None) -> tuple[str, str]:
    """What is counted, a person or an address, and under which name."""
    if not who or origin.plain(who):
        return "address", counters.neighborhood(who)
    return "person", who


def _whole_minute(moment: datetime) -> datetime:
    """The next whole minute: what stands on the page must be true when the clock shows it."""
    return (moment + timedelta(seconds=59, microseconds=999_999)).replace(second=0, microsecond=0)


def _duration(seconds: int) -> str:
    for unit, size in (("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds % size == 0:
            number = seconds // size
            return f"{number} {unit}{'' if number == 1 else 's'}"
    raise AssertionError
