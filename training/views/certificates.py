"""Certificates: for who earned them, for who may revoke them, and for anybody who wants to check one."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from clinchat.lib import clock
from clinchat.lib.http import AuthedRequest
from compliance.access import Action, allows, door, public, works_read_only
from compliance.access.sessions import fresh
from training import access, certificate_files, certificates, refusals
from training.forms import RevokeForm, VerifyForm
from training.models import Certificate


@require_safe
@door(Action.TRAIN)
def certificate(request: AuthedRequest, certificate_id: UUID) -> HttpResponse:
    found = access.get_certificate(request.user, certificate_id)
    return _certificate(request, found, RevokeForm())


def _certificate(request: AuthedRequest, found: Certificate, form: RevokeForm) -> HttpResponse:
    own = found.person_id == request.user.pk
    revocable = found.revoked_at is None and not own and allows(request.user, Action.REVOKE_CERTIFICATES)
    context = {
        "certificate": found,
        "expired": found.expires_at <= clock.now(),
        "own": own,
        "form": form if revocable else None,
    }
    return render(request, "training/certificate.html", context, status=422 if form.errors else 200)


@require_safe
@door(Action.TRAIN)
def qr(request: AuthedRequest, certificate_id: UUID) -> HttpResponse:
    found = access.get_certificate(request.user, certificate_id)
    return HttpResponse(certificate_files.qr(found), content_type="image/svg+xml")


@require_safe
@door(Action.TRAIN)
def pdf(request: AuthedRequest, certificate_id: UUID) -> HttpResponse:
    found = access.get_certificate(request.user, certificate_id)
    name = f'attachment; filename="certificate-{found.slug or "all-modules"}.pdf"'
    return HttpResponse(
        certificate_files.pdf(found), content_type="application/pdf", headers={"Content-Disposition": name}
    )


@require_POST
@door(Action.REVOKE_CERTIFICATES)
@fresh
@sensitive_post_parameters("reason")
def revoke(request: AuthedRequest, certificate_id: UUID) -> HttpResponse:
    found = access.get_certificate(request.user, certificate_id)
    form = RevokeForm(request.POST)
    if not form.is_valid():
        return _certificate(request, found, form)
    try:
        certificates.revoke(certificate=found, by=request.user, reason=form.cleaned_data["reason"])
    except refusals.REFUSED as refused:
        messages.error(request, refusals.words(refused))
    else:
        messages.success(request, "The certificate is revoked. Access that rested on it has ended.")
    return redirect(found)


# ── For anybody ────────────────────────────────────────────────────────────────────────────────────────────────


@works_read_only("It verifies what is sent, and keeps none of it")
@public(certificates.WHO_CHECKS)
@require_http_methods(["GET", "HEAD", "POST"])
def verify(request: HttpRequest) -> HttpResponse:
    form = VerifyForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        return _verdict(request, form.cleaned_data["token"])
    return render(request, "training/verify.html", {"form": form}, status=422 if form.is_bound else 200)


@public(certificates.WHO_CHECKS)
@require_safe
def verify_token(request: HttpRequest, token: str) -> HttpResponse:
    return _verdict(request, token)


def _verdict(request: HttpRequest, token: str) -> HttpResponse:
    signed, verdict = certificates.verdict(token)
    context = {"form": VerifyForm(), "checked_at": clock.now(), "signed": signed, "verdict": verdict.value}
    return render(request, "training/verify.html", context)


@public("A public key: everybody is to have it")
@require_safe
def key(request: HttpRequest) -> HttpResponse:
    return HttpResponse(certificate_files.key_file(), content_type="text/plain; charset=utf-8")


@public("Numbers of revoked certificates and nothing else, for whoever checks one without this portal")
@require_safe
def revoked(request: HttpRequest) -> HttpResponse:
    return JsonResponse(certificates.revocations())


@public("A program that checks certificates, and the public key; nothing in it is secret")
@require_safe
def program(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        certificate_files.program(),
        content_type="application/zip",
        headers={"Content-Disposition": 'attachment; filename="verify-certificate.zip"'},
    )
