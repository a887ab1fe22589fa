"""A business's profile, staff, hours, services and reminder policy."""
