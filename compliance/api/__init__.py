"""This app's part of /api/."""
