"""Sealing with a key in AWS KMS, against moto's server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from clinchat.lib import keys, sealed
from tests.lib import rings

PLACE = b"table.column:row"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def key(address: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", address)
    arn: str = boto3.client("kms", region_name="eu-central-1").create_key()["KeyMetadata"]["Arn"]
    settings.CLINCHAT_KEYS, settings.KMS_KEY_IDS = "kms", [arn]
    keys._made.cache_clear()
    yield arn
    keys._made.cache_clear()


def test_what_was_sealed_opens_at_its_place_alone(key: str) -> None:
    blob = sealed.seal(b"Zebulon Quixworth", aad=PLACE)
    keys._made.cache_clear()
    assert sealed.unseal(blob, aad=PLACE) == b"Zebulon Quixworth"
    assert rings.wrapped_by(blob) == f"kms:{key}" == keys.keys().current()
    for place in (b"table.column:other", PLACE + b"x"):
        with pytest.raises(sealed.Unsealable):
            sealed.unseal(blob, aad=place)


def test_a_new_key_takes_over_and_the_earlier_one_opens_until_then(key: str, settings: Any) -> None:
    import boto3

    blob = sealed.seal(b"x", aad=PLACE)
    new = boto3.client("kms", region_name="eu-west-1").create_key()["KeyMetadata"]["Arn"]
    settings.KMS_KEY_IDS = [new, key]
    keys._made.cache_clear()
    again = sealed.rewrap(blob, aad=PLACE)
    assert (rings.wrapped_by(again), rings.wrapped_by(blob)) == (f"kms:{new}", f"kms:{key}")
    assert sealed.unseal(again, aad=PLACE) == sealed.unseal(blob, aad=PLACE) == b"x"
    settings.KMS_KEY_IDS = [new]
    with pytest.raises(sealed.Unsealable):
        sealed.unseal(blob, aad=PLACE)


def test_a_key_that_is_missing_closes_everything(key: str, settings: Any) -> None:
    parts = sealed._parts(sealed.seal(b"x", aad=PLACE))
    gone = key.rpartition("/")[0] + "/00000000-0000-0000-0000-000000000000"
    settings.KMS_KEY_IDS = [gone]
    keys._made.cache_clear()
    with pytest.raises(sealed.KeysUnavailable):
        sealed.seal(b"x", aad=PLACE)
    with pytest.raises(sealed.Unsealable):
        sealed.unseal(sealed._Parts(f"kms:{gone}", parts.wrapped, parts.value).joined(), aad=PLACE)


def test_a_service_that_is_gone_closes_everything(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = sealed.seal(b"x", aad=PLACE)
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    keys._made.cache_clear()
    with pytest.raises(sealed.KeysUnavailable):
        sealed.seal(b"x", aad=PLACE)
    with pytest.raises(sealed.KeysUnavailable):
        sealed.unseal(blob, aad=PLACE)


def test_without_credentials_nothing_is_sealed(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    keys._made.cache_clear()
    with pytest.raises(sealed.KeysUnavailable):
        sealed.seal(b"x", aad=PLACE)


def test_who_makes_and_removes_keys_is_said(key: str) -> None:
    with pytest.raises(keys.KeptElsewhere, match="enable-key-rotation"):
        keys.keys().renew()
    with pytest.raises(keys.KeptElsewhere, match="schedule-key-deletion"):
        keys.keys().retire(set())
