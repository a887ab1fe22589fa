{{/*
Everything a service is deployed as, from its values. A service's chart is this one include:

    {{ include "servicelib.service" . }}
*/}}
{{- define "servicelib.service" -}}
{{- include "servicelib.init" . -}}
{{- $workloads := (include "servicelib.workloads" . | fromJson).items }}
{{- $serves := false }}
{{- range $workloads }}{{ if .serves }}{{ $serves = true }}{{ end }}{{ end }}
---
{{ include "servicelib.serviceAccountObject" . }}
{{- /* With its roles apart, a service that has none which serves answers nobody. */}}
{{- if $serves }}
---
{{ include "servicelib.serviceObject" . }}
{{- end }}
{{- if and .Values.database.enabled (ne .Values.migrations.mode "disabled") }}
---
{{ include "servicelib.migration" . }}
{{- end }}
{{- range $workload := $workloads }}
---
{{ include "servicelib.deployment" (list $ $workload) }}
{{- if $workload.values.autoscaling.enabled }}
---
{{ include "servicelib.hpa" (list $ $workload) }}
{{- end }}
{{- if and $workload.values.podDisruptionBudget.enabled (or $workload.values.autoscaling.enabled (gt (int $workload.values.replicas) 1)) }}
---
{{ include "servicelib.pdb" (list $ $workload) }}
{{- end }}
{{- end }}
{{- if .Values.networkPolicy.enabled }}
---
{{ include "servicelib.networkPolicy" . }}
{{- end }}
{{- if .Values.route.enabled }}
---
{{ include "servicelib.httpRoute" . }}
{{- end }}
{{- if .Values.ingress.enabled }}
---
{{ include "servicelib.ingressObject" . }}
{{- end }}
{{- if .Values.metrics.serviceMonitor.enabled }}
---
{{ include "servicelib.metricsService" . }}
---
{{ include "servicelib.serviceMonitor" . }}
{{- end }}
{{- if .Values.metrics.prometheusRule.enabled }}
---
{{ include "servicelib.prometheusRule" . }}
{{- end }}
{{- if $serves }}
---
{{ include "servicelib.test" . }}
{{- end }}
{{- end -}}

{{/* `helm test`: whether the service answers that it is ready, asked through its Service. */}}
{{- define "servicelib.test" -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "servicelib.fullname" . }}-test
  namespace: {{ .Release.Namespace }}
  # Not the service's own labels: its Service, budget and policy are about its pods alone.
  labels:
    app.kubernetes.io/name: {{ .Chart.Name }}-test
    app.kubernetes.io/instance: {{ .Release.Name }}
    app.kubernetes.io/component: test
    app.kubernetes.io/part-of: slotwright
    slotwright.io/platform: {{ .Values.platform | default .Release.Name }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    {{- include "servicelib.podSecurity" . | nindent 4 }}
  {{- include "servicelib.placement" . | nindent 2 }}
  containers:
    - name: ready
      {{- include "servicelib.container" . | nindent 6 }}
      command:
        - python
        - -c
        - |
          import sys, time, urllib.error, urllib.request
          url = "http://{{ include "servicelib.fullname" . }}:8000/readyz"
          # A node hears of a pod's being ready a moment after `helm install --wait` does.
          for left in reversed(range(30)):
              try:
                  print(url, urllib.request.urlopen(url, timeout=10).status)
                  break
              except urllib.error.HTTPError as error:
                  sys.exit(f"{url} {error.code} {error.read().decode()}")
              except OSError as error:
                  if not left:
                      sys.exit(f"{url} {error}")
                  time.sleep(1)
      resources:
        requests: {cpu: 10m, memory: 32Mi}
        limits: {memory: 64Mi}
{{- end -}}

{{/* NOTES.txt of a service. */}}
{{- define "servicelib.notes" -}}
{{- include "servicelib.init" . -}}
{{- $name := include "servicelib.fullname" . -}}
{{ .Chart.Name }} {{ .Chart.AppVersion }} is installed as {{ $name }} in {{ .Release.Namespace }}.

    kubectl --namespace {{ .Release.Namespace }} rollout status deployment --selector app.kubernetes.io/name={{ .Chart.Name }},app.kubernetes.io/instance={{ .Release.Name }}
    helm --namespace {{ .Release.Namespace }} test {{ .Release.Name }}
{{- if and .Values.database.enabled (ne .Values.migrations.mode "disabled") }}

Its pods wait until the schema is there. If they wait for long:

    kubectl --namespace {{ .Release.Namespace }} logs --selector app.kubernetes.io/name={{ .Chart.Name }},app.kubernetes.io/component=migrate
{{- end }}
{{- if eq .Values.migrations.mode "disabled" }}{{ if .Values.database.enabled }}

Migrations are yours to run, as the database's owner: `migrate` in the image {{ include "servicelib.image" . }}.
{{- end }}{{ end }}
{{- end -}}
