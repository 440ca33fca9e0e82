"""Addresses of the pages of this app."""

from __future__ import annotations

from datetime import date

from django.urls import include, path, register_converter

from compliance.views import (
    audit,
    audit_retention,
    authenticators,
    blocks,
    directory,
    emergency,
    masking,
    matrix,
    metrics,
    notices,
    passkeys,
    passwords,
    people,
    public,
    recertification,
    remarks,
    roles,
    services,
    sessions,
    settings,
    signin,
)


class DayConverter:
    """A date of this century that exists, as 2026-11-21; anything else is no address of ours."""

    regex = r"20[0-9]{2}-[0-9]{2}-[0-9]{2}"

    def to_python(self, value: str) -> date:
        return date.fromisoformat(value)

    def to_url(self, value: date) -> str:
        return value.isoformat()


register_converter(DayConverter, "day")

audit_urls = [
    path("", audit.search, name="audit"),
    path("patient/", audit.patient, name="audit-patient"),
    path("export/", audit.export, name="audit-export"),
    path("verify/", audit.verify, name="audit-verify"),
    path("people/<uuid:person_id>/<day:on>/", audit.day, name="audit-day"),
    path("retention/", audit_retention.page, name="audit-retention"),
    path("retention/ask/", audit_retention.ask, name="audit-retention-ask"),
    path("retention/<uuid:purge_id>/approve/", audit_retention.approve, name="audit-retention-approve"),
    path("retention/<uuid:purge_id>/cancel/", audit_retention.cancel, name="audit-retention-cancel"),
    path("<uuid:event_id>/", audit.event, name="audit-event"),
]
people_urls = [
    path("", people.search, name="people"),
    path("new/", people.new, name="people-new"),
    path("<uuid:person_id>/", people.person, name="person"),
    path("<uuid:person_id>/role/", people.ask_role, name="person-role"),
    path("<uuid:person_id>/link/", people.link, name="person-link"),
    path("<uuid:person_id>/close/", people.close, name="person-close"),
    path("<uuid:person_id>/leave/", people.leave, name="person-leave"),
    path("<uuid:person_id>/reopen/", people.reopen, name="person-reopen"),
]
role_urls = [
    path("", roles.page, name="roles"),
    path("<uuid:request_id>/approve/", roles.approve, name="role-approve"),
    path("<uuid:request_id>/refuse/", roles.refuse, name="role-refuse"),
    path("<uuid:request_id>/withdraw/", roles.withdraw, name="role-withdraw"),
]
recertification_urls = [
    path("", recertification.page, name="recertification"),
    path("open/", recertification.open_campaign, name="recertification-open"),
    path("decide/", recertification.decide, name="recertification-decide"),
]
masking_urls = [
    path("", masking.page, name="masking"),
    path("<uuid:report_id>/", masking.report, name="mask-report"),
    path("<uuid:report_id>/words/", masking.words, name="mask-report-words"),
    path("<uuid:report_id>/settle/", masking.settle, name="mask-report-settle"),
    path("terms/new/", masking.new_term, name="mask-term-new"),
    path("terms/<uuid:term_id>/approve/", masking.approve, name="mask-term-approve"),
    path("terms/<uuid:term_id>/refuse/", masking.refuse, name="mask-term-refuse"),
    path("terms/<uuid:term_id>/withdraw/", masking.withdraw, name="mask-term-withdraw"),
    path("terms/<uuid:term_id>/end/", masking.end, name="mask-term-end"),
    path("terms/<uuid:term_id>/keep/", masking.keep, name="mask-term-keep"),
]
feedback_urls = [
    path("", remarks.own, name="remarks-own"),
    path("new/", remarks.new, name="remark-new"),
]
urlpatterns = [
    path("signin/", signin.password, name="signin"),
    path("signin/code/", signin.code, name="signin-code"),
    path("signin/recovery/", signin.recovery, name="signin-recovery"),
    path("signin/setup/", signin.setup, name="signin-setup"),
    path("signin/setup/qr.svg", signin.setup_qr, name="signin-setup-qr"),
    path("signin/passkey/", passkeys.show, name="signin-passkey"),
    path("signin/passkey/setup/", passkeys.set_up, name="signin-passkey-setup"),
    path("signin/password/<slug:token>/", passwords.link, name="signin-link"),
    path("signin/again/", signin.again, name="signin-again"),
    path("signin/directory/", directory.start, name="signin-directory"),
    path("signin/directory/back/", directory.back, name="signin-directory-back"),
    path("signout/", signin.signout, name="signout"),
    path("settings/", settings.settings, name="settings"),
    path("settings/mails/", settings.mails, name="settings-mails"),
    path("settings/appearance/", settings.appearance, name="settings-appearance"),
    path("settings/password/", passwords.change, name="settings-password"),
    path("settings/app/add/", authenticators.add, name="settings-app-add"),
    path("settings/app/confirm/", authenticators.confirm, name="settings-app-confirm"),
    path("settings/app/qr.svg", authenticators.qr, name="settings-app-qr"),
    path("settings/app/<uuid:named>/remove/", authenticators.remove, name="settings-app-remove"),
    path("settings/recovery-codes/", settings.recovery_codes, name="settings-recovery-codes"),
    path("settings/passkeys/add/", passkeys.add, name="settings-passkey-add"),
    path("settings/passkeys/<uuid:named>/", passkeys.one, name="settings-passkey"),
    path("settings/passkeys/<uuid:named>/remove/", passkeys.remove, name="settings-passkey-remove"),
    path("settings/notices/", notices.page, name="notices"),
    path("settings/notices/dismiss/", notices.dismiss_all, name="notices-dismiss"),
    path("settings/notices/<uuid:notice_id>/dismiss/", notices.dismiss, name="notice-dismiss"),
    path("compliance/people/", include(people_urls)),
    path("compliance/roles/", include(role_urls)),
    path("compliance/recertification/", include(recertification_urls)),
    path("compliance/reports/", include("compliance.urls_reports")),
    path("compliance/continuity/", include("compliance.urls_continuity")),
    path("settings/sessions/", sessions.own, name="settings-sessions"),
    path("settings/sessions/left/", sessions.left, name="session-left"),
    path("settings/sessions/renew/", sessions.renew, name="session-renew"),
    path("settings/sessions/end-others/", sessions.end_others, name="settings-sessions-end-others"),
    path("settings/sessions/end-all/", sessions.end_everywhere, name="settings-sessions-end-all"),
    path("settings/sessions/<uuid:session_id>/end/", sessions.end_one, name="settings-session-end"),
    path("compliance/sessions/", sessions.everyone, name="sessions"),
    path("compliance/people/<uuid:person_id>/sessions/end/", sessions.end_person, name="person-sessions-end"),
    path("compliance/audit/", include(audit_urls)),
    path("access/emergency/", emergency.take, name="emergency"),
    path("access/emergency/<uuid:access_id>/end/", emergency.end, name="emergency-end"),
    path("compliance/emergency/", emergency.reviews, name="emergency-reviews"),
    path("compliance/emergency/<uuid:access_id>/", emergency.review, name="emergency-review"),
    path("compliance/masking/", include(masking_urls)),
    path("feedback/", include(feedback_urls)),
    path("compliance/feedback/", remarks.queue, name="remarks"),
    path("compliance/feedback/<uuid:remark_id>/", remarks.one, name="remark"),
    path("compliance/matrix/", matrix.matrix, name="matrix"),
    path("compliance/", include("compliance.urls_controls")),
    path("compliance/blocks/", blocks.blocks, name="blocks"),
    path("compliance/blocks/<uuid:block_id>/end/", blocks.end, name="blocks-end"),
    path("compliance/", include("compliance.urls_registers")),
    path("compliance/services/", services.accounts, name="services"),
    path("compliance/services/new/", services.new, name="services-new"),
    path("compliance/services/<uuid:account_id>/token/", services.token, name="services-token"),
    path("compliance/services/tokens/<uuid:token_id>/revoke/", services.revoke, name="services-revoke"),
    path("metrics", metrics.metrics, name="metrics"),
    path("status/", public.status, name="status"),
    path("csp/", public.csp_report, name="csp-report"),
]
