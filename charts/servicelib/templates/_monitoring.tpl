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

{{/* Alerts on what every service has, and those that its values add. */}}
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
        {{- include "servicelib.rules" . | nindent 8 }}
        {{- with .Values.metrics.prometheusRule.extraRules }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end -}}

{{/* Every metric that a rule names is exported by servicekit.metrics; pods are known by the namespace and their names. */}}
{{- define "servicelib.rules" -}}
{{- $name := include "servicelib.fullname" . -}}
{{- $pods := printf "namespace=%q,pod=~\"%s-.*\"" .Release.Namespace $name -}}
- alert: SlotwrightServerErrors
  expr: sum(rate(slotwright_http_requests_total{ {{- $pods }},status=~"5.."}[5m])) / sum(rate(slotwright_http_requests_total{ {{- $pods }}}[5m])) > 0.01
  for: 10m
  labels: {severity: critical, service: {{ .Chart.Name }}}
  annotations:
    summary: More than 1 % of {{ .Chart.Name }}'s answers are server errors.
{{- if .Values.kafka.enabled }}
- alert: SlotwrightConsumerBehind
  expr: sum by (consumer) (slotwright_consumer_lag{ {{- $pods }}}) > 1000
  for: 10m
  labels: {severity: warning, service: {{ .Chart.Name }}}
  annotations:
    summary: '{{ "{{" }} $labels.consumer {{ "}}" }} is more than 1,000 events behind.'
- alert: SlotwrightDeadLetters
  expr: sum by (consumer) (increase(slotwright_consumer_events_total{ {{- $pods }},outcome="dead"}[15m])) > 0
  labels: {severity: warning, service: {{ .Chart.Name }}}
  annotations:
    summary: '{{ "{{" }} $labels.consumer {{ "}}" }} has put events into the dead letters.'
{{- end }}
{{- if .Values.database.enabled }}
- alert: SlotwrightOutboxStuck
  expr: max(slotwright_outbox_oldest_seconds{ {{- $pods }}}) > 60
  for: 5m
  labels: {severity: critical, service: {{ .Chart.Name }}}
  annotations:
    summary: {{ .Chart.Name }}'s events are not relayed to Kafka.
{{- end }}
{{- end -}}
