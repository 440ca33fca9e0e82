"""Every address states who may open it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

from compliance.access import Action

ADMIN = "the admin site checks verification and Action.ADMINISTER itself (compliance.admin_site)"


def views(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, object]]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            if entry.namespace != "admin":
                yield from views(entry, prefix + str(entry.pattern))
        elif isinstance(entry, URLPattern):
            yield prefix + str(entry.pattern), entry.callback


def test_every_view_has_a_door_or_a_reason() -> None:
    found = list(views(get_resolver()))
    assert len(found) > 15
    for address, view in found:
        action, public = getattr(view, "access_action", None), getattr(view, "access_public", None)
        assert (action is None) != (public is None), f"/{address} must have a door or be public with a reason, not both"
        assert action is None or action in Action
        assert public is None or len(public) > 20, f"/{address}: the reason is too short to be one"


def test_no_address_is_there_twice() -> None:
    found = Counter(address for address, _ in views(get_resolver()))
    assert [address for address, times in found.items() if times > 1] == []


def test_only_uuids_and_words_in_addresses() -> None:
    for address, _ in views(get_resolver()):
        assert "<int:" not in address, f"/{address} shows a sequence number"
