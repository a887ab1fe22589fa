{{/*
A Deployment of one pod that may lose its data, with its Service: (dict "root" . "name" … "uid" … "settings" values
"ports" list "container" YAML "volumes" YAML).
*/}}
{{- define "backing.simple" -}}
{{- $root := .root -}}
{{ include "backing.service" (list $root .name .ports) }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $root.Release.Name }}-{{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "backing.labels" (list $root .name) | nindent 4 }}
spec:
  replicas: 1
  strategy: {type: Recreate}
  selector:
    matchLabels:
      {{- include "backing.labels" (list $root .name) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "backing.labels" (list $root .name) | nindent 8 }}
      annotations:
        checksum/config: {{ .container | sha256sum | trunc 16 | quote }}
    spec:
      {{- with .account }}
      serviceAccountName: {{ . }}
      {{- end }}
      automountServiceAccountToken: {{ hasKey . "account" }}
      enableServiceLinks: false
      securityContext:
        {{- include "backing.podSecurity" .uid | nindent 8 }}
      containers:
        - name: {{ .name }}
          image: {{ .settings.image }}
          imagePullPolicy: IfNotPresent
          securityContext:
            {{- include "backing.containerSecurity" $root | nindent 12 }}
          ports:
            {{- range .ports }}
            - {name: {{ .name }}, containerPort: {{ .containerPort | default .port }}}
            {{- end }}
          resources:
            {{- toYaml .settings.resources | nindent 12 }}
          {{- .container | nindent 10 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            - {name: data, mountPath: /data}
            {{- with .mounts }}
            {{- . | nindent 12 }}
            {{- end }}
      volumes:
        - {name: tmp, emptyDir: {}}
        - {name: data, emptyDir: {}}
        {{- with .volumes }}
        {{- . | nindent 8 }}
        {{- end }}
{{- end -}}
