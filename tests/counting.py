"""Limits, locks and blocks as if nothing had happened yet."""

from __future__ import annotations

from compliance.access import counters, epoch, networks


def nothing_counted() -> None:
    """What earlier tests did counts for no limit and no lock, and nothing they blocked is remembered."""
    nothing_repeated()
    epoch._Seen.at = networks._known.told_at = float("-inf")
    networks._known.epoch, networks._known.networks = -1, {}


def nothing_repeated() -> None:
    """What was done before counts for no limit and no lock."""
    counters.client().eval("for _, key in ipairs(redis.call('KEYS', 'abuse:*')) do redis.call('DEL', key) end", 0)
