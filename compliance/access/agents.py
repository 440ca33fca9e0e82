"""What a browser or program calls itself, in words of ours: all that is kept of it, for it may hold anything."""

from __future__ import annotations

from typing import Final

BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
"""What stands before the slash in a browser's name for itself, the most telling first: most claim to be Safari too."""
SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)
UNKNOWN: Final = "Unknown browser"
PROGRAMS: Final = (
    "curl",
    "Wget",
    "python-requests",
    "python-httpx",
    "PostmanRuntime",
    "okhttp",
    "Java",
    "Go-http-client",
)


def browser(agent: str) -> str:
    """ "Firefox on Windows", from what a browser calls itself."""
    name = next((name for mark, name in BROWSERS if f"{mark}/" in agent), "")
    system = next((name for mark, name in SYSTEMS if mark in agent), "")
    if name and system:
        return f"{name} on {system}"
    return name or (f"{UNKNOWN} on {system}" if system else UNKNOWN)


def program(agent: str) -> str:
    """ "curl, through the API", for the programs we know by their name for themselves."""
    name = next((name for name in PROGRAMS if agent.startswith(f"{name}/")), "Program")
    return f"{name}, through the API"
