"""Who may do what, what happened, what must be hidden, how long it is kept and how it is proven."""
