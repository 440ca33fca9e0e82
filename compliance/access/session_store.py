"""Where sessions are kept: Django's database store, with the key hashed and the person, place and times beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

from clinchat.lib import clock
from compliance import audit

if TYPE_CHECKING:
    from compliance.models import Session


class SessionStore(DatabaseStore):
    """The cookie holds the key, the table its SHA-256: a copy of the table opens no session."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        from compliance.models import Session

        return Session

    def _get_session_from_db(self) -> Any:
        found = self.model.objects.filter(
            session_key=audit.session_digest(self.session_key), expire_date__gt=clock.now()
        ).first()
        if found is None:
            self._session_key = None
        return found

    def exists(self, session_key: str | None) -> bool:
        return bool(self.model.objects.filter(session_key=audit.session_digest(session_key)).exists())

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            self.model.objects.filter(session_key=audit.session_digest(key)).delete()

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        return self.model(
            session_key=audit.session_digest(self._get_or_create_session_key()),
            session_data=self.encode(data),
            expire_date=self.get_expiry_date(),
            user_id=data.get(SESSION_KEY),
        )
