"""The events and records that Slotwright's parts exchange.

Every publisher has a module here with its event models; `envelope` carries them as CloudEvents, `topics` says
where each travels, who writes and who reads it, `registry` finds a model by its CloudEvents type. The package
imports pydantic only, so that anyone can depend on it: a service, the operator, or a business's own reader.
"""
