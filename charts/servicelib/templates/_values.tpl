{{/*
The values that the templates see: the library's defaults, then what `global.slotwright` says for all services, then
the service's own. Called first by servicelib.service, for a chart that depends on the library.
*/}}
{{- define "servicelib.init" -}}
{{- if hasKey .Values "servicelib" -}}
{{- $shared := dig "slotwright" dict (.Values.global | default dict) -}}
{{- $own := omit .Values "servicelib" "global" -}}
{{- $merged := mustMergeOverwrite (deepCopy (omit .Values.servicelib "global")) (deepCopy $shared) (deepCopy $own) -}}
{{- $_ := set $merged "global" (.Values.global | default dict) -}}
{{- $_ := set . "Values" $merged -}}
{{- end -}}
{{- end -}}

{{/* Its longest bearer is the migration's Job, `<name>-migrate-<8 letters>`, of which Kubernetes takes 63 characters. */}}
{{- define "servicelib.fullname" -}}
{{- $name := .Values.fullnameOverride | default (include "servicelib.sibling" (list . .Chart.Name)) -}}
{{- if gt (len $name) 46 -}}
{{- fail (printf "%s: the name %s is longer than 46 characters: choose a shorter name for the release, platform or fullnameOverride" .Chart.Name $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* The name of another chart's objects in the same platform: (list . "auth"). */}}
{{- define "servicelib.sibling" -}}
{{- $root := index . 0 -}}
{{- printf "%s-%s" ($root.Values.platform | default $root.Release.Name) (index . 1) -}}
{{- end -}}

{{- define "servicelib.image" -}}
{{- $image := .Values.image -}}
{{- $name := $image.repository | default (printf "slotwright/%s" .Chart.Name) -}}
{{- $tag := $image.tag | default .Chart.AppVersion -}}
{{- if $image.registry }}{{ $image.registry }}/{{ end }}{{ $name }}:{{ $tag }}
{{- end -}}

{{- define "servicelib.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "servicelib.labels" -}}
{{ include "servicelib.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: slotwright
slotwright.io/platform: {{ .Values.platform | default .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/*
The Deployments: JSON of {items: [{suffix, role, args, serves, values}]}. `values` are the service's with those of
the role put over them.
*/}}
{{- define "servicelib.workloads" -}}
{{- $items := list -}}
{{- if and (eq .Values.roles.mode "apart") .Values.roles.available -}}
{{- range $role := .Values.roles.available -}}
{{- $values := mustMergeOverwrite (include "servicelib.workloadValues" $ | fromJson) (deepCopy (index $.Values.roles $role)) -}}
{{- $items = append $items (dict "suffix" (printf "-%s" $role) "role" $role "args" (list $role) "serves" (eq $role "serve") "values" $values) -}}
{{- end -}}
{{- else -}}
{{- $values := include "servicelib.workloadValues" . | fromJson -}}
{{- $items = append $items (dict "suffix" "" "role" "all" "args" (.Values.args | default (list "all")) "serves" true "values" $values) -}}
{{- end -}}
{{- toJson (dict "items" $items) -}}
{{- end -}}

{{/* JSON of what a role may have its own of. */}}
{{- define "servicelib.workloadValues" -}}
{{- toJson (merge (dict "poolSize" .Values.database.poolSize) (pick .Values "replicas" "resources" "autoscaling" "podDisruptionBudget")) -}}
{{- end -}}
