"""Point-in-time recovery: base backups, continuous shipping of the WAL, and servers recovered to a moment."""
