"""The HTTP side of a service: app factory, problems, request ids and limits, tokens, pages, models."""
