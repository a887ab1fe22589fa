{{- define "backing.labels" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end -}}

{{/* (list . name uid) */}}
{{- define "backing.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "backing.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* (list . name ports): a Service; ports are of {name, port, nodePort}. */}}
{{- define "backing.service" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $node := false -}}
{{- range index . 2 }}{{ if .nodePort }}{{ $node = true }}{{ end }}{{ end -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ $root.Release.Name }}-{{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "backing.labels" (list $root $name) | nindent 4 }}
spec:
  type: {{ ternary "NodePort" "ClusterIP" $node }}
  selector:
    {{- include "backing.labels" (list $root $name) | nindent 4 }}
  ports:
    {{- range index . 2 }}
    - name: {{ .name }}
      port: {{ .port }}
      targetPort: {{ .name }}
      {{- if .nodePort }}
      nodePort: {{ .nodePort }}
      {{- end }}
    {{- end }}
{{- end -}}
