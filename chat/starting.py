"""What a process must have before it serves: the embedding model whose vectors are searched."""

from __future__ import annotations

from contextlib import suppress

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection

from chat.corpus import vectors
from chat.interactions import current


def require_model() -> None:
    """Raises ImproperlyConfigured, in words for the operator, where questions could not be put to the searched index.

    A database that does not answer, or has no tables yet, holds nothing up: the process must be able to wait for it.
    Leaves no connection open, because what comes next may fork.
    """
    try:
        vectors.check()
    except vectors.OtherModel as other:
        raise ImproperlyConfigured(other.args[0]) from None
    except DatabaseError:
        return
    finally:
        if not connection.in_atomic_block:
            connection.close()


def load_interactions() -> None:
    """Have the interaction table in this process before the first list is checked. Without a sound one the portal runs,
    and answers say that nothing was checked."""
    with suppress(current.Unavailable):
        current.current()
    if not connection.in_atomic_block:
        connection.close()


def can_search() -> bool:
    """Whether this process has the model of the index that is searched now; another may have been switched to since."""
    try:
        vectors.check()
    except (vectors.OtherModel, DatabaseError):
        return False
    return True
