"""From a question to an answer whose every sentence opens its source."""
