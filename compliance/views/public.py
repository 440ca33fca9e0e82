"""Pages anyone may open: the state of the service, and the browser's reports of blocked content."""

from __future__ import annotations

import json
import logging
import re
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib import clock
from compliance import health
from compliance.access import public, works_read_only
from compliance.access.sessions import leaves_session_alone
from compliance.continuity import maintenance

logger = logging.getLogger("clinchat.csp")
REPORT_BYTES = 16 * 1024
_DIRECTIVE = re.compile(
    r"(?:default|script|style|img|font|connect|media|object|frame|child|worker|manifest)-src(?:-elem|-attr)?"
    r"|base-uri|form-action|frame-ancestors|trusted-types|require-trusted-types-for"
)
_BLOCKED = re.compile(r"inline|(?:wasm-)?eval|trusted-types-(?:policy|sink)|self|data|blob|filesystem|about|file")
_SCHEMES = frozenset({"http", "https", "ws", "wss"})
_HOST = re.compile(r"[a-z0-9.:-]{1,100}")


@public("Staff look here when they cannot sign in; it shows no internal detail")
@leaves_session_alone
@require_safe
def status(request: HttpRequest) -> HttpResponse:
    checks = health.run_checks()
    context = {
        "state": "up" if all(check.ok for check in checks) else "degraded",
        "mode": maintenance.current(),
        "checks": [{"name": check.name, "ok": check.ok} for check in checks],
        "at": clock.now(),
    }
    # The frame of a signed-in person needs the database; without it the page still has to be shown.
    lost = any(check.key == "database" and not check.ok for check in checks)
    return HttpResponse(render_to_string("status.html", context, request=None if lost else request))


@works_read_only("It writes a line of the log and nothing else")
@public("A browser reports without a session, and the report changes nothing")
@leaves_session_alone
@csrf_exempt  # nosemgrep: csrf-exempt  # no session, and nothing changes
@require_POST
def csp_report(request: HttpRequest) -> HttpResponse:
    """Log which directive blocked which origin. The rest of the address can hold what a person typed."""
    raw = request.read(REPORT_BYTES + 1)
    if len(raw) > REPORT_BYTES:
        return HttpResponse(status=413)
    for directive, blocked in _violations(raw):
        logger.warning("Content blocked by %s: %s", directive, blocked)
    return HttpResponse(status=204)


def _violations(raw: bytes) -> list[tuple[str, str]]:
    """Directive and blocked origin from either report format (CSP 2 report-uri, Reporting API)."""
    try:
        parsed = json.loads(raw)
    except (ValueError, RecursionError):
        return []
    found = []
    for report in parsed[:20] if isinstance(parsed, list) else [parsed]:
        body = (report.get("csp-report") or report.get("body")) if isinstance(report, dict) else None
        if isinstance(body, dict):
            directive = (
                body.get("effective-directive") or body.get("effectiveDirective") or body.get("violated-directive")
            )
            blocked = body.get("blocked-uri") or body.get("blockedURL")
            found.append((_word(directive), _origin(blocked)))
    return found


def _word(value: Any) -> str:
    """The directive; browsers of CSP 2 send its value with it."""
    name = value[:1000].partition(" ")[0] if isinstance(value, str) else ""
    return name if _DIRECTIVE.fullmatch(name) else "unknown"


def _origin(value: Any) -> str:
    """Scheme and host of an address; of anything else only a word the standard has (CSP 3, section 5.4)."""
    if not isinstance(value, str):
        return "unknown"
    try:
        parts = urlsplit(value[:2000])
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "unknown"
    if _HOST.fullmatch(host) and parts.scheme in _SCHEMES:
        return f"{parts.scheme}://{host}{f':{port}' if port else ''}"
    return next((word for word in (value, parts.scheme) if _BLOCKED.fullmatch(word)), "unknown")
