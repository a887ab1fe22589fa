{{/*
The operator's alerts, in place of a service's: it answers probes alone, and its topics are not read by consumers of
servicekit's. Every metric is exported by tenant_operator.metrics. Called by servicelib.prometheusRule.
*/}}
{{- define "operator.rules" -}}
{{- $pods := include "servicelib.pods" . -}}
- alert: SlotwrightOperatorNotLeading
  expr: (max(slotwright_operator_leading{ {{- $pods }}}) or vector(0)) < 1
  for: 5m
  labels: {severity: critical, service: operator}
  annotations:
    summary: No operator holds the Lease. Nothing is done about tenants and plans.
# An object whose passes fail has one a minute at least.
- alert: SlotwrightOperatorPassesFail
  expr: sum by (kind) (increase(slotwright_operator_reconciles_total{ {{- $pods }},outcome="failed"}[5m])) > 3
  for: 10m
  labels: {severity: warning, service: operator}
  annotations:
    summary: The operator's passes over {{ "{{" }} $labels.kind {{ "}}" }} objects go on failing.
- alert: SlotwrightOperatorMalformed
  expr: sum by (topic) ({{ include "servicelib.counted" (list "slotwright_operator_malformed_total" $pods) }})
  labels: {severity: warning, service: operator}
  annotations:
    summary: The operator has passed over what it cannot read on {{ "{{" }} $labels.topic {{ "}}" }}.
{{- end -}}
