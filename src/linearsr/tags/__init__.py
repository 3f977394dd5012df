"""Object tags: from a photo or from words to guidance tokens."""
