"""Checks of the compliance app about what has no other room: keys, transport, the host, and the checks themselves."""
