"""A business's daily figures, from events."""
