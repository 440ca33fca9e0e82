"""Backups proven by restoring them, snapshots, read-only mode, integrity and retention (45 CFR 164.308(a)(7))."""
