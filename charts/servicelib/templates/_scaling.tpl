{{- define "servicelib.serviceAccountObject" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "servicelib.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "servicelib.labels" . | nindent 4 }}
  {{- with .Values.serviceAccount.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: {{ .Values.serviceAccount.automountToken }}
{{- end -}}

{{/* (list . workload) */}}
{{- define "servicelib.hpa" -}}
{{- $root := index . 0 -}}
{{- $workload := index . 1 -}}
{{- $scale := $workload.values.autoscaling -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "servicelib.fullname" $root }}{{ $workload.suffix }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "servicelib.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $workload.role }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "servicelib.fullname" $root }}{{ $workload.suffix }}
  minReplicas: {{ $scale.minReplicas }}
  maxReplicas: {{ $scale.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ $scale.targetCPUUtilizationPercentage }}}
{{- end -}}

{{/* (list . workload) */}}
{{- define "servicelib.pdb" -}}
{{- $root := index . 0 -}}
{{- $workload := index . 1 -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "servicelib.fullname" $root }}{{ $workload.suffix }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "servicelib.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $workload.role }}
spec:
  maxUnavailable: {{ $workload.values.podDisruptionBudget.maxUnavailable }}
  # A pod that is not ready anyway may go: a node's drain must not wait for what is broken.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "servicelib.selectorLabels" $root | nindent 6 }}
      app.kubernetes.io/component: {{ $workload.role }}
{{- end -}}
