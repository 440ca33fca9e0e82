"""Numbers for whoever watches over ClinChat, kept in Redis so that all processes count into the same ones.

METRICS is the one list of what is counted: a name or label value that is not on it raises KeyError, so no text of a
person ever becomes a label. Redis being away raises nothing here: a count is no reason to fail. It is forgotten then,
and all of them when Redis loses its memory, which Prometheus takes for a restart.

What can be looked up when somebody asks is not counted: other apps register such gauges in AppConfig.ready().
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import redis
from django.conf import settings

from clinchat.lib import clock
from compliance.access.counters import Unavailable as Unavailable  # noqa: PLC0414  # raised here, caught by name
from compliance.phi import Label

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family

DETECTIONS: Final = "clinchat_phi_detections_total"
FAILURES: Final = "clinchat_phi_detection_failures"
SECONDS: Final = "clinchat_phi_masking_seconds"
INTERACTION_CHECKS: Final = "clinchat_drug_interaction_checks_total"
INTERACTIONS: Final = "clinchat_drug_interactions_detected_total"
INTERACTIONS_UNAVAILABLE: Final = "clinchat_drug_interaction_check_failures_total"
SLOW_STATEMENTS: Final = "clinchat_slow_statements_total"
CHECK_TURNS: Final = "clinchat_hipaa_check_turns_total"


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that only grows: one for each of `values` of `label`, or a histogram with upper bounds `buckets`."""

    help: str
    label: str = ""
    values: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """What it is kept as. A histogram: how many fell into each bucket, and the sum in microseconds."""
        if self.buckets:
            return (*map(str, self.buckets), _BEYOND, _SUM)
        return self.values or ("",)


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number as it is at the moment. `read` finds it, or None where there is none yet, and does not raise but for the
    database; with a `label` it finds one for each value, which are words of the code."""

    help: str
    read: Callable[[], float | Mapping[str, float] | None]
    label: str = ""


METRICS: Final = {
    DETECTIONS: Metric("Identifiers found and masked, by class", label="label", values=tuple(map(str, Label))),
    FAILURES: Metric("Texts that were refused because masking failed, and self-tests that failed"),
    SECONDS: Metric(
        "Time to mask one text", buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
    ),
    INTERACTION_CHECKS: Metric("Checks of medicines for interactions"),
    INTERACTIONS: Metric(
        "Interactions found, by severity", label="severity", values=("contraindicated", "major", "moderate", "minor")
    ),
    INTERACTIONS_UNAVAILABLE: Metric("Checks that failed, or for which no table passes its self-test"),
    SLOW_STATEMENTS: Metric("Statements of the database that took CLINCHAT_SLOW_QUERY_MS or longer"),
    CHECK_TURNS: Metric("Turns of the schedule that makes the checks of the control catalogue"),
}  # fmt: skip
_gauges: dict[str, Gauge] = {}
_BEYOND, _SUM = "+Inf", "sum"
_PATIENCE = 0.25
"""Seconds. Whoever asks waits for it, while Redis hangs."""
_HOURS = 24
_TOTAL, _LAST = "metrics:total", "metrics:last"
_counts: ContextVar[bool] = ContextVar("metrics_counts", default=True)


def register(name: str, gauge: Gauge) -> None:
    """Show a number of another app on /metrics."""
    _gauges[name] = gauge


def names() -> frozenset[str]:
    """Every name on /metrics."""
    return frozenset(METRICS) | frozenset(_gauges)


@contextmanager
def unused() -> Iterator[None]:
    """Nothing is counted inside: what a check does is no use of ClinChat."""
    before = _counts.set(False)
    try:
        yield
    finally:
        _counts.reset(before)


def count(name: str, amount: int = 1, **labels: str) -> None:
    """Add to one number."""
    metric = METRICS[name]
    if set(labels) != ({metric.label} if metric.label else set()) or metric.buckets:
        raise KeyError(name)
    _add(name, {labels.get(metric.label, ""): amount})


def count_many(name: str, amounts: Mapping[str, int]) -> None:
    """Add to several numbers of a metric that has a label, by its value, in one round trip."""
    if amounts:
        _add(name, amounts)


def observe(name: str, seconds: float) -> None:
    """Add one duration to a histogram."""
    buckets = METRICS[name].buckets
    place = bisect_left(buckets, seconds)
    _add(name, {str(buckets[place]) if place < len(buckets) else _BEYOND: 1, _SUM: round(seconds * 1e6)})


def _add(name: str, amounts: Mapping[str, int]) -> None:
    if unknown := set(amounts) - set(METRICS[name].fields):
        raise KeyError(name, *sorted(unknown))
    if not _counts.get():
        return
    now = clock.now()
    hour = _hour(now)
    with suppress(redis.RedisError, OSError), _client(settings.REDIS_URL).pipeline(transaction=False) as together:
        for field, amount in amounts.items():
            together.hincrby(_TOTAL, f"{name} {field}", amount)
            together.hincrby(hour, f"{name} {field}", amount)
        together.expire(hour, timedelta(hours=_HOURS + 2))
        together.hset(_LAST, name, now.isoformat())
        together.execute()


def read() -> dict[str, dict[str, int]]:
    """Every number since Redis began to count, by name and label value (empty where there is no label); 0 if none.

    Raises Unavailable without Redis.
    """
    return _numbers([_TOTAL])


def last_day() -> dict[str, dict[str, int]]:
    """As `read`, of the last 24 full hours and the present one."""
    now = clock.now()
    return _numbers([_hour(now - timedelta(hours=back)) for back in range(_HOURS + 1)])


def last_at(name: str) -> datetime | None:
    """When a metric was counted last. Raises Unavailable without Redis."""
    try:
        found: Any = _client(settings.REDIS_URL).hget(_LAST, name)
    except (redis.RedisError, OSError):
        raise Unavailable from None
    return datetime.fromisoformat(found.decode()) if found else None


def exposition() -> tuple[bytes, str]:
    """What Prometheus reads, and its content type. Raises Unavailable without Redis, and what the database raises when
    it is away: that nothing is known is not zero."""
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
    from prometheus_client.registry import Collector

    class Ours(Collector):
        def collect(self) -> Iterator[Family]:
            yield from _families(read())
            yield from _looked_up()

    return generate_latest(Ours()), CONTENT_TYPE_PLAIN_0_0_4


def _families(numbers: Mapping[str, Mapping[str, int]]) -> Iterator[Family]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, UnknownMetricFamily

    for name, metric in METRICS.items():
        found = numbers[name]
        if metric.buckets:
            counts, running = [], 0
            for bound in (*map(str, metric.buckets), _BEYOND):
                running += found[bound]
                counts.append((bound, running))
            yield HistogramMetricFamily(name, metric.help, buckets=counts, sum_value=found[_SUM] / 1e6)
        elif name.endswith("_total"):
            family = CounterMetricFamily(name, metric.help, labels=[metric.label] if metric.label else [])
            for value in metric.values or ("",):
                family.add_metric([value] if metric.label else [], found[value])
            yield family
        else:  # prometheus_client would add _total to the name of a counter
            yield UnknownMetricFamily(name, metric.help, value=found[""])


def _looked_up() -> Iterator[Family]:
    from prometheus_client.core import GaugeMetricFamily

    for name, gauge in _gauges.items():
        found = gauge.read()
        family = GaugeMetricFamily(name, gauge.help, labels=[gauge.label] if gauge.label else [])
        values = found if isinstance(found, Mapping) else {} if found is None else {"": found}
        for value, number in values.items():
            family.add_metric([value] if gauge.label else [], number)
        yield family


def _numbers(keys: Iterable[str]) -> dict[str, dict[str, int]]:
    try:
        with _client(settings.REDIS_URL).pipeline(transaction=False) as together:
            for key in keys:
                together.hgetall(key)
            hashes: list[dict[bytes, bytes]] = together.execute()
    except (redis.RedisError, OSError):
        raise Unavailable from None
    found: Counter[str] = Counter()
    for one in hashes:
        found.update({field.decode(): int(amount) for field, amount in one.items()})
    return {name: {field: found[f"{name} {field}"] for field in metric.fields} for name, metric in METRICS.items()}


def _hour(moment: datetime) -> str:
    return f"metrics:hour:{moment.astimezone(UTC):%Y%m%d%H}"


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_connect_timeout=_PATIENCE, socket_timeout=_PATIENCE)
