"""OpenTelemetry: spans for requests, statements and messages, and the trace context across Kafka.

`runtime` calls `configure_tracing`. Without an endpoint nothing is recorded, but the context (W3C traceparent)
is still passed on, so that logs of all services carry one trace id.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()


def configure_tracing(service: str, otlp_endpoint: str | None) -> None:
    """Installs the tracer provider; called once, before the app is built."""
    sampler = ParentBased(ALWAYS_ON) if otlp_endpoint else ALWAYS_OFF
    provider = TracerProvider(resource=Resource.create({"service.name": service}), sampler=sampler)
    if otlp_endpoint:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=otlp_endpoint)))
        PsycopgInstrumentor().instrument()
    trace.set_tracer_provider(provider)


def current_traceparent() -> str | None:
    """The W3C header of the current span, to be sent on; None outside a trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span_from(traceparent: str | None, name: str) -> Iterator[None]:
    """Runs its body in a span that continues the trace a message came with."""
    context = _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else None
    with trace.get_tracer("servicekit").start_as_current_span(name, context=context):
        yield
