"""The signature check that goes into a bundle agrees with RFC 8032 and with the library the portal signs with."""

from __future__ import annotations

import hashlib
import random

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from compliance.audit.standalone import ed25519

# RFC 8032, section 7.1: secret key, public key, message, signature.
LONG = (
    "08b8b2b733424243760fe426a4b54908632110a66c2f6591eabd3345e3e4eb98fa6e264bf09efe12ee50f8f54e9f77b1e355f6c50544e23fb1"
    "433ddf73be84d879de7c0046dc4996d9e773f4bc9efe5738829adb26c81b37c93a1b270b20329d658675fc6ea534e0810a4432826bf58c941e"
    "fb65d57a338bbd2e26640f89ffbc1a858efcb8550ee3a5e1998bd177e93a7363c344fe6b199ee5d02e82d522c4feba15452f80288a821a5791"
    "16ec6dad2b3b310da903401aa62100ab5d1a36553e06203b33890cc9b832f79ef80560ccb9a39ce767967ed628c6ad573cb116dbefefd75499"
    "da96bd68a8a97b928a8bbc103b6621fcde2beca1231d206be6cd9ec7aff6f6c94fcd7204ed3455c68c83f4a41da4af2b74ef5c53f1d8ac70bd"
    "cb7ed185ce81bd84359d44254d95629e9855a94a7c1958d1f8ada5d0532ed8a5aa3fb2d17ba70eb6248e594e1a2297acbbb39d502f1a8c6eb6"
    "f1ce22b3de1a1f40cc24554119a831a9aad6079cad88425de6bde1a9187ebb6092cf67bf2b13fd65f27088d78b7e883c8759d2c4f5c65adb75"
    "53878ad575f9fad878e80a0c9ba63bcbcc2732e69485bbc9c90bfbd62481d9089beccf80cfe2df16a2cf65bd92dd597b0707e0917af48bbb75"
    "fed413d238f5555a7a569d80c3414a8d0859dc65a46128bab27af87a71314f318c782b23ebfe808b82b0ce26401d2e22f04d83d1255dc51add"
    "d3b75a2b1ae0784504df543af8969be3ea7082ff7fc9888c144da2af58429ec96031dbcad3dad9af0dcbaaaf268cb8fcffead94f3c7ca495e0"
    "56a9b47acdb751fb73e666c6c655ade8297297d07ad1ba5e43f1bca32301651339e22904cc8c42f58c30c04aafdb038dda0847dd988dcda6f3"
    "bfd15c4b4c4525004aa06eeff8ca61783aacec57fb3d1f92b0fe2fd1a85f6724517b65e614ad6808d6f6ee34dff7310fdc82aebfd904b01e1d"
    "c54b2927094b2db68d6f903b68401adebf5a7e08d78ff4ef5d63653a65040cf9bfd4aca7984a74d37145986780fc0b16ac451649de6188a7db"
    "df191f64b5fc5e2ab47b57f7f7276cd419c17a3ca8e1b939ae49e488acba6b965610b5480109c8b17b80e1b7b750dfc7598d5d5011fd2dcc56"
    "00a32ef5b52a1ecc820e308aa342721aac0943bf6686b64b2579376504ccc493d97e6aed3fb0f9cd71a43dd497f01f17c0e2cb3797aa2a2f25"
    "6656168e6c496afc5fb93246f6b1116398a346f1a641f3b041e989f7914f90cc2c7fff357876e506b50d334ba77c225bc307ba537152f3f161"
    "0e4eafe595f6d9d90d11faa933a15ef1369546868a7f3a45a96768d40fd9d03412c091c6315cf4fde7cb68606937380db2eaaa707b4c4185c3"
    "2eddcdd306705e4dc1ffc872eeee475a64dfac86aba41c0618983f8741c5ef68d3a101e8a3b8cac60c905c15fc910840b94c00a0b9d0"
)
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5",
        "278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e",
        LONG,
        "0aab4c900501b3e24d7cdf4663326a3a87df5e4843b2cbdb67cbf6e460fec350"
        "aa5371b1508f9f4528ecea23c436d94b5e8fcd4f681e30a6ac00a9704a188a03",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]
NAMES = ["TEST 1", "TEST 2", "TEST 3", "TEST 1024", "TEST SHA(abc)"]


def accepted(public: bytes, message: bytes, signature: bytes) -> bool:
    """By the library."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.mark.parametrize(("secret", "public", "message", "signature"), VECTORS, ids=NAMES)
def test_vectors_of_the_rfc(secret: str, public: str, message: str, signature: str) -> None:
    data = bytes.fromhex(message)
    key, signed = bytes.fromhex(public), bytes.fromhex(signature)
    assert Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)).sign(data) == signed, "copied wrongly"
    assert ed25519.valid(key, data, signed)
    assert not ed25519.valid(key, data + b"\x00", signed)


@pytest.mark.parametrize("seed", range(200))
def test_agrees_with_the_library(seed: int) -> None:
    """A good signature, and six in which one bit is another: in the key, the message, R, S, or any of them."""
    dice = random.Random(seed)
    private = Ed25519PrivateKey.from_private_bytes(dice.randbytes(32))
    public = private.public_key().public_bytes_raw()
    message = dice.randbytes(dice.randrange(1, 300))
    signature = private.sign(message)
    assert ed25519.valid(public, message, signature)
    for _ in range(6):
        parts = [bytearray(public), bytearray(message), bytearray(signature)]
        part = dice.choice(parts)
        part[dice.randrange(len(part))] ^= 1 << dice.randrange(8)
        key, text, signed = map(bytes, parts)
        assert ed25519.valid(key, text, signed) == accepted(key, text, signed) is False


def test_second_form_of_a_signature_is_refused() -> None:
    """S + L signs the same, so a signature would have two forms."""
    private = Ed25519PrivateKey.generate()
    signature = private.sign(b"text")
    number = int.from_bytes(signature[32:], "little") + ed25519.L
    forged = signature[:32] + number.to_bytes(32, "little")
    assert not ed25519.valid(private.public_key().public_bytes_raw(), b"text", forged)


SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]


@pytest.mark.parametrize("key", SMALL_ORDER)
def test_key_of_small_order_signs_nothing(key: str) -> None:
    """With such a key, R as the neutral element and S = 0 would fit almost any message."""
    signature = bytes.fromhex(SMALL_ORDER[0]) + bytes(32)
    assert not any(ed25519.valid(bytes.fromhex(key), bytes([n]), signature) for n in range(16))


NOT_CANONICAL = [ed25519.P + y for y in range(19)]


@pytest.mark.parametrize("sign", [0, 1])
def test_point_in_another_form_is_refused(sign: int) -> None:
    for number in NOT_CANONICAL:
        encoded = (number | sign << 255).to_bytes(32, "little")
        assert ed25519.decode(encoded) is None
        private = Ed25519PrivateKey.generate()
        signature = encoded + private.sign(b"text")[32:]
        assert not ed25519.valid(private.public_key().public_bytes_raw(), b"text", signature)
    assert ed25519.decode((1 | 1 << 255).to_bytes(32, "little")) is None, "zero has no sign"


def test_half_of_all_numbers_are_no_points() -> None:
    found = [ed25519.decode(y.to_bytes(32, "little")) for y in range(2, 202)]
    points = [point for point in found if point is not None]
    assert 60 < len(points) < 140
    for x, y, _, _ in points:
        assert (y * y - x * x - 1 - ed25519.D * x * x * y * y) % ed25519.P == 0


@pytest.mark.parametrize(("key", "signature"), [(31, 64), (33, 64), (32, 63), (32, 65), (0, 0)])
def test_wrong_lengths_are_refused(key: int, signature: int) -> None:
    assert not ed25519.valid(bytes(key), b"", bytes(signature))
