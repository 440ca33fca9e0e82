"""The knowledge base below /api/: the same services, rights and limits as its pages."""
