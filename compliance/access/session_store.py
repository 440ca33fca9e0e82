"""Where sessions are kept: Django's database store, with the key hashed and the person, place and times beside it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import IntegrityError, InternalError, transaction
from django_otp import DEVICE_ID_SESSION_KEY
from psycopg.errors import ReadOnlySqlTransaction

from clinchat.lib import clock
from compliance import audit
from compliance.access import agents, epoch
from compliance.models import Session

AWAITS_KEY = "signin"
"""In the session: whose second factor it awaits (compliance.access.signin)."""
TOUCH_SECONDS = 10
"""A session is renewed at most this often: it ends up to this much before its idle limit, never after."""


class Origin(NamedTuple):
    """Where a request came from, for the row of its session."""

    source: str | None = None
    agent: str = ""


class SessionStore(DatabaseStore):
    """The cookie holds the key, the table its SHA-256: a copy of the table opens no session.

    A session past its end is deleted when it is loaded, whoever loads it. Where the row of a loaded session has gone
    since, saving raises UpdateError: what was ended is never written back.
    """

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.origin = Origin()
        self.row: Session | None = None
        self._before: Session | None = None
        self.ended = ""
        """Why the session of the cookie is over, once loaded: "idle", "too long" or "gone"."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def _get_session_from_db(self) -> Session | None:
        from compliance.access import sessions

        row = Session.objects.filter(pk=audit.session_digest(self.session_key)).first()
        why = sessions.why_over(row, clock.now()) if row else "gone"
        if row and why:
            sessions.expire(row, why)
        self.row, self.ended = (None if why else row), why
        if why:
            self._session_key = None
        return self.row

    def exists(self, session_key: str | None) -> bool:
        return bool(Session.objects.filter(pk=audit.session_digest(session_key)).exists())

    def save(self, must_create: bool = False) -> None:  # Django's signature
        if self.session_key is None:
            self.create()
            return
        data: dict[str, Any] = self._get_session(no_load=must_create)  # type: ignore[attr-defined]  # not in the stubs
        now = clock.now()
        changed = {
            "session_data": self.encode(data),
            "expire_date": self.get_expiry_date(modification=now),
            "seen_at": now,
            "user_id": data.get(SESSION_KEY) or data.get(AWAITS_KEY, {}).get("user"),
            "verified": bool(data.get(SESSION_KEY) and data.get(DEVICE_ID_SESSION_KEY)),
        }
        if must_create:
            self._insert(changed)
        elif not Session.objects.filter(pk=audit.session_digest(self.session_key)).update(**changed):
            raise UpdateError

    def _insert(self, values: dict[str, Any]) -> None:
        new = Session(
            pk=audit.session_digest(self.session_key),
            source=self.origin.source,
            agent=agents.browser(self.origin.agent),
            **({"id": self._before.id, "began_at": self._before.began_at} if self._before else {}),
            **values,
        )
        try:
            with transaction.atomic():
                new.save(force_insert=True)
        except IntegrityError:
            if self.exists(self.session_key):
                raise CreateError from None
            raise
        self.row = new

    def cycle_key(self) -> None:
        """A new key for the same data; the old one opens nothing any more.

        A session both factors were shown in stays the same one: it keeps its name and its beginning. Raises
        SessionInterrupted, which is answered with 400, when it was ended meanwhile.
        """
        self.keys()  # loads the row
        before = self.row
        with transaction.atomic():
            if before and not Session.objects.filter(pk=before.pk).delete()[0]:
                raise SessionInterrupted
            self._before = before if before and before.verified else None
            super().cycle_key()
            self._before = None

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is None:
            return
        with transaction.atomic():
            found = Session.objects.filter(pk=audit.session_digest(key))
            if found.filter(verified=True).delete()[0]:
                epoch.bump()  # its open streams end
            else:
                found.delete()

    def touch(self) -> datetime | None:
        """The person was active: put the end off, unless that was done a moment ago. Returns when it ends, if it lives.

        Never brings back a session that has ended meanwhile.
        """
        row = self.row
        if row is None:
            return None
        now = clock.now()
        if 0 <= (now - row.seen_at).total_seconds() < TOUCH_SECONDS:
            return row.expire_date
        end, source = self.get_expiry_date(modification=now), self.origin.source or row.source
        try:
            with transaction.atomic():
                if not Session.objects.filter(pk=row.pk).update(seen_at=now, expire_date=end, source=source):
                    return None
        except InternalError as error:
            if isinstance(error.__cause__, ReadOnlySqlTransaction):  # towards the end of a restore: people still read
                return row.expire_date
            raise
        row.seen_at, row.expire_date, row.source = now, end, source
        return end

    @classmethod
    def clear_expired(cls) -> None:
        from compliance.access import sessions

        sessions.expire_all()
