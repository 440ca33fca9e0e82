"""Making backups, reading them back, and removing them in their time."""
