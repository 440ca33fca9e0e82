"""The page a person is sent on to after signing in, as their session keeps it meanwhile: without what was typed."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.urls import Resolver404, resolve
from django.utils.http import url_has_allowed_host_and_scheme

from compliance import masking, phi

TYPED = frozenset({"q", "for", "find"})
"""Parameters of our addresses that hold what a person typed."""
CODES = frozenset(
    {
        *("v", "start", "end", "page", "after", "before", "status", "role"),
        *("on", "part", "show", "collection", "document"),
        *("person", "object_type", "code", "outcome", "kind", "since", "until", "correlation"),
        *("days", "where"),
        *("about", "subject", "category", "department", "module", "flag", "stage", "mine"),
        *("environment", "type"),
    }
)
OBJECTS = frozenset({"patient", "object_id"})
"""Those into which a record number may be typed: kept where it is a pseudonym or the id of a row."""
"""Those that hold a number, an id, a date or a word of ours; `person` may hold the e-mail address of an account."""
_CODE = re.compile(r"[\w.:@+-]{1,80}", re.ASCII)
_OBJECT = re.compile(r"P-[0-9a-f]{16}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def own_path(target: str) -> str:
    """`target` if it is a path of this site, else nothing: a link must not carry a person elsewhere."""
    return target if target.startswith("/") and url_has_allowed_host_and_scheme(target, allowed_hosts=None) else ""


def kept(target: str) -> str:
    """An own path that may be stored: an address of ours with ids alone in it, and parameters we know.

    Of those a person types into, what identifies a patient is replaced.
    """
    parts = urlsplit(own_path(target))
    try:
        found = resolve(parts.path)
    except Resolver404:
        return ""
    if any(isinstance(value, str) for value in (*found.args, *found.kwargs.values())):
        return ""
    query = urlencode([(name, safe) for name, value in parse_qsl(parts.query) if (safe := _parameter(name, value))])
    return f"{parts.path}?{query}" if query else parts.path


def _parameter(name: str, value: str) -> str:
    if name in TYPED:
        try:
            return masking.note(value, where="next-page")
        except phi.PhiUnavailable:
            return ""
    if name in OBJECTS:
        return value if _OBJECT.fullmatch(value) else ""
    return value if name in CODES and _CODE.fullmatch(value) else ""
