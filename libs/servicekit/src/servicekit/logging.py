"""Structured logs: one JSON object a line on stdout, with service, request, tenant and trace ids.

`runtime` calls `configure_logging` once; everything else does `structlog.get_logger()`. Values whose name
says that they are secret are masked, wherever they stand in an event.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal
from uuid import UUID

import structlog
from opentelemetry import trace

_SECRET = re.compile(r"(password|secret|token|authorization|api_?key|cookie|dsn|database_url)", re.IGNORECASE)
_MASK = "***"
# Without local variables, which structlog shows by default: a frame may hold a password or a token.
_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)


def _mask(value: Any, *, name: str = "") -> Any:
    if name and _SECRET.search(name):
        return _MASK
    if isinstance(value, Mapping):
        return {key: _mask(item, name=str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mask(item) for item in value]
    return value


def mask_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: masks values under names such as `password` or `refresh_token`."""
    return {key: _mask(value, name=key) for key, value in event.items()}


def _add_trace(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
    return event


def name_tenant(tenant_id: UUID) -> None:
    """Adds the tenant's id to the further log lines of the request under way.

    Does nothing in a loop, which works for one tenant after the other and binds each one's id by itself.
    """
    if "request_id" in structlog.contextvars.get_contextvars():
        structlog.contextvars.bind_contextvars(tenant_id=str(tenant_id))


def configure_logging(service: str, level: str, log_format: Literal["json", "console"]) -> None:
    """Sets up structlog and the standard library's logging to write to stdout in one form."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
        mask_secrets,
    ]
    renderer: list[structlog.types.Processor] = (
        [_TRACEBACKS, structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                lambda _logger, _method, event: {"service": service, **event},
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # These log a line for each request or statement; our own access log has the ids that theirs lack.
    for noisy in ("uvicorn.access", "httpx", "httpcore", "sqlalchemy", "alembic.runtime.plugins"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
