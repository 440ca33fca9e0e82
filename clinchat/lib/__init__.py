"""Leaves used by every app. Nothing here imports an app."""
