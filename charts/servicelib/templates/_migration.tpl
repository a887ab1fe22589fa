{{/*
The Job that brings the schema to what this image needs. As a plain Job it is named by all of it that cannot be changed:
an upgrade makes a new one, and the same release the same. Pods wait for the schema in an init container, so nothing
depends on the order in which a tool applies things.

It has no deadline: pods that wait for a Secret or for the database start by themselves once it is there, and so must it.
*/}}
{{- define "servicelib.migration" -}}
{{- $v := .Values -}}
{{- $pod := include "servicelib.migrationPod" . -}}
{{- $policy := include "servicelib.migrationPolicy" . -}}
{{- $hook := eq $v.migrations.mode "hook" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "servicelib.fullname" . }}-migrate{{ if not $hook }}-{{ cat $policy $pod | sha256sum | trunc 8 }}{{ end }}
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
  podFailurePolicy:
    {{- $policy | nindent 4 }}
  template:
    {{- $pod | nindent 4 }}
{{- end -}}

{{/*
No try is one that has not reached the database, with which `migrate` ends by 75 (EX_TEMPFAIL), nor one whose node was
drained or lost: the nodes of a cluster that is upgraded go one after another, and would use up all tries.
*/}}
{{- define "servicelib.migrationPolicy" -}}
rules:
  - action: Ignore
    onExitCodes: {containerName: migrate, operator: In, values: [75]}
  - action: Ignore
    onPodConditions: [{type: DisruptionTarget}]
{{- end -}}

{{- define "servicelib.migrationPod" -}}
metadata:
  labels:
    {{- include "servicelib.labels" . | nindent 4 }}
    app.kubernetes.io/component: migrate
    slotwright.io/serves: "false"
spec:
  restartPolicy: Never
  # A hook runs before the chart's own account exists.
  {{- if ne .Values.migrations.mode "hook" }}
  serviceAccountName: {{ include "servicelib.fullname" . }}
  {{- end }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    {{- include "servicelib.podSecurity" . | nindent 4 }}
  {{- include "servicelib.placement" . | nindent 2 }}
  containers:
    - name: migrate
      {{- include "servicelib.container" . | nindent 6 }}
      args: [migrate]
      # `kubectl describe pod` shows the end of the log, which names the revision.
      terminationMessagePolicy: FallbackToLogsOnError
      env:
        {{- include "servicelib.migrationEnv" . | nindent 8 }}
      resources:
        {{- toYaml .Values.migrations.resources | nindent 8 }}
      volumeMounts:
        {{- include "servicelib.volumeMounts" . | nindent 8 }}
  volumes:
    {{- include "servicelib.volumes" . | nindent 4 }}
{{- end -}}
