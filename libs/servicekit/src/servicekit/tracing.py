"""OpenTelemetry: spans for requests, statements and messages, and the trace context across Kafka.

`runtime` calls `configure_tracing`. Without an endpoint nothing is recorded, but the context (W3C traceparent)
is still passed on, so that logs of all services carry one trace id.

Requests get their span at the edge (servicekit.http.edge) rather than from FastAPI, which writes whole paths into
spans: a path may hold a customer's link. Names follow OpenTelemetry's semantic conventions.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, Span, SpanKind, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()


class _Asked(Sampler):
    """Records what begins with a request or a message; not the statements of loops that look for work all day."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        dropped = kind is SpanKind.CLIENT
        return SamplingResult(Decision.DROP if dropped else Decision.RECORD_AND_SAMPLE, attributes)

    def get_description(self) -> str:
        return "asked"


def configure_tracing(service: str, otlp_endpoint: str | None) -> None:
    """Installs the tracer provider; called once, before the app is built."""
    sampler = ParentBased(_Asked()) if otlp_endpoint else ALWAYS_OFF
    provider = TracerProvider(resource=Resource.create({"service.name": service}), sampler=sampler)
    if otlp_endpoint:
        # Not for those that export nothing: they are slow to import.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=otlp_endpoint)))
        PsycopgInstrumentor().instrument()
    trace.set_tracer_provider(provider)


def current_traceparent() -> str | None:
    """The W3C header of the current span, to be sent on; None outside a trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span_from(
    traceparent: str | None, name: str, kind: SpanKind, attributes: Mapping[str, str] | None = None
) -> Iterator[Span]:
    """Runs its body in a span that continues the trace that a request or a message came with."""
    with _tracer().start_as_current_span(
        name, context=_context(traceparent), kind=kind, attributes=attributes
    ) as span:
        yield span


def message_sent(traceparent: str | None, topic: str, seconds: float) -> None:
    """Records that a message of a trace has reached Kafka, so long after it was written."""
    if traceparent is None or getattr(trace.get_tracer_provider(), "sampler", ALWAYS_OFF) is ALWAYS_OFF:
        return
    now = time.time_ns()
    span = _tracer().start_span(
        f"send {topic}",
        context=_context(traceparent),
        kind=SpanKind.PRODUCER,
        attributes=messaging(topic, "send"),
        start_time=now - int(seconds * 1e9),
    )
    span.end(now)


def messaging(topic: str, operation: str) -> dict[str, str]:
    """The attributes of a span about a message."""
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": topic,
        "messaging.operation.name": operation,
    }


def _tracer() -> trace.Tracer:
    return trace.get_tracer("servicekit")


def _context(traceparent: str | None) -> Context | None:
    return _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else None
