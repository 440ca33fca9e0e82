"""Pages of the chat and the library."""
