"""Models behind small interfaces. Each is loaded once per process, on first use."""
