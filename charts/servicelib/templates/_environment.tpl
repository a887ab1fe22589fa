{{/*
(list . workload): how its processes are told their settings; docs of each variable stand in the service's settings.py.
Secrets are referred to, never copied.
*/}}
{{- define "servicelib.env" -}}
{{- $workload := index . 1 -}}
{{- with index . 0 -}}
{{- $root := . -}}
{{- $v := .Values -}}
- {name: SLOTWRIGHT_HOST, value: 0.0.0.0}
- {name: SLOTWRIGHT_PORT, value: "8000"}
- {name: SLOTWRIGHT_LOG_LEVEL, value: {{ $v.logLevel | quote }}}
- {name: SLOTWRIGHT_DRAIN_SECONDS, value: {{ $v.drainSeconds | quote }}}
- {name: SLOTWRIGHT_PUBLIC_URL, value: {{ required (printf "%s: publicUrl, or global.slotwright.publicUrl, must be set" .Chart.Name) $v.publicUrl | quote }}}
- {name: SLOTWRIGHT_JWKS_URL, value: {{ $v.jwksUrl | default (printf "http://%s:8000/.well-known/jwks.json" (include "servicelib.sibling" (list . "auth"))) | quote }}}
{{- with $v.otlpEndpoint }}
- {name: SLOTWRIGHT_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- if $v.database.enabled }}
{{ include "servicelib.databaseEnv" . }}
- {name: SLOTWRIGHT_DATABASE_POOL_SIZE, value: {{ $workload.values.poolSize | quote }}}
{{- end }}
{{- if $v.kafka.enabled }}
- {name: SLOTWRIGHT_KAFKA_BOOTSTRAP, value: {{ required (printf "%s: kafka.bootstrap, or global.slotwright.kafka.bootstrap, must be set" .Chart.Name) $v.kafka.bootstrap | quote }}}
- {name: SLOTWRIGHT_KAFKA_SECURITY_PROTOCOL, value: {{ $v.kafka.securityProtocol | quote }}}
{{- if contains "SASL" $v.kafka.securityProtocol }}
- {name: SLOTWRIGHT_KAFKA_SASL_MECHANISM, value: {{ $v.kafka.saslMechanism | quote }}}
- {name: SLOTWRIGHT_KAFKA_USERNAME, value: {{ .Chart.Name | quote }}}
- name: SLOTWRIGHT_KAFKA_PASSWORD
  {{- include "servicelib.secretKey" (list ($v.kafka.existingSecret.name | default (printf "slotwright-%s-kafka" .Chart.Name)) $v.kafka.existingSecret.key) | nindent 2 }}
{{- end }}
{{- if $v.kafka.caSecret.name }}
- {name: SLOTWRIGHT_KAFKA_CA_LOCATION, value: /etc/slotwright/kafka-ca/ca.crt}
{{- end }}
{{- end }}
{{- if $v.smtp.enabled }}
- {name: SLOTWRIGHT_SMTP_HOST, value: {{ required (printf "%s: smtp.host, or global.slotwright.smtp.host, must be set" .Chart.Name) $v.smtp.host | quote }}}
- {name: SLOTWRIGHT_SMTP_PORT, value: {{ $v.smtp.port | quote }}}
{{- with $v.smtp.from }}
- {name: SLOTWRIGHT_MAIL_FROM, value: {{ . | quote }}}
{{- end }}
{{- if not (kindIs "invalid" $v.smtp.startTls) }}
- {name: SLOTWRIGHT_SMTP_STARTTLS, value: {{ $v.smtp.startTls | quote }}}
{{- end }}
{{- if $v.smtp.existingSecret.name }}
- {name: SLOTWRIGHT_SMTP_USERNAME, value: {{ $v.smtp.username | quote }}}
- name: SLOTWRIGHT_SMTP_PASSWORD
  {{- include "servicelib.secretKey" (list $v.smtp.existingSecret.name $v.smtp.existingSecret.key) | nindent 2 }}
{{- end }}
{{- end }}
{{- range $name, $value := $v.env }}
{{- /* Numbers as JSON has them: Helm reads them as floats, whose text has an exponent from a million on. */}}
- {name: {{ $name }}, value: {{ tpl (kindIs "string" $value | ternary $value (toJson $value)) $root | quote }}}
{{- end }}
{{- range $name, $secret := $v.secrets }}
{{- if $secret }}
- name: {{ $secret.env }}
  {{- include "servicelib.secretKey" (list $secret.existingSecret $secret.key ($secret.optional | default false)) | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The same, unless a variable stands there twice: Kubernetes would take the last, Helm 3 lose it in an upgrade. */}}
{{- define "servicelib.envOnce" -}}
{{- $env := include "servicelib.env" . }}
{{- $seen := dict }}
{{- range fromYamlArray $env }}
{{- if hasKey $seen .name }}
{{- fail (printf "%s: env.%s: another value of this chart sets this variable already; its README says which" (index $ 0).Chart.Name .name) }}
{{- end }}
{{- $_ := set $seen .name true }}
{{- end }}
{{- $env }}
{{- end -}}

{{/* How the service itself reaches its database; all that `migrate --wait` needs. */}}
{{- define "servicelib.databaseEnv" -}}
{{- $d := .Values.database -}}
- {name: SLOTWRIGHT_DATABASE_URL, value: {{ include "servicelib.databaseUrl" (list . (printf "%s_app" .Chart.Name)) | quote }}}
- name: SLOTWRIGHT_DATABASE_PASSWORD
  {{- include "servicelib.secretKey" (list (include "servicelib.databaseSecret" (list . $d.existingSecret)) $d.existingSecret.key) | nindent 2 }}
{{- end -}}

{{/* (list name key [optional]) */}}
{{- define "servicelib.secretKey" -}}
valueFrom:
  secretKeyRef:
    name: {{ index . 0 }}
    key: {{ index . 1 }}
    {{- if and (gt (len .) 2) (index . 2) }}
    optional: true
    {{- end }}
{{- end -}}

{{- define "servicelib.databaseOwner" -}}
{{- .Values.database.ownerUser | default (printf "%s_owner" .Chart.Name) -}}
{{- end -}}

{{/* (list . reference): the Secret's name, or the one that stands for it. */}}
{{- define "servicelib.databaseSecret" -}}
{{- $root := index . 0 -}}
{{- (index . 1).name | default (printf "slotwright-%s-database" $root.Chart.Name) -}}
{{- end -}}

{{/* (list . user): a URL without a password. */}}
{{- define "servicelib.databaseUrl" -}}
{{- $root := index . 0 -}}
{{- $d := $root.Values.database -}}
{{- $host := required (printf "%s: database.host, or global.slotwright.database.host, must be set" $root.Chart.Name) $d.host -}}
{{- printf "postgresql://%s@%s:%v/%s?sslmode=%s" (index . 1) $host $d.port ($d.name | default $root.Chart.Name) $d.sslMode -}}
{{- if $d.caSecret.name -}}&sslrootcert=/etc/slotwright/database-ca/ca.crt
{{- else if eq "verify-ca" $d.sslMode -}}
{{- fail (printf "%s: database.caSecret.name must be set for sslMode verify-ca: a public authority vouches for any server (verify-full)" $root.Chart.Name) }}
{{- else if eq "verify-full" $d.sslMode -}}&sslrootcert=system
{{- end -}}
{{- end -}}

{{/* The environment of `migrate`: the database's owner and nothing else. */}}
{{- define "servicelib.migrationEnv" -}}
{{- $v := .Values -}}
- {name: SLOTWRIGHT_LOG_LEVEL, value: {{ $v.logLevel | quote }}}
- {name: SLOTWRIGHT_MIGRATION_DATABASE_URL, value: {{ include "servicelib.databaseUrl" (list . (include "servicelib.databaseOwner" .)) | quote }}}
- name: SLOTWRIGHT_MIGRATION_DATABASE_PASSWORD
  {{- include "servicelib.secretKey" (list (include "servicelib.databaseSecret" (list . $v.database.ownerSecret)) $v.database.ownerSecret.key) | nindent 2 }}
{{- end -}}

{{- define "servicelib.volumeMounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if and .Values.database.enabled .Values.database.caSecret.name }}
- {name: database-ca, mountPath: /etc/slotwright/database-ca, readOnly: true}
{{- end }}
{{- if and .Values.kafka.enabled .Values.kafka.caSecret.name }}
- {name: kafka-ca, mountPath: /etc/slotwright/kafka-ca, readOnly: true}
{{- end }}
{{- if .Values.development.reload }}
- {name: code, mountPath: /code}
{{- end }}
{{- end -}}

{{- define "servicelib.volumes" -}}
- name: tmp
  emptyDir: {}
{{- if and .Values.database.enabled .Values.database.caSecret.name }}
- name: database-ca
  secret:
    secretName: {{ .Values.database.caSecret.name }}
    items: [{key: {{ .Values.database.caSecret.key }}, path: ca.crt}]
{{- end }}
{{- if and .Values.kafka.enabled .Values.kafka.caSecret.name }}
- name: kafka-ca
  secret:
    secretName: {{ .Values.kafka.caSecret.name }}
    items: [{key: {{ .Values.kafka.caSecret.key }}, path: ca.crt}]
{{- end }}
{{- if .Values.development.reload }}
- name: code
  emptyDir: {}
{{- end }}
{{- end -}}
