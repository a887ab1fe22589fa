{{/* All pods of the service, those that answer no clients included: what a ServiceMonitor finds them by. */}}
{{- define "servicelib.metricsService" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "servicelib.fullname" . }}-metrics
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "servicelib.labels" . | nindent 4 }}
    app.kubernetes.io/component: metrics
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "servicelib.selectorLabels" . | nindent 4 }}
  ports:
    - {name: http, port: 8000, targetPort: http}
{{- end -}}

{{- define "servicelib.serviceMonitor" -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ include "servicelib.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "servicelib.labels" . | nindent 4 }}
    {{- with .Values.metrics.serviceMonitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "servicelib.selectorLabels" . | nindent 6 }}
      app.kubernetes.io/component: metrics
  endpoints:
    - port: http
      path: /metrics
      interval: {{ .Values.metrics.serviceMonitor.interval }}
{{- end -}}

{{/* Alerts on what every service has, and those that its values add. The operator is no service: it has its own. */}}
{{- define "servicelib.prometheusRule" -}}
{{- $name := include "servicelib.fullname" . -}}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "servicelib.labels" . | nindent 4 }}
    {{- with .Values.metrics.prometheusRule.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  groups:
    - name: {{ $name }}
      rules:
        {{- if eq .Chart.Name "operator" }}
        {{- include "operator.rules" . | nindent 8 }}
        {{- else }}
        {{- include "servicelib.rules" . | trim | nindent 8 }}
        {{- end }}
        {{- with .Values.metrics.prometheusRule.extraRules }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end -}}

{{/* The labels that a service's series bear: pods are known by the namespace and their names. */}}
{{- define "servicelib.pods" -}}
namespace={{ .Release.Namespace | quote }},pod=~"{{ include "servicelib.fullname" . }}-.*"
{{- end -}}

{{/*
What a counter has counted of late, by series: (list "name" "labels"). Of one that is first seen with a number, as
behind a start that has counted at once, nothing is known from before to compare that with: then the number itself.
*/}}
{{- define "servicelib.counted" -}}
{{- $series := printf "%s{%s}" (index . 0) (index . 1) -}}
increase({{ $series }}[15m]) > 0 or ({{ $series }} > 0 unless last_over_time({{ $series }}[1h] offset 15m))
{{- end -}}

{{/*
Every metric that a rule names is exported by servicekit.metrics. A part has the alerts whose metrics it sets: who has
a database has an outbox, and dead letters for what its consumers cannot read.
*/}}
{{- define "servicelib.rules" -}}
{{- $pods := include "servicelib.pods" . -}}
{{- $clients := printf "%s,route!~\"/healthz|/readyz|/metrics\"" $pods -}}
{{- if or (not .Values.roles.available) (has "serve" .Values.roles.available) }}
- alert: SlotwrightServerErrors
  expr: sum(rate(slotwright_http_requests_total{ {{- $clients }},status=~"5.."}[5m])) / sum(rate(slotwright_http_requests_total{ {{- $clients }}}[5m])) > 0.01
  for: 10m
  labels: {severity: critical, service: {{ .Chart.Name }}}
  annotations:
    summary: More than 1 % of {{ .Chart.Name }}'s answers are server errors.
{{- end }}
{{- if .Values.kafka.enabled }}
- alert: SlotwrightConsumerBehind
  expr: sum by (consumer) (slotwright_consumer_lag{ {{- $pods }}}) > 1000
  for: 10m
  labels: {severity: warning, service: {{ .Chart.Name }}}
  annotations:
    summary: '{{ "{{" }} $labels.consumer {{ "}}" }} is more than 1,000 events behind.'
{{- end }}
{{- if .Values.database.enabled }}
- alert: SlotwrightConsumerCutOff
  expr: max by (consumer) (slotwright_consumer_reads{ {{- $pods }}}) == 0
  for: 5m
  labels: {severity: critical, service: {{ .Chart.Name }}}
  annotations:
    summary: '{{ "{{" }} $labels.consumer {{ "}}" }} reads nothing: the brokers are away, or do not let it in.'
- alert: SlotwrightDeadLetters
  expr: sum by (consumer) ({{ include "servicelib.counted" (list "slotwright_consumer_events_total" (printf "%s,outcome=\"dead\"" $pods)) }})
  labels: {severity: warning, service: {{ .Chart.Name }}}
  annotations:
    summary: '{{ "{{" }} $labels.consumer {{ "}}" }} has put events into the dead letters.'
- alert: SlotwrightOutboxStuck
  expr: max(slotwright_outbox_oldest_seconds{ {{- $pods }}}) > 60
  for: 5m
  labels: {severity: critical, service: {{ .Chart.Name }}}
  annotations:
    summary: {{ .Chart.Name }}'s events are not relayed to Kafka.
- alert: SlotwrightOutboxUnheld
  expr: (sum(slotwright_outbox_held_ratio{ {{- $pods }}}) or vector(0)) < 1
  for: 5m
  labels: {severity: critical, service: {{ .Chart.Name }}}
  annotations:
    summary: No relay takes all of {{ .Chart.Name }}'s events to Kafka.
{{- end }}
{{- end -}}
