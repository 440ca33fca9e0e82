"""Rows for tests, made by plain functions. People with a name and a story are in tests/cast.py."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from clinchat.lib import clock
from compliance.access import Role
from compliance.models import Clearance, RoleAssignment, User

_numbers = itertools.count(1)


def make_user(*, roles: Iterable[Role] = (), cleared: bool = False, **fields: Any) -> User:
    """Somebody without a second factor; `password` is passed on to the account."""
    number = next(_numbers)
    user = User.objects.create_user(**{"email": f"person{number}@hospital.test", "name": f"Person {number}"} | fields)
    for role in roles:
        RoleAssignment.objects.give(user=user, role=role)
    if cleared:
        make_clearance(user=user)
    return user


def make_clearance(*, user: User, **fields: Any) -> Clearance:
    now = clock.now()
    defaults = {"granted_at": now - timedelta(days=1), "expires_at": now + timedelta(days=30), "reason": "Test"}
    return Clearance.objects.create(user=user, **defaults | fields)
