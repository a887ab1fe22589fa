{{/* What Pod Security `restricted` asks for, of a pod and of a container. */}}
{{- define "servicelib.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "servicelib.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "servicelib.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* (list . workload): one Deployment. */}}
{{- define "servicelib.deployment" -}}
{{- $root := index . 0 -}}
{{- $workload := index . 1 -}}
{{- $v := $root.Values -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "servicelib.fullname" $root }}{{ $workload.suffix }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "servicelib.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $workload.role }}
spec:
  {{- if not $workload.values.autoscaling.enabled }}
  replicas: {{ $workload.values.replicas }}
  {{- end }}
  progressDeadlineSeconds: {{ $v.progressDeadlineSeconds }}
  revisionHistoryLimit: 5
  strategy:
    type: {{ $v.strategy }}
    {{- if eq $v.strategy "RollingUpdate" }}
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
    {{- end }}
  selector:
    matchLabels:
      {{- include "servicelib.selectorLabels" $root | nindent 6 }}
      app.kubernetes.io/component: {{ $workload.role }}
  template:
    metadata:
      labels:
        {{- include "servicelib.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ $workload.role }}
        slotwright.io/serves: {{ $workload.serves | quote }}
        {{- with $v.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        kubectl.kubernetes.io/default-container: {{ $root.Chart.Name }}
        {{- if $v.metrics.annotations }}
        prometheus.io/scrape: "true"
        prometheus.io/port: "8000"
        prometheus.io/path: /metrics
        {{- end }}
        {{- with $v.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "servicelib.fullname" $root }}
      automountServiceAccountToken: {{ $v.serviceAccount.automountToken }}
      # Its variables for each Service in the namespace are of no use to anybody here.
      enableServiceLinks: false
      {{- $ending := add (mul 4 $v.drainSeconds) 30 }}
      {{- if lt (int $v.terminationGracePeriodSeconds) (int $ending) }}
      {{- fail (printf "%s: terminationGracePeriodSeconds must be %d or more: four times drainSeconds, and the 30 seconds that ending takes at most" $root.Chart.Name $ending) }}
      {{- end }}
      terminationGracePeriodSeconds: {{ $v.terminationGracePeriodSeconds }}
      securityContext:
        {{- include "servicelib.podSecurity" $root | nindent 8 }}
      {{- include "servicelib.placement" $root | nindent 6 }}
      {{- if $v.topologySpread.enabled }}
      topologySpreadConstraints:
        {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
        - topologyKey: {{ . }}
          maxSkew: 1
          whenUnsatisfiable: {{ $v.topologySpread.whenUnsatisfiable }}
          labelSelector:
            matchLabels:
              {{- include "servicelib.selectorLabels" $root | nindent 14 }}
              app.kubernetes.io/component: {{ $workload.role }}
          matchLabelKeys: [pod-template-hash]
        {{- end }}
      {{- end }}
      {{- if or $v.database.enabled $v.development.reload }}
      initContainers:
        {{- if $v.development.reload }}
        - name: copy-code
          {{- include "servicelib.container" $root | nindent 10 }}
          command: [python, -m, servicekit.reload, --copy, /code]
          volumeMounts:
            {{- include "servicelib.volumeMounts" $root | nindent 12 }}
        {{- end }}
        {{- if $v.database.enabled }}
        - name: wait-for-schema
          {{- include "servicelib.container" $root | nindent 10 }}
          args: [migrate, --wait]
          terminationMessagePolicy: FallbackToLogsOnError
          env:
            {{- include "servicelib.databaseEnv" $root | nindent 12 }}
          volumeMounts:
            {{- include "servicelib.volumeMounts" $root | nindent 12 }}
          resources:
            {{- toYaml $v.migrations.resources | nindent 12 }}
        {{- end }}
      {{- end }}
      containers:
        - name: {{ $root.Chart.Name }}
          {{- include "servicelib.container" $root | nindent 10 }}
          {{- if $v.development.reload }}
          command: [python, -m, servicekit.reload, --from, /code, --, {{ eq $root.Chart.Name "operator" | ternary "tenant_operator" $root.Chart.Name }}]
          {{- end }}
          args: {{ toJson $workload.args }}
          ports:
            - {name: http, containerPort: 8000}
          env:
            {{- include "servicelib.envOnce" . | nindent 12 }}
          terminationMessagePolicy: FallbackToLogsOnError
          startupProbe:
            httpGet: {path: /healthz, port: http}
            periodSeconds: 1
            failureThreshold: {{ $v.probes.startupSeconds }}
          livenessProbe:
            httpGet: {path: /healthz, port: http}
            periodSeconds: {{ $v.probes.livenessPeriodSeconds }}
            timeoutSeconds: 5
            failureThreshold: 3
          readinessProbe:
            httpGet: {path: /readyz, port: http}
            periodSeconds: {{ $v.probes.readinessPeriodSeconds }}
            timeoutSeconds: 6
            failureThreshold: 2
          resources:
            {{- toYaml $workload.values.resources | nindent 12 }}
          volumeMounts:
            {{- include "servicelib.volumeMounts" $root | nindent 12 }}
      volumes:
        {{- include "servicelib.volumes" $root | nindent 8 }}
{{- end -}}

{{/* What every container of ours has in common. */}}
{{- define "servicelib.container" -}}
image: {{ include "servicelib.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "servicelib.containerSecurity" . | nindent 2 }}
{{- end -}}
