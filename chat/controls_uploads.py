"""The checks of what people upload: hostile files go through the real path, and the scanner knows the newest ones."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.conf import settings

from clinchat.lib import clock
from compliance.access.roles import Role
from compliance.controls.registry import CannotLook, Found, check

if TYPE_CHECKING:
    from chat.models import Collection, Upload
    from compliance.models import User

OLDEST: Final = timedelta(days=7)
_EICAR: Final = (b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$", b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*")
"""In two parts, or a scanner would take this file for it."""
_TEXT: Final = b"BT /F1 11 Tf 72 700 Td (Give warfarin in the evening, and check the INR after three days.) Tj ET"
_SCRIPT: Final = b"/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>"


def _pdf(catalog: bytes = b"") -> bytes:
    """A PDF of one page with a sentence, and whatever its catalog holds besides."""
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R " + catalog + b" >>",
        b"<< /Type /Pages /Kids [5 0 R] /Count 1 >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(_TEXT), _TEXT),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 3 0 R >> >> >>",
    )
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _zip(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
    return out.getvalue()


def _polyglot() -> bytes:
    return _pdf() + _zip("run.js", b"alert(1)")


def _bomb() -> bytes:
    return _zip("word/document.xml", b"<w:document>" + b" " * 8_000_000)


HOSTILE: Final[Mapping[str, tuple[str, Callable[[], bytes]]]] = {
    "eicar": ("check.txt", lambda: b"".join(_EICAR)),
    "polyglot": ("check.pdf", _polyglot),
    "zip_bomb": ("check.docx", _bomb),
    "active_pdf": ("check-form.pdf", lambda: _pdf(_SCRIPT)),
}


@check("upload.eicar_canary", seconds=30)
def eicar_canary() -> Found:
    """EICAR, a PDF that is a ZIP archive too, a ZIP bomb and a PDF with a script are sent in and read, as anybody's
    files are: each is refused, nothing of it becomes a draft, and the refusal is on record.

    EICAR is a text as any other: only a scanner knows it, so without one it is taken, and this fails.
    """
    from chat import uploads
    from chat.models import Collection
    from compliance.controls import canary

    files = {key: (uploads.masked_name(name), make()) for key, (name, make) in HOSTILE.items()}
    by = canary.person(Role.KNOWLEDGE_EDITOR, factor=False, signed_in=False).user  # writes from here on: be quick
    into = Collection.objects.create(slug=f"check-{by.pk.hex}", name="Check of uploads")
    ended = {key: _sent(by, into, *file) for key, file in files.items()}
    failing = [key for key, how in ended.items() if not how.startswith("refused by ")]
    return Found(
        not failing,
        f"{len(ended) - len(failing)} of {len(ended)} hostile files were refused and the refusal recorded",
        len(ended),
        failing,
        {"scanner_configured": bool(settings.CLAMD), "files": ended},
    )


def _sent(by: User, into: Collection, name: str, content: bytes) -> str:
    """How it ended, in words; "refused" only where that is on record."""
    from chat import uploads
    from chat.models import Upload
    from compliance.models import AuditEvent, Outcome

    try:
        upload = uploads.receive(by=by, collection=into, name=name, content=content)
    except uploads.Unscanned:
        raise CannotLook("the malware scanner does not answer, so nothing is taken") from None
    except uploads.Malware:
        denied = AuditEvent.objects.filter(actor_id=by.pk, object_type="chat.Upload", outcome=Outcome.DENIED)
        return "refused by the scanner" if denied.exists() else "refused, not on record"
    uploads.read(upload.pk)
    done = Upload.objects.get(pk=upload.pk)
    if done.state != Upload.State.REFUSED or done.content is not None or done.drafts.exists():
        return "taken"
    return "refused by the reader" if _on_record(done) else "refused, not on record"


def _on_record(upload: Upload) -> bool:
    from compliance.models import AuditEvent

    changes = AuditEvent.objects.filter(object_id=str(upload.pk), object_type="chat.Upload")
    return any("refused" in (one or {}).get("state", ()) for one in changes.values_list("changes", flat=True))


@check("upload.scanner_fresh", seconds=30)
def scanner_fresh() -> Found:
    """The scanner answers and its signatures are at most a week old; or it does not answer, and a file that comes now
    is really held. Without one configured files are taken unseen, which is neither."""
    from chat.corpus import malware

    if not settings.CLAMD:
        return Found(False, "No malware scanner is configured, so files are taken unscanned", 1, ["CLINCHAT_CLAMD"])
    try:
        known = malware.version()
    except malware.Unavailable:
        return _held()
    age = clock.now() - known.made_at
    days = round(age / timedelta(days=1), 1)
    fresh = -timedelta(days=1) <= age <= OLDEST
    return Found(
        fresh,
        f"The scanner answers; its signatures are {days} days old, at most {OLDEST.days} allowed",
        1,
        () if fresh else ["signatures"],
        {"engine": known.engine, "signatures": known.signatures, "made_at": known.made_at.isoformat(), "days": days},
    )


def _held() -> Found:
    from chat import uploads
    from compliance.controls import canary

    by = canary.person(Role.KNOWLEDGE_EDITOR, factor=False, signed_in=False).user
    try:
        uploads.scan(b"Give warfarin in the evening.", by)
    except uploads.Unscanned:
        return Found(True, "The scanner does not answer; uploads are held until it does", 1, (), {"held": True})
    return Found(False, "The scanner gives no version, and files are taken all the same", 1, ["scanner"])
