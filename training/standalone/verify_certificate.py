"""Verifies a training certificate of ClinChat. It needs Python 3.9 or newer and ed25519.py beside it, nothing else.

    python3 verify_certificate.py TOKEN --key clinchat-certificate-key.txt [--revoked revoked.json]

TOKEN is what stands after /training/verify/ in the certificate's QR code; "-" reads it from the standard input. The
key and the list of revoked certificates are at /training/verify/key/ and /training/verify/revoked/ of the portal.

Exit codes: 0 genuine and in date, 1 not genuine, 2 wrong use or a file that cannot be read, 3 expired, 4 revoked.
Without --revoked nothing is said about revocation.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from datetime import datetime, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import ed25519  # type: ignore[import-not-found]  # beside this file, wherever it was copied to

GENUINE, FORGED, UNUSABLE, EXPIRED, REVOKED = 0, 1, 2, 3, 4


def say(text: str, *, error: bool = False) -> None:
    print(text, file=sys.stderr if error else sys.stdout)


class NotGenuine(Exception):
    """It was not signed with this key, or not in these words."""


def decoded(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise NotGenuine from None
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise NotGenuine
    return data


def opened(token: str, key: bytes, kind: str) -> dict:  # type: ignore[type-arg]
    """What was signed. Raises NotGenuine."""
    payload, _, signature = token.strip().partition(".")
    message = decoded(payload)
    if not ed25519.valid(key, message, decoded(signature)):
        raise NotGenuine
    words = json.loads(message)
    if words.get("kind") != kind:
        raise NotGenuine
    return words  # type: ignore[no-any-return]


def read_key(path: str) -> bytes:
    """Raises ValueError."""
    key = base64.b64decode(Path(path).read_text(encoding="ascii").strip(), validate=True)
    if len(key) != 32:
        raise ValueError
    return key


def said(words: dict) -> None:  # type: ignore[type-arg]
    for name, label in (("name", "Name"), ("module", "Module"), ("version", "Version"), ("percent", "Score")):
        if words[name] is not None:
            say(f"{label + ':':10}{words[name]}{' %' if name == 'percent' else ''}")
    say(f"{'Issued:':10}{words['issued']}\n{'Expires:':10}{words['expires']}")


def judge(token: str, key: bytes, revoked: str, now: datetime) -> int:
    """Say what was found; returns the exit code. Raises NotGenuine, OSError and ValueError."""
    words = opened(token, key, "certificate")
    said(words)
    if datetime.fromisoformat(words["expires"]) <= now:
        say("EXPIRED: genuine, and no longer valid.")
        return EXPIRED
    if not revoked:
        say("GENUINE and in date. Whether it was revoked was not checked.")
        return GENUINE
    listed = opened(json.loads(Path(revoked).read_text(encoding="utf-8"))["signed"], key, "revocations")
    if words["id"] in listed["revoked"]:
        say(f"REVOKED, as of {listed['as_of']}.")
        return REVOKED
    say(f"VALID: genuine, in date, and not revoked as of {listed['as_of']}.")
    return GENUINE


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("certificate", metavar="TOKEN", help="the certificate, or - for the standard input")
    parser.add_argument("--key", required=True, help="file with the public key, 32 bytes in base64")
    parser.add_argument("--revoked", default="", help="file with the signed list of revoked certificates")
    given = parser.parse_args(arguments)
    token = sys.stdin.read() if given.certificate == "-" else given.certificate
    try:
        key = read_key(given.key)
        say(f"Key:      {hashlib.sha256(key).hexdigest()[:16]}")
        return judge(token, key, given.revoked, datetime.now(timezone.utc))  # noqa: UP017  # Python 3.9
    except NotGenuine:
        say("NOT GENUINE: the signature does not fit.", error=True)
        return FORGED
    except (OSError, ValueError, KeyError, TypeError):
        say("The key or the list cannot be read.", error=True)
        return UNUSABLE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
