"""What every Slotwright service stands on: settings, logs, errors, HTTP, database, events.

`runtime` starts a service in one of its roles; the rest are parts that a service's `app.py` wires together.
Nothing here knows a service by name, and nothing runs at import.
"""
