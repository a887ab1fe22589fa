{{/*
The Job that brings the schema to what this image needs. As a plain Job it is named by image and database, so that an
upgrade makes a new one, and the same release the same; pods wait for the schema in an init container, so nothing
depends on the order in which a tool applies things.
*/}}
{{- define "servicelib.migration" -}}
{{- $v := .Values -}}
{{- $what := printf "%s %s" (include "servicelib.image" .) (include "servicelib.migrationEnv" .) -}}
{{- $hook := eq $v.migrations.mode "hook" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "servicelib.fullname" . }}-migrate{{ if not $hook }}-{{ sha256sum $what | trunc 8 }}{{ end }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "servicelib.labels" . | nindent 4 }}
    app.kubernetes.io/component: migrate
  {{- if $hook }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation
  {{- end }}
spec:
  backoffLimit: {{ $v.migrations.backoffLimit }}
  activeDeadlineSeconds: {{ $v.migrations.activeDeadlineSeconds }}
  template:
    metadata:
      labels:
        {{- include "servicelib.labels" . | nindent 8 }}
        app.kubernetes.io/component: migrate
        slotwright.io/serves: "false"
    spec:
      restartPolicy: Never
      # A hook runs before the chart's own account exists.
      {{- if not $hook }}
      serviceAccountName: {{ include "servicelib.fullname" . }}
      {{- end }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext:
        {{- include "servicelib.podSecurity" . | nindent 8 }}
      {{- include "servicelib.placement" . | nindent 6 }}
      containers:
        - name: migrate
          {{- include "servicelib.container" . | nindent 10 }}
          args: [migrate]
          # `kubectl describe pod` shows the end of the log, which names the revision.
          terminationMessagePolicy: FallbackToLogsOnError
          env:
            {{- include "servicelib.migrationEnv" . | nindent 12 }}
          resources:
            {{- toYaml $v.migrations.resources | nindent 12 }}
          volumeMounts:
            {{- include "servicelib.volumeMounts" . | nindent 12 }}
      volumes:
        {{- include "servicelib.volumes" . | nindent 8 }}
{{- end -}}
