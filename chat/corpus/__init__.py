"""How documents get into the knowledge base: load, chunk, store, index, embed."""
