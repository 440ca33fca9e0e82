"""Sign-in through the hospital's OpenID Connect provider: authorization code with PKCE (RFC 7636), state and nonce.

The provider's word stands for the password alone: the second step is asked for here. What it says is believed only
with a signature by a key it publishes, for this installation, this attempt and now (OpenID Connect Core, 3.1.3.7).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from clinchat import env
from clinchat.lib import clock, outbound
from compliance import audit
from compliance.directory import Entry, Unavailable, account_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from compliance.models import User

SCOPE = "openid email profile"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""With a key pair: neither `none`, nor a shared secret that a public key could be passed off as."""
SECONDS = (3.0, 5.0)
LEEWAY_SECONDS = 60
LIMIT_SECONDS = 600.0
MOST_BYTES = 200_000
_STATE = "oidc"


class Refused(Exception):
    """The provider's answer proves nothing, or says no. `why` names the check, for the record."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Came:
    """Who came back from the provider, and where they wanted to go."""

    user: User
    target: str


def name(user: User | None = None) -> str:
    """What the button of the sign-in page calls the provider; empty where there is none, or not for this person."""
    if not settings.OIDC_ISSUER or (user is not None and user.directory != "oidc"):
        return ""
    return str(settings.OIDC_NAME)


def reach() -> None:
    """Read what the provider publishes, and its keys. Raises Unavailable."""
    if not isinstance(_get(_metadata()["jwks_uri"]).get("keys"), list):
        raise Unavailable


def start(request: HttpRequest, *, target: str) -> str:
    """Where the provider takes over; what its answer must fit stays in the session. Raises Unavailable.

    Whoever is signed in already has to show the provider their password again.
    """
    again = request.user.is_authenticated
    state = {
        "state": secrets.token_urlsafe(32),
        "nonce": secrets.token_urlsafe(32),
        "verifier": secrets.token_urlsafe(64),
        "next": target,
        "again": again,
        "since": clock.now().timestamp(),
    }
    endpoint = _metadata()["authorization_endpoint"]
    with _session(request) as session:
        url, _ = session.create_authorization_url(
            endpoint,
            state=state["state"],
            nonce=state["nonce"],
            code_verifier=state["verifier"],
            **({"prompt": "login", "max_age": "0"} if again else {}),
        )
    request.session[_STATE] = state
    return str(url)


def finish(request: HttpRequest) -> Came:
    """The account of the person the provider vouches for. Raises Refused, on record, and Unavailable."""
    state = request.session.pop(_STATE, None)  # good for one answer, whatever it is
    try:
        claims = _claims(request, state)
        user = account_of(_entry(claims))
        if user is None:
            raise Refused("account")
        if state["again"] and user.pk != getattr(request.user, "pk", None):
            raise Refused("another person")
    except Refused as refused:
        audit.record(
            code=audit.Code.AUTHN_LOGIN_FAIL,
            action=audit.Crude.EXECUTE,
            outcome=audit.Outcome.FAILURE,
            object_type="compliance.User",
            detail={"step": "provider", "check": refused.why},
        )
        raise
    return Came(user, str(state["next"]))


def _claims(request: HttpRequest, state: dict[str, Any] | None) -> dict[str, Any]:
    """The provider's statement about the person, every check passed."""
    given = request.GET.get("state", "")
    if state is None or not secrets.compare_digest(given.encode(), state["state"].encode()):
        raise Refused("state")
    if clock.now().timestamp() - state["since"] > LIMIT_SECONDS:
        raise Refused("too late")
    metadata = _metadata()
    if request.GET.get("iss", metadata["issuer"]) != metadata["issuer"]:  # RFC 9207: no mix-up of providers
        raise Refused("issuer")
    if "error" in request.GET or not request.GET.get("code"):
        raise Refused("provider said no")
    token = _exchange(request, metadata["token_endpoint"], state["verifier"])
    claims = _verified(token, metadata, state["nonce"])
    if state["again"] and state["since"] - LEEWAY_SECONDS > float(claims.get("auth_time") or 0):
        raise Refused("not signed in again")
    return claims


def _exchange(request: HttpRequest, endpoint: str, verifier: str) -> dict[str, Any]:
    from authlib.common.errors import AuthlibBaseError

    def fetch() -> dict[str, Any]:
        with _session(request) as session:
            found: dict[str, Any] = session.fetch_token(
                endpoint, code=request.GET["code"], code_verifier=verifier, grant_type="authorization_code"
            )
            return found

    try:
        return _reached(fetch)
    except AuthlibBaseError:
        raise Refused("code") from None


def _verified(token: dict[str, Any], metadata: dict[str, Any], nonce: str) -> dict[str, Any]:
    from authlib.common.errors import AuthlibBaseError
    from authlib.oidc.core import CodeIDToken
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet
    from joserfc.jws import JWSRegistry

    published = _get(metadata["jwks_uri"])
    options = {
        "iss": {"essential": True, "value": settings.OIDC_ISSUER},
        "sub": {"essential": True},
        "aud": {"essential": True, "value": settings.OIDC_CLIENT_ID},
        "nonce": {"essential": True, "value": nonce},
    }
    parameters = {"nonce": nonce, "client_id": settings.OIDC_CLIENT_ID, "access_token": token.get("access_token")}
    try:
        registry = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
        decoded = jwt.decode(token["id_token"], key=KeySet.import_key_set(published), registry=registry)  # type: ignore[arg-type]  # checked there
        claims = CodeIDToken(decoded.claims, decoded.header, options, parameters)
        claims.validate(leeway=LEEWAY_SECONDS)
    except (JoseError, AuthlibBaseError, KeyError, TypeError, ValueError, AttributeError):
        raise Refused("statement") from None
    return dict(claims)


def _entry(claims: dict[str, Any]) -> Entry:
    """Raises Refused for an address the provider has not verified: anybody could have typed it there."""
    email, subject = claims.get("email"), claims["sub"]
    if not isinstance(email, str) or not isinstance(subject, str) or claims.get("email_verified") is not True:
        raise Refused("e-mail")

    def word(name: str) -> str:
        value = claims.get(name)
        return value if isinstance(value, str) else ""

    return Entry(
        kind="oidc",
        id=f"{settings.OIDC_ISSUER}|{subject}",
        email=email,
        name=word("name"),
        department=word("department"),
    )


def _metadata() -> dict[str, Any]:
    """What the provider publishes about itself (OpenID Connect Discovery, section 4), asked for each time."""
    found = _get(f"{settings.OIDC_ISSUER.rstrip('/')}/.well-known/openid-configuration")
    needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    if found.get("issuer") != settings.OIDC_ISSUER or not all(
        env.is_encrypted(str(found.get(name)), "https") for name in needed
    ):
        raise Unavailable
    outbound.also(*(str(found[name]) for name in needed))
    return found


def _get(url: str) -> dict[str, Any]:
    def fetch() -> dict[str, Any]:
        import requests

        with requests.Session() as session:
            answer = session.get(url, timeout=SECONDS, allow_redirects=False, stream=True)
            answer.raise_for_status()
            body = answer.raw.read(MOST_BYTES + 1, decode_content=True)
        if answer.status_code != 200 or len(body) > MOST_BYTES:
            raise Unavailable
        return _object(body)

    return _reached(fetch)


def _object(body: bytes) -> dict[str, Any]:
    import json

    found = json.loads(body)
    if not isinstance(found, dict):
        raise Unavailable
    return found


def _reached(fetch: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    import requests

    try:
        return fetch()
    except (requests.RequestException, OSError, ValueError):
        raise Unavailable from None


def _session(request: HttpRequest) -> Any:
    from authlib.integrations.requests_client import OAuth2Session

    return OAuth2Session(
        client_id=settings.OIDC_CLIENT_ID,
        client_secret=settings.OIDC_CLIENT_SECRET,
        scope=SCOPE,
        redirect_uri=request.build_absolute_uri(reverse("signin-directory-back")),
        code_challenge_method="S256",
        default_timeout=SECONDS,
    )
