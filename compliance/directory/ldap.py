"""Sign-in through LDAP or Active Directory: the person's entry is looked up, then bound to with their password.

Only encrypted: ldaps://, or StartTLS before anything else is said; the server's certificate is checked.
"""

from __future__ import annotations

import logging
import ssl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from compliance.directory import Entry, Unavailable, account_of
from compliance.models import User

if TYPE_CHECKING:
    import ldap3

SECONDS = 5
ATTRIBUTES = (
    "mail",
    "userPrincipalName",
    "displayName",
    "cn",
    "title",
    "department",
    "departmentNumber",
    "entryUUID",
    "objectGUID",
    "userAccountControl",
)
SUCCESS, TOO_MANY, NO_SUCH_OBJECT = 0, 4, 32
REFUSED = {19, 48, 49, 50, 53}
"""What a server answers to a wrong password, and to one of an account that is locked or has none (RFC 4511, 4.1.9)."""
DISABLED = 2
"""Bit of Active Directory's userAccountControl."""


class Ldap(BaseBackend):
    """Django's authentication for accounts of the directory and addresses nobody has here.

    ModelBackend stands before it, so that local accounts work while the directory does not. Raises Unavailable.
    """

    @sensitive_variables("password")
    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> User | None:
        email = (username or "").strip().lower()
        if not email or not password:  # an empty password is an anonymous bind, which succeeds (RFC 4513, 5.1.2)
            return None
        if "\x00" in email + password:
            return None
        known = User.objects.filter(email=email).first()
        entry = check(email, password)  # for everybody: who has an account here must not show by what is asked there
        if known is not None and (known.directory != "ldap" or not known.is_active):
            return None
        user = account_of(entry) if entry else None
        return user if known is None or user == known else None


@sensitive_variables("password")
def check(email: str, password: str) -> Entry | None:
    """The entry of the person with this address whose password it is, or None. Raises Unavailable."""
    from ldap3.core.exceptions import LDAPException

    logging.getLogger("pyasn1").handlers.clear()  # importing it installs one that would write past our lines
    try:
        with _connection(settings.LDAP_BIND_DN, settings.LDAP_BIND_PASSWORD) as connection:
            found = _look_up(connection, email)
        if found is None:
            return None
        dn, attributes = found
        with _connection(dn, password, own=False) as connection:
            if not connection.bound:
                return None
    except (LDAPException, OSError, ssl.SSLError):
        raise Unavailable from None
    return _entry(dn, attributes, email)


def reach() -> None:
    """Bind as ClinChat itself. Raises Unavailable."""
    from ldap3.core.exceptions import LDAPException

    logging.getLogger("pyasn1").handlers.clear()  # as above
    try:
        with _connection(settings.LDAP_BIND_DN, settings.LDAP_BIND_PASSWORD):
            return
    except (LDAPException, OSError, ssl.SSLError):
        raise Unavailable from None


@contextmanager
@sensitive_variables("password")
def _connection(dn: str, password: str, *, own: bool = True) -> Iterator[ldap3.Connection]:
    """An encrypted connection, bound as `dn`; unbound inside where the password of somebody else is wrong."""
    import ldap3

    parts = urlsplit(settings.LDAP_URL)
    secure = parts.scheme == "ldaps"
    tls = ldap3.Tls(
        validate=ssl.CERT_REQUIRED,
        version=ssl.PROTOCOL_TLS_CLIENT,
        ca_certs_file=settings.LDAP_CA_FILE or None,
        sni=parts.hostname,
    )
    server = ldap3.Server(
        parts.hostname, port=parts.port, use_ssl=secure, tls=tls, get_info=ldap3.NONE, connect_timeout=SECONDS
    )
    connection = ldap3.Connection(
        server,
        user=dn or None,
        password=password or None,
        authentication=ldap3.SIMPLE if dn else ldap3.ANONYMOUS,
        read_only=True,
        auto_referrals=False,  # a referral would carry the password to another server
        receive_timeout=SECONDS,
    )
    try:
        connection.open()
        if not secure and not connection.start_tls():
            raise Unavailable
        if not connection.bind() and (own or connection.result["result"] not in REFUSED):
            raise Unavailable
        yield connection
    finally:
        connection.unbind()


def _look_up(connection: ldap3.Connection, email: str) -> tuple[str, dict[str, Any]] | None:
    """The one entry with this address. None where there are several: which one it is nobody can say."""
    import ldap3
    from ldap3.utils.conv import escape_filter_chars

    wanted = settings.LDAP_USER_FILTER.replace("{email}", escape_filter_chars(email)).replace(
        "{name}", escape_filter_chars(email.partition("@")[0])
    )
    connection.search(settings.LDAP_BASE, wanted, search_scope=ldap3.SUBTREE, attributes=list(ATTRIBUTES), size_limit=2)
    if connection.result["result"] not in {SUCCESS, TOO_MANY, NO_SUCH_OBJECT}:
        raise Unavailable
    found = [one for one in connection.response or [] if one["type"] == "searchResEntry"]
    return (found[0]["dn"], found[0]["raw_attributes"]) if len(found) == 1 else None


def _entry(dn: str, attributes: dict[str, Any], email: str) -> Entry | None:
    """What the directory says of the person; None when it has disabled the account or keeps another address."""
    lower = {name.lower(): values for name, values in attributes.items()}

    def all_of(name: str) -> list[str]:
        return [value.decode(errors="replace") for value in lower.get(name.lower(), [])]

    def first(*names: str) -> str:
        return next((values[0] for name in names if (values := all_of(name))), "")

    control = first("userAccountControl")
    if control.isdigit() and int(control) & DISABLED:
        return None
    addresses = [address.strip().lower() for address in [*all_of("mail"), *all_of("userPrincipalName")]]
    if email not in addresses:
        return None
    guid = next(iter(lower.get("objectguid", [])), b"")
    return Entry(
        kind="ldap",
        id=str(uuid.UUID(bytes_le=guid))
        if len(guid) == 16
        else first("entryUUID"),  # a name can be given to the next person
        email=email,
        name=first("displayName", "cn"),
        title=first("title"),
        department=first("department", "departmentNumber"),
    )
