"""What the words of a question mean, without a model: names of one thing, spelling, and which part is asked for."""
