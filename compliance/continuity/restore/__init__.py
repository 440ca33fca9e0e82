"""Going back to a backup: who decides, what comes back, and what never goes backwards."""
