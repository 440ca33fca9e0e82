"""Template library "ui": icons, and dates, times and counts in the words every page uses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Literal

from django import template
from django.templatetags.static import static
from django.utils import dateformat, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from clinchat.lib import clock

register = template.Library()

NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """A decorative icon of the sprite; the words beside it carry the meaning."""
    return format_html(
        '<svg class="i{}" aria-hidden="true"><use href="{}#{}"/></svg>',
        f" {extra}" if extra else "",
        static("icons.svg"),
        name,
    )


@register.filter
def day(value: date | Literal[""] | None) -> str:
    """Oct 14, 2026; nothing where a template has no date."""
    if not value:
        return ""
    return dateformat.format(timezone.localtime(value) if isinstance(value, datetime) else value, "M j, Y")


@register.filter
def at(value: datetime) -> str:
    """at 14:05; on another day: on Oct 14, 2026 at 14:05"""
    local = timezone.localtime(value)
    return _clock(local) if local.date() == timezone.localtime(clock.now()).date() else on(local)


@register.filter
def on(value: datetime) -> str:
    """on Oct 14, 2026 at 14:05: right whenever it is read, so for what is kept"""
    local = timezone.localtime(value)
    return f"on {day(local)} {_clock(local)}"


def _clock(local: datetime) -> str:
    return f"at {dateformat.format(local, 'H:i')}"


@register.filter
def moment(value: datetime) -> str:
    """Oct 14, 2026, 14:05:09: a time that has to be found again elsewhere"""
    local = timezone.localtime(value)
    return f"{day(local)}, {dateformat.format(local, 'H:i:s')}"


@register.filter
def seconds(value: float) -> str:
    """6.2 s, and 2 min 5 s once a minute has passed"""
    if round(value, 1) < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


@register.filter
def age(value: datetime) -> str:
    """18 min, 5 h, 3 days: how long ago"""
    minutes = int((clock.now() - value).total_seconds()) // 60
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h"
    return f"{minutes // (24 * 60)} days"


@register.filter
def span(value: timedelta) -> str:
    """40 s, 18 min, 90 min, 5 h, 3 days: how long"""
    whole = int(value.total_seconds())
    if whole < 60:
        return f"{whole} s"
    if whole < 2 * 3600 and whole % 3600:
        return f"{whole // 60} min"
    if whole < 48 * 3600:
        return f"{whole // 3600} h"
    return f"{whole // (24 * 3600)} days"


@register.filter
def listed(values: Sequence[object]) -> str:
    """1, 2 and 3"""
    words = [str(value) for value in values]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


@register.filter
def number(value: int) -> str:
    """Six, to begin a sentence with; above ten as `count`."""
    return NUMBERS[value] if value < len(NUMBERS) else count(value)


@register.filter
def count(value: int) -> str:
    """1,284"""
    return f"{value:,}"
