"""A person of the cast in two messages to the database, where demo.ensure needs twenty: most tests begin with some.

What is written is the same, row by row and event by event; tests/compliance/test_hiring.py holds the two side by side.
"""

from __future__ import annotations

from base64 import b32encode
from os import urandom
from typing import Any

from django.db import connection
from django.db.models import Model
from django.db.models.sql import InsertQuery
from django_otp.plugins.otp_static.models import StaticDevice

from clinchat.lib import clock
from compliance.access import factors
from compliance.access.roles import Role
from compliance.demo import CLEARED_FOR, Person
from compliance.models import Authenticator, Clearance, RoleAssignment, User

CODES = (
    "INSERT INTO otp_static_statictoken (device_id, token) "
    "SELECT currval(pg_get_serial_sequence('otp_static_staticdevice', 'id')), unnest(%s::text[])"
)


def hire(person: Person, *, password: str) -> User:
    """The account of a demo person who has none yet, complete. In one transaction, as one message is."""
    user = User(email=person.email, name=person.name, title=person.title, department=person.department, is_demo=True)
    user.set_password(password)
    rows: list[Model] = [user]
    for role in sorted(person.roles):
        seat = RoleAssignment.objects.all()._free_seat() if role == Role.ADMIN else None
        rows.append(RoleAssignment(user=user, role=role, seat=seat))
    if person.cleared:
        rows.append(Clearance(user=user, expires_at=clock.now() + CLEARED_FOR, reason="Demo account"))
    rows.append(Authenticator(user=user, name="Authenticator app"))
    rows.append(StaticDevice(user=user, name="Recovery codes"))
    codes = [b32encode(urandom(5)).decode().lower() for _ in range(factors.RECOVERY_CODES)]
    statements = [_insert(row) for row in rows]
    statements.append((CODES, ([factors._recovery_digest(user, code) for code in codes],)))
    with connection.cursor() as cursor:
        cursor.execute("; ".join(text for text, _ in statements), [one for _, given in statements for one in given])
    user._state.adding, user._state.db, user._password = False, connection.alias, None  # type: ignore[attr-defined]
    return user


def _insert(row: Model) -> tuple[str, tuple[Any, ...]]:
    """The statement that Django would send to save this new row."""
    fields = [field for field in row._meta.local_concrete_fields if field is not row._meta.auto_field]
    query = InsertQuery(type(row))
    query.insert_values(fields, [row])
    ((text, given),) = query.get_compiler(connection=connection).as_sql()
    return text, tuple(given)
