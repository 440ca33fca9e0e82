"""Service accounts and their tokens: what programs there are, what they may do, and ending that."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from clinchat.lib import clock
from clinchat.lib.http import AuthedRequest
from compliance import audit_vocabulary
from compliance.access import Action, allows, door, services, works_read_only
from compliance.access.sessions import fresh
from compliance.models import ServiceToken, User
from compliance.service_forms import AccountForm, TokenForm


@require_safe
@door(Action.MANAGE_SERVICES)
def accounts(request: AuthedRequest) -> HttpResponse:
    return _page(request, AccountForm())


@require_POST
@door(Action.MANAGE_SERVICES)
@fresh
def new(request: AuthedRequest) -> HttpResponseBase:
    form = AccountForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    try:
        account = services.create(**form.cleaned_data)
    except services.NameTaken:
        form.add_error("name", "There is one with this name. Give this one another.")
        return _page(request, form)
    messages.success(request, f"{account.name} is made. It can do nothing yet: ask for its roles, then make a token.")
    return redirect("services")


@require_http_methods(["GET", "HEAD", "POST"])
@door(Action.MANAGE_SERVICES)
@fresh
def token(request: AuthedRequest, account_id: UUID) -> HttpResponseBase:
    account = get_object_or_404(User, pk=account_id, is_service=True, is_active=True)
    form = TokenForm(request.POST or None)
    context: dict[str, object] = {"account": account, "form": form}
    if form.is_valid():
        try:
            made, text = services.make_token(account_id=account.pk, by=request.user, **form.cleaned_data)
        except services.Closed:
            messages.error(request, "The account was closed in the meantime. No token was made.")
            return redirect("services")
        return render(request, "services/made.html", {"account": account, "token": made, "text": text})
    return render(request, "services/token.html", context)


@works_read_only("What is taken away is gone at once")
@require_POST
@door(Action.MANAGE_SERVICES)
@fresh
def revoke(request: AuthedRequest, token_id: UUID) -> HttpResponseBase:
    found = get_object_or_404(ServiceToken, pk=token_id)
    if services.revoke(token_id=found.pk):
        messages.success(request, f"The token {found.prefix}… is revoked: the next request with it is refused.")
    else:
        messages.info(request, "That token was revoked already. Nothing was changed.")
    return redirect("services")


def _page(request: AuthedRequest, form: AccountForm) -> HttpResponse:
    now = clock.now()
    shown = [
        {
            "account": account,
            "roles": [str(held) for held in account.role_assignments.all() if held.suspended_at is None],
            "tokens": [
                {"token": one, "scopes": _words(one), "live": one.revoked_at is None and one.expires_at > now}
                for one in account.service_tokens.all()
            ],
        }
        for account in services.everyone()
    ]
    context = {"form": form, "accounts": shown, "may_read_people": allows(request.user, Action.READ_PEOPLE)}
    return render(request, "services/accounts.html", context)


def _words(token: ServiceToken) -> str:
    return ", ".join(sorted(audit_vocabulary.ACTIONS.get(scope, scope) for scope in token.scopes))
