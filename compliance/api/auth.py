"""/api/auth/: signing in with both factors, new tokens for old ones, and ending what is open."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from compliance.access import Action, api_signin, door, public, require, sessions, tokens, works_read_only
from compliance.access.jwt import BadToken, Why
from compliance.api.bearer import ERROR, bearer_of, record_refusal
from compliance.api.bodies import Body, Flag, Id, Nothing, Text
from compliance.api.problems import TOO_SOON, Refused
from compliance.api.proof import require_fresh
from compliance.forms import PasswordForm
from compliance.models import User

SET_UP = "Set up an authenticator app in the portal first, then sign in here."
CODE = "That code did not match. Enter the newest code."


class Credentials(Body):
    email = serializers.EmailField(max_length=254)
    password = Text(trim_whitespace=False, max_length=1000)


class StepAnswer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["mfa_required"])
    mfa_token = serializers.CharField()
    factors = serializers.ListField(child=serializers.ChoiceField(choices=[str(f) for f in api_signin.TYPED]))
    expires_in = serializers.IntegerField(help_text="Seconds the mfa_token is good for.")


class Code(Body):
    mfa_token = Text(max_length=2000)
    code = Text(max_length=20, help_text="Six digits of an authenticator app, or a recovery code.")


class Refresh(Body):
    refresh = Text(max_length=2000)


class Tokens(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="Send it as Authorization: Bearer.")
    refresh = serializers.CharField(help_text="Good once, for one new pair.")
    token_type = serializers.ChoiceField(choices=["Bearer"])
    expires_in = serializers.IntegerField(help_text="Seconds the access token is good for.")
    ends_at = serializers.DateTimeField(help_text="When a new sign-in is needed, whatever is done until then.")


class Whom(Body):
    """Nothing for oneself; one person, or everyone."""

    user = Id(required=False)
    everyone = Flag(required=False, default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["everyone"] and "user" in attrs:
            raise serializers.ValidationError("Name one person or everyone, not both.")
        return attrs


class Ended(serializers.Serializer[Any]):
    ended = serializers.IntegerField(help_text="Sessions of browsers, sign-ins through the API and tokens of programs.")


class Person(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class WhoIAm(serializers.Serializer[Any]):
    user = Person()
    roles = serializers.ListField(child=serializers.CharField())
    through = serializers.ChoiceField(choices=["token", "session"])
    expires_at = serializers.DateTimeField(help_text="When the access token, or the session left alone, ends.")


@works_read_only("Signing in writes nothing but what signing in needs")
@public("Whoever has no token yet gets one here, with both factors")
@extend_schema(operation_id="login", request=Credentials, responses={200: StepAnswer})
@api_view(["POST"])
@authentication_classes([])
@permission_classes([])
def login(request: Request) -> Response:
    """First step: e-mail and password. The answer is good for the second step alone."""
    given = _checked(Credentials, request)
    try:
        step = api_signin.password(**given)
    except api_signin.WrongPassword:
        raise Refused(HTTPStatus.UNAUTHORIZED, PasswordForm.WRONG) from None
    except api_signin.NoFactor:
        raise Refused(HTTPStatus.FORBIDDEN, SET_UP) from None
    found = {"mfa_token": step.mfa_token, "factors": step.factors, "expires_in": step.expires_in}
    return Response({"status": "mfa_required", **found})


@works_read_only("Signing in writes nothing but what signing in needs")
@public("Second step of signing in; the token must be of the first")
@extend_schema(operation_id="verify_second_factor", request=Code, responses={200: Tokens})
@api_view(["POST"])
@authentication_classes([])
@permission_classes([])
def second_factor(request: Request) -> Response:
    """Second step: a code of the authenticator app, or a recovery code. Each counts once."""
    given = _checked(Code, request)
    try:
        pair = api_signin.second_factor(request._request, **given)  # noqa: SLF001  # documented by DRF
    except BadToken as refused:
        raise _refused(refused) from None
    except api_signin.WrongCode as wrong:
        if wrong.tried:
            raise Refused(HTTPStatus.UNAUTHORIZED, CODE, wait=wrong.wait) from None
        raise Refused(HTTPStatus.TOO_MANY_REQUESTS, TOO_SOON, wait=wrong.wait) from None
    return _pair(pair)


@works_read_only("Signing in writes nothing but what signing in needs")
@public("An access token has expired when this is asked; the refresh token is the proof")
@extend_schema(operation_id="refresh", request=Refresh, responses={200: Tokens})
@api_view(["POST"])
@authentication_classes([])
@permission_classes([])
def refresh(request: Request) -> Response:
    """A new pair for a refresh token, which is used up. One that comes a second time ends its whole sign-in."""
    given = _checked(Refresh, request)
    try:
        pair = tokens.renew(given["refresh"], **api_signin.came_from(request._request))  # noqa: SLF001  # documented
    except BadToken as refused:
        raise _refused(refused) from None
    return _pair(pair)


@works_read_only("Leaving never waits")
@public("Leaving needs no permission; the refresh token says which sign-in ends")
@extend_schema(operation_id="logout", request=Refresh, responses={204: None})
@api_view(["POST"])
@authentication_classes([])
@permission_classes([])
def logout(request: Request) -> Response:
    """End the sign-in a refresh token belongs to. Ending what is over already is no error (RFC 7009, section 2.2)."""
    given = _checked(Refresh, request)
    try:
        tokens.sign_out(given["refresh"])
    except BadToken as refused:
        if refused.why is Why.MALFORMED:
            raise _refused(refused) from None
    return Response(status=HTTPStatus.NO_CONTENT)


@works_read_only("It reads, and puts on record that it did")
@door(Action.OWN_SETTINGS)
@extend_schema(methods=["GET"], operation_id="who_am_i", responses={200: WhoIAm})
@extend_schema(methods=["POST"], operation_id="who_am_i_post", request=Nothing, responses={200: WhoIAm})
@api_view(["GET", "POST"])
def verify(request: Request) -> Response:
    """Who I am, which roles count, and until when."""
    if request.method == "POST":
        _checked(Nothing, request)
    bearer = bearer_of(request._request)  # noqa: SLF001  # documented by DRF
    through, ends = ("token", bearer.expires_at) if isinstance(bearer, tokens.Bearer) else ("session", _idle(request))
    me = _me(request)
    shown = {"user": {"id": me.pk, "name": str(me)}, "roles": sorted(me.roles)}
    return Response(shown | {"through": through, "expires_at": ends})


@works_read_only("What is taken away is gone at once")
@door(Action.OWN_SETTINGS)
@extend_schema(operation_id="revoke_all_sessions", request=Whom, responses={200: Ended})
@api_view(["POST"])
def revoke_all_sessions(request: Request) -> Response:
    """End every session and sign-in of oneself; of one person or of everyone for those who may, freshly proved."""
    given = _checked(Whom, request)
    whom: User | None = _me(request)
    if given["everyone"] or given.get("user", request.user.pk) != request.user.pk:
        require(_me(request), Action.REVOKE_SESSIONS)
        require_fresh(request)
        whom = None if given["everyone"] else User.objects.filter(pk=given["user"]).first()
        if whom is None and not given["everyone"]:
            raise serializers.ValidationError({"user": ["Nobody has this id."]})
    return Response({"ended": sessions.end_all(whom, reason="revoked through the API")})


def _me(request: Request) -> User:
    return cast("User", request.user)  # the door has refused everybody else


def _checked(body: type[Body], request: Request) -> dict[str, Any]:
    form = body(data=request.data)
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


def _pair(pair: tokens.Pair) -> Response:
    made = {"access": pair.access, "refresh": pair.refresh, "token_type": "Bearer"}
    return Response(made | {"expires_in": pair.expires_in, "ends_at": pair.ends_at})


def _refused(refused: BadToken) -> Refused:
    """401 for a token in the body, on record."""
    return Refused(HTTPStatus.UNAUTHORIZED, record_refusal(refused), challenge=ERROR)


def _idle(request: Request) -> Any:
    return request._request.session.get_expiry_date()  # noqa: SLF001  # documented by DRF
