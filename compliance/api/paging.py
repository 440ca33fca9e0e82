"""Lists in pages by key: what is added or changed between two requests moves no row to another page."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

Row = TypeVar("Row", bound=Model)
Key = tuple[datetime, UUID]


class BadCursor(ValueError):
    """The text is no cursor of ours."""


def page(
    found: QuerySet[Row],
    *,
    cursor: Key | None,
    limit: int,
    at: str = "created_at",
    pk: str = "pk",
    newest_first: bool = False,
) -> tuple[list[Row], str | None]:
    """The rows after the cursor in the order of `at` and `pk`, which never change, and the cursor of the next page."""
    if cursor:
        beyond = "lt" if newest_first else "gt"
        found = found.filter(Q(**{f"{at}__{beyond}": cursor[0]}) | Q(**{at: cursor[0], f"{pk}__{beyond}": cursor[1]}))
    order = [f"-{name}" for name in (at, pk)] if newest_first else [at, pk]
    rows = list(found.order_by(*order)[: limit + 1])
    if len(rows) <= limit:
        return rows, None
    last: Any = rows[limit - 1]
    return rows[:limit], closed((attrgetter(at.replace("__", "."))(last), attrgetter(pk)(last)))


def closed(key: Key) -> str:
    """The key as a text for an address."""
    return base64.urlsafe_b64encode(f"{key[0].isoformat()} {key[1]}".encode()).decode().rstrip("=")


def opened(text: str) -> Key:
    """The key of a cursor. Raises BadCursor."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
        at, pk = raw.split(" ")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise BadCursor
        return moment, UUID(pk)
    except (ValueError, binascii.Error):
        raise BadCursor from None
