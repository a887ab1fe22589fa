"""Values that are wrong are refused before anything is installed, in words that name where they stand."""

from typing import Any

import pytest

from devstack.cluster import ClusterError
from support.charts import merged, needed, render

_BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "wrong type": ("booking", {"replicas": "two"}, "'/replicas': got string, want integer"),
    "text for a switch": ("auth", {"smtp": {"startTls": "yes"}}, "'/smtp/startTls': got string"),
    "unknown key": ("booking", {"replica": 3}, "'': additional properties 'replica' not allowed"),
    "unknown key, one down": (
        "booking",
        {"database": {"hst": "a"}},
        "'/database': additional properties 'hst'",
    ),
    "unknown key, two down": (
        "booking",
        {"database": {"caSecret": {"nme": "a"}}},
        "'/database/caSecret': additional properties 'nme'",
    ),
    "unknown key of a role": (
        "booking",
        {"roles": {"serve": {"replica": 3}}},
        "'/roles/serve': additional properties 'replica'",
    ),
    "unknown role": (
        "booking",
        {"roles": {"available": ["sing"]}},
        "'/roles/available/0': value must be one of",
    ),
    "variable that another value sets": (
        "web",
        {"env": {"SLOTWRIGHT_LOG_LEVEL": "debug"}},
        "web: env.SLOTWRIGHT_LOG_LEVEL: another value of this chart sets this variable already",
    ),
    "bad choice": (
        "booking",
        {"migrations": {"mode": "jobs"}},
        "'/migrations/mode': value must be one of 'job', 'hook', 'disabled'",
    ),
    "port too small": ("booking", {"database": {"port": 0}}, "'/database/port': minimum: got 0, want 1"),
    "port too large": (
        "gateway",
        {"networkPolicy": {"egressPorts": [443, 70000]}},
        "'/networkPolicy/egressPorts/1': maximum: got 70,000, want 65,535",
    ),
    "peer that is none": (
        "booking",
        {"networkPolicy": {"peers": {"database": [{"cidr": "10.0.0.0/8"}]}}},
        "'/networkPolicy/peers/database/0': additional properties 'cidr' not allowed",
    ),
    "node port out of range": ("gateway", {"service": {"nodePort": 8080}}, "'/service/nodePort': minimum"),
    "URL of another scheme": ("web", {"publicUrl": "ftp://a.example"}, "'/publicUrl': 'ftp://a.example'"),
    "URL with a path": ("web", {"publicUrl": "https://a.example/b"}, "'/publicUrl': 'https://a.example/b'"),
    "URL with a word for a port": (
        "web",
        {"otlpEndpoint": "http://a:otlp"},
        "'/otlpEndpoint': 'http://a:otlp'",
    ),
    "broker without a port": (
        "booking",
        {"kafka": {"bootstrap": "a"}},
        "'/kafka/bootstrap': 'a' does not match",
    ),
    "second broker without a port": (
        "booking",
        {"kafka": {"bootstrap": "a:1,b"}},
        "'/kafka/bootstrap': 'a:1,b'",
    ),
    "budget of words": (
        "booking",
        {"podDisruptionBudget": {"maxUnavailable": "half"}},
        "'/podDisruptionBudget/maxUnavailable'",
    ),
    "secret that the service does not know": (
        "web",
        {"secrets": {"cookies": {"env": "SLOTWRIGHT_X", "existingSecret": "a", "key": "b"}}},
        "'/secrets': additional properties 'cookies'",
    ),
    "secret without its Secret": (
        "web",
        {"secrets": {"cookieKey": {"existingSecret": ""}}},
        "'/secrets/cookieKey/existingSecret': minLength",
    ),
    "variable in lower case": ("web", {"env": {"slotwright_x": "1"}}, "'slotwright_x'"),
    "global, unknown key": (
        "booking",
        {"global": {"slotwright": {"kafka": {"brokers": "a:1"}}}},
        "'/global/slotwright/kafka': additional properties 'brokers'",
    ),
    "service that is none": ("slotwright", {"bookings": {}}, "'': additional properties 'bookings'"),
    "wrong type in the chart of all": (
        "slotwright",
        {"booking": {"replicas": "two"}},
        "booking:\n- at '/replicas': got string, want integer",
    ),
    "wrong global in the chart of all": (
        "slotwright",
        {"global": {"slotwright": {"database": {"sslMode": "on"}}}},
        "slotwright:\n- at '/global/slotwright/database/sslMode': value must be one of",
    ),
    "backing, unknown key": (
        "backing",
        {"kafka": {"image_": "a"}},
        "'/kafka': additional properties 'image_'",
    ),
    "backing, node port": ("backing", {"mailpit": {"nodePort": 8025}}, "'/mailpit/nodePort'"),
    "crds, wrong type": ("crds", {"keep": "no"}, "'/keep': got string, want boolean"),
    "businesses' Secrets among the platform's": (
        "operator",
        {"tenantsNamespace": "slotwright"},
        "operator: tenantsNamespace must be another namespace than the release's, slotwright",
    ),
    "no place for businesses' Secrets": (
        "operator",
        {"tenantsNamespace": ""},
        "operator: tenantsNamespace must be set",
    ),
    "namespace that the operator has no rights in": (
        "operator",
        {"env": {"SLOTWRIGHT_NAMESPACE": "elsewhere"}},
        "operator: env.SLOTWRIGHT_NAMESPACE: the release's namespace, or tenantsNamespace, sets this",
    ),
    "place for businesses' Secrets that the operator has no rights in": (
        "operator",
        {"env": {"SLOTWRIGHT_TENANTS_NAMESPACE": "elsewhere"}},
        "operator: env.SLOTWRIGHT_TENANTS_NAMESPACE: the release's namespace, or tenantsNamespace, sets this",
    ),
    "no public URL": (
        "booking",
        {"publicUrl": ""},
        "booking: publicUrl, or global.slotwright.publicUrl, must be",
    ),
    "no database server": (
        "booking",
        {"database": {"host": ""}},
        "booking: database.host, or global.slotwright.database.host, must be set",
    ),
    "no brokers": (
        "booking",
        {"kafka": {"bootstrap": ""}},
        "booking: kafka.bootstrap, or global.slotwright.kafka.bootstrap, must be set",
    ),
    "no mail server": (
        "auth",
        {"smtp": {"host": ""}},
        "auth: smtp.host, or global.slotwright.smtp.host, must be",
    ),
    "route without a Gateway": (
        "gateway",
        {"route": {"enabled": True}},
        "route.parentRefs must name a Gateway",
    ),
    "ingress without a host": ("gateway", {"ingress": {"enabled": True}}, "ingress.hosts must name a host"),
    "route that hides who calls": (
        "gateway",
        {"route": {"enabled": True, "parentRefs": [{"name": "public"}]}},
        "env.SLOTWRIGHT_TRUSTED_PROXIES must name the networks",
    ),
    "ingress that hides who calls": (
        "gateway",
        {"ingress": {"enabled": True, "hosts": ["a.example"]}},
        "env.SLOTWRIGHT_TRUSTED_PROXIES must name the networks",
    ),
    "node port that hides who calls": (
        "gateway",
        {"service": {"type": "NodePort"}},
        "env.SLOTWRIGHT_TRUSTED_PROXIES must name the networks",
    ),
    "load balancer that hides who calls": (
        "gateway",
        {"service": {"type": "LoadBalancer"}},
        "env.SLOTWRIGHT_TRUSTED_PROXIES must name the networks",
    ),
    "role of a name that no migration knows": (
        "booking",
        {"database": {"user": "prod_booking_app"}},
        "'/database': additional properties 'user' not allowed",
    ),
    "Kafka user of a name that has no rights": (
        "booking",
        {"kafka": {"user": "prod-booking"}},
        "'/kafka': additional properties 'user' not allowed",
    ),
    "authority of one's own that is nowhere": (
        "booking",
        {"database": {"sslMode": "verify-ca"}},
        "booking: database.caSecret.name must be set for sslMode verify-ca",
    ),
    "longer drain than a pod has time for": (
        "booking",
        {"drainSeconds": 8},
        "booking: terminationGracePeriodSeconds must be 62 or more",
    ),
    "platform with a long name": (
        "slotwright",
        {"global": {"slotwright": {"platform": "a" * 34}}},
        f"notification: the name {'a' * 34}-notification is longer than 46 characters",
    ),
    "service with a long name": (
        "booking",
        {"fullnameOverride": "a" * 47},
        f"booking: the name {'a' * 47} is longer than 46 characters",
    ),
    "nothing said to the chart of all": (
        "slotwright",
        {"global": {"slotwright": {"publicUrl": ""}}},
        "publicUrl, or global.slotwright.publicUrl, must be set",
    ),
}


@pytest.mark.parametrize("case", _BAD)
def test_bad_values_are_refused_by_name(case: str) -> None:
    chart, values, words = _BAD[case]
    with pytest.raises(ClusterError) as refused:
        render(chart, merged(needed(chart), values))
    assert words in str(refused.value)
