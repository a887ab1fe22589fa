"""What every Slotwright service stands on: settings, logs, errors, HTTP, database, events."""
