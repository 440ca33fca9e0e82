"""A certificate on paper, as a code to scan, and what somebody needs to check it without the portal."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.urls import reverse

from clinchat.lib import ui_tags
from clinchat.lib.pdf import add_fonts
from training import certificates
from training.models import Certificate

if TYPE_CHECKING:
    from fpdf import FPDF

PROGRAM: Final = Path(__file__).parent / "standalone" / "verify_certificate.py"
ED25519: Final = Path(__file__).parents[1] / "compliance" / "audit" / "standalone" / "ed25519.py"
QR_MM: Final = 58.0
BLUE: Final = (11, 92, 110)


def public_address(certificate: Certificate) -> str:
    """Where anybody checks it."""
    return f"{settings.PORTAL_URL.rstrip('/')}{reverse('verify-token', args=[certificate.token])}"


def qr(certificate: Certificate) -> bytes:
    """An SVG that opens the public page."""
    import segno

    image = io.BytesIO()
    segno.make(public_address(certificate), error="l").save(image, kind="svg", scale=4, border=4, light="#fff")
    return image.getvalue()


def pdf(certificate: Certificate) -> bytes:
    """One Letter page. A letter that no font here has becomes a question mark; the token has the name as it is."""
    from fpdf import FPDF

    page = FPDF(orientation="landscape", format="letter", unit="mm")
    page.set_title(f"Certificate: {certificate.title}")
    page.set_creator("ClinChat")
    page.set_creation_date(certificate.issued_at)
    page.set_auto_page_break(auto=False)
    page.add_page()
    _frame(page)
    fonts = add_fonts(page)
    lines = [
        (28.0, 13, "", "ClinChat: certificate of training"),
        (44.0, 30, "B", certificate.person.get_full_name()),
        (64.0, 13, "", "has completed"),
        (76.0, 22, "B", certificate.title),
    ]
    for y, size, style, words in lines:
        page.set_xy(20, y)
        page.set_font(fonts, style, size)
        page.multi_cell(170, size * 0.5, _known(page, words), align="L")
    _facts(page, fonts, certificate)
    _code(page, public_address(certificate))
    return bytes(page.output())


def _facts(page: FPDF, fonts: str, certificate: Certificate) -> None:
    facts = [("Issued", ui_tags.day(certificate.issued_at)), ("Valid until", ui_tags.day(certificate.expires_at))]
    if certificate.percent is not None:
        facts.append(("Score", f"{certificate.percent} percent"))
    facts += [("Version", certificate.version), ("Number", str(certificate.pk))]
    page.set_y(106)
    for name, words in facts:
        page.set_x(20)
        page.set_font(fonts, "", 11)
        page.cell(32, 8, name)
        page.set_font(fonts, "B", 11)
        page.cell(130, 8, _known(page, words), new_x="LMARGIN", new_y="NEXT")
    page.set_xy(20, 180)
    page.set_font(fonts, "", 9)
    words = "Scan the code to check this certificate. How to check it without the portal is on the same page."
    page.cell(170, 5, words)


def _frame(page: FPDF) -> None:
    page.set_draw_color(*BLUE)
    page.set_line_width(1.2)
    page.rect(10, 10, page.w - 20, page.h - 20)


def _code(page: FPDF, address: str) -> None:
    """The QR code drawn as squares: no picture, so nothing to decode."""
    import segno

    rows = [list(row) for row in segno.make(address, error="l").matrix]
    side, left, top = QR_MM / len(rows), page.w - 20 - QR_MM, 106.0
    page.set_fill_color(0, 0, 0)
    for y, row in enumerate(rows):
        for x, dark in enumerate(row):
            if dark:
                page.rect(left + x * side, top + y * side, side + 0.02, side + 0.02, style="F")


def _known(page: FPDF, words: str) -> str:
    glyphs: Any = page.current_font
    return "".join(letter if ord(letter) in glyphs.cmap else "?" for letter in words)


def program() -> bytes:
    """A zip file of what checks certificates offline, with the public key."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as files:
        for path in (PROGRAM, ED25519):
            files.writestr(zipfile.ZipInfo(path.name, (2026, 1, 1, 0, 0, 0)), path.read_bytes())
        files.writestr(zipfile.ZipInfo("clinchat-certificate-key.txt", (2026, 1, 1, 0, 0, 0)), key_file())
    return packed.getvalue()


def key_file() -> str:
    """The public key as the program reads it."""
    return f"{base64.b64encode(certificates.public_key()).decode()}\n"
