"""Key-encryption keys in HashiCorp Vault or OpenBao (engine transit, key type aes256-gcm96).

The policy of the token needs `update` on transit/encrypt/NAME and transit/decrypt/NAME and `read` on
transit/keys/NAME; for `rotate_keys --new` and `--retire` also `update` on transit/keys/NAME/rotate and …/config.
A key's id is vault:NAME:VERSION.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings

from clinchat.lib.keys import KeptElsewhere, KeysUnavailable, Unsealable
from clinchat.lib.keys.recent import OfThisThread, Recent

TIMEOUT = (2.0, 3.0)
"""Seconds to connect, and to wait for the answer."""
T = TypeVar("T")
ID = re.compile(r"vault:([A-Za-z0-9._-]{1,120}):([1-9][0-9]{0,9})")
RULING = frozenset({"create", "update", "delete", "sudo", "root"})
"""Capabilities with which a token rules over a path."""
CIPHERTEXT = re.compile(r"vault:v([1-9][0-9]{0,9}):([A-Za-z0-9+/=]+)")


class VaultKeys:
    def __init__(self) -> None:
        self._own = OfThisThread()
        self._recent = Recent()

    def current(self) -> str:
        version = self._ask(lambda transit: int(transit.read_key(settings.VAULT_KEY)["data"]["latest_version"]))
        return f"vault:{settings.VAULT_KEY}:{version}"

    def made_at(self) -> datetime | None:
        def newest(transit: Any) -> datetime:
            data = transit.read_key(settings.VAULT_KEY)["data"]
            return datetime.fromtimestamp(int(data["keys"][str(data["latest_version"])]), UTC)

        return self._ask(newest)

    def powers(self) -> list[str] | None:
        name = settings.VAULT_KEY
        paths = [f"transit/keys/{name}", f"transit/keys/{name}/config", f"transit/keys/{name}/rotate"]

        def told(_: Any) -> list[str]:
            found = self._client().sys.get_capabilities(paths=paths)["data"]
            return [path.replace(name, "NAME") for path in paths if RULING & set(found.get(path, ()))]

        return self._ask(told)

    def wrap(self, data_key: bytes, *, aad: bytes) -> tuple[str, bytes]:
        plain, place = _text(data_key), _text(aad)
        found = self._ask(
            lambda transit: CIPHERTEXT.fullmatch(
                transit.encrypt_data(settings.VAULT_KEY, plaintext=plain, associated_data=place)["data"]["ciphertext"]
            )
        )
        if found is None:
            raise KeysUnavailable
        key_id, wrapped = f"vault:{settings.VAULT_KEY}:{found[1]}", base64.b64decode(found[2])
        self._recent.put(data_key, key_id.encode(), wrapped, aad)
        return key_id, wrapped

    def unwrap(self, key_id: str, wrapped: bytes, *, aad: bytes) -> bytes:
        from hvac import exceptions

        found = ID.fullmatch(key_id)
        if found is None or found[1] != settings.VAULT_KEY:  # whoever can write rows must not choose the key
            raise Unsealable
        about = key_id.encode(), wrapped, aad
        if (known := self._recent.get(*about)) is not None:
            return known
        ciphertext, place = f"vault:v{found[2]}:{_text(wrapped)}", _text(aad)
        try:
            data_key: bytes = self._ask(
                lambda transit: base64.b64decode(
                    transit.decrypt_data(found[1], ciphertext=ciphertext, associated_data=place)["data"]["plaintext"]
                ),
                through=exceptions.InvalidRequest,
            )
        except exceptions.InvalidRequest:  # not made by this version of this key, or for another place
            raise Unsealable from None
        self._recent.put(data_key, *about)
        return data_key

    def renew(self) -> str:
        self._manage(lambda transit: transit.rotate_key(settings.VAULT_KEY), "rotate")
        return self.current()

    def retire(self, used: Collection[str]) -> list[str]:
        """Vault refuses the versions below the oldest one in use from now on; whether it deletes them is its affair."""
        name = settings.VAULT_KEY
        key = self._ask(lambda transit: transit.read_key(name)["data"])
        newest, least = self._ask(lambda _: (int(key["latest_version"]), int(key["min_decryption_version"])))
        mine = [int(found[2]) for found in map(ID.fullmatch, used) if found and found[1] == name]
        oldest = min([*mine, newest])
        if oldest > least:
            self._manage(
                lambda transit: transit.update_key_configuration(name, min_decryption_version=oldest), "config"
            )
        return [f"vault:{name}:{version}" for version in range(max(least, 1), oldest)]

    def _manage(self, call: Callable[[Any], Any], what: str) -> None:
        from hvac import exceptions

        try:
            self._ask(call, through=exceptions.Forbidden)
        except exceptions.Forbidden:
            raise KeptElsewhere(
                f"The token may not do this. Give its policy update on transit/keys/{settings.VAULT_KEY}/{what}, or "
                "have an operator of Vault do it and run this command without --new and --retire."
            ) from None

    def _ask(self, call: Callable[[Any], T], *, through: type[Exception] | tuple[()] = ()) -> T:
        """What `call` makes of Vault's answer; one in which something is missing is as good as none."""
        import requests
        from hvac import exceptions

        try:
            return call(self._transit())
        except through:
            raise
        except (exceptions.VaultError, requests.RequestException, OSError, KeyError, TypeError, ValueError):
            raise KeysUnavailable from None

    def _transit(self) -> Any:
        return self._client().secrets.transit

    def _client(self) -> Any:
        """With the token as the file has it now: an agent renews it there."""
        import hvac
        import requests

        clients: dict[str, Any] = self._own.clients()
        if "" not in clients:
            session = requests.Session()
            session.trust_env = False  # no proxy and no .netrc come between
            session.verify = settings.VAULT_CA_FILE or True
            clients[""] = hvac.Client(url=settings.VAULT_ADDR, session=session, timeout=TIMEOUT, allow_redirects=False)
        client = clients[""]
        client.token = Path(settings.VAULT_TOKEN_FILE).read_text(encoding="utf-8").strip()
        return client


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
