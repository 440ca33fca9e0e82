"""People whose password is kept by the hospital: in LDAP or Active Directory, or at an OpenID Connect provider.

The directory says who somebody is, ClinChat what they may do: an account made at the first sign-in has no role, and
the second factor is asked for here as of anybody. An account is bound to what the directory calls the person for good
(never to the address alone), and one that exists already is never taken over.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import IntegrityError, OperationalError, transaction

from compliance import audit, notices
from compliance.access.roles import Role
from compliance.models import Notice, User

ID_LENGTH, EMAIL_LENGTH = 300, 254
LENGTHS = {"name": 200, "title": 50, "department": 100}


class Unavailable(OperationalError):
    """The directory does not answer, or not as it should. Nothing is known about the person."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A person as the directory describes them: `kind` is ldap or oidc, `id` what never changes about them there."""

    kind: str
    id: str
    email: str
    name: str
    title: str = ""
    department: str = ""


def account_of(entry: Entry) -> User | None:
    """The account of somebody the directory has just vouched for, made or brought up to date.

    None when it is closed, and when the address belongs to another account; administrators are told of the latter.
    """
    email = entry.email.strip().lower()
    if not entry.id or len(entry.id) > ID_LENGTH or "@" not in email or len(email) > EMAIL_LENGTH:
        return None
    found = _found(entry)
    if found is None and User.objects.filter(email=email).exists():
        _tell_taken(entry)
        return None
    user: User | None
    try:
        with transaction.atomic():
            user = _updated(found, entry) if found else _made(entry, email)
    except IntegrityError:  # made in the same moment by another request
        user = _found(entry)
    return user if user and user.is_active else None


def _found(entry: Entry) -> User | None:
    return User.objects.filter(directory=entry.kind, directory_id=entry.id).first()


def _made(entry: Entry, email: str) -> User:
    return User.objects.create_user(email=email, directory=entry.kind, directory_id=entry.id, **_described(entry))


def _updated(user: User, entry: Entry) -> User:
    """The address stays: the trail and other people know the person by it. It is changed here, by an administrator."""
    changed = {name: value for name, value in _described(entry).items() if value and getattr(user, name) != value}
    for name, value in changed.items():
        setattr(user, name, value)
    if changed:
        user.save(update_fields=list(changed))
    return user


def _described(entry: Entry) -> dict[str, str]:
    texts = {"name": entry.name or entry.email, "title": entry.title, "department": entry.department}
    return {name: "".join(filter(str.isprintable, value)).strip()[: LENGTHS[name]] for name, value in texts.items()}


def _tell_taken(entry: Entry) -> None:
    """On record; and once, until somebody has read it, to those who can do something about it."""
    taken = User.objects.get(email=entry.email.strip().lower())
    audit.record(
        code=audit.Code.AUTHN_LOGIN_FAIL,
        action=audit.Crude.EXECUTE,
        outcome=audit.Outcome.DENIED,
        object_type="compliance.User",
        object_id=str(taken.pk),
        detail={"step": "directory"},
    )
    title = f"The directory knows somebody with the address of {taken.name}"
    people = [
        person
        for person in notices.holders(Role.ADMIN, Role.SECURITY_OFFICER)
        if not Notice.objects.unread(person).filter(title=title).exists()
    ]
    notices.tell(
        people,
        title=title,
        text="They were refused, because this account has the same address. Change the address of the account, and the "
        "directory's sign-in makes a new one.",
        url=f"/compliance/people/{taken.pk}/",
        level=Notice.Level.WARNING,
    )
