{{- define "servicelib.serviceObject" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "servicelib.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "servicelib.labels" . | nindent 4 }}
  {{- with .Values.service.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .Values.service.type }}
  {{- if ne .Values.service.type "ClusterIP" }}
  externalTrafficPolicy: {{ .Values.service.externalTrafficPolicy }}
  {{- end }}
  selector:
    {{- include "servicelib.selectorLabels" . | nindent 4 }}
    slotwright.io/serves: "true"
  ports:
    - name: http
      port: 8000
      targetPort: http
      {{- if and (eq .Values.service.type "NodePort") .Values.service.nodePort }}
      nodePort: {{ .Values.service.nodePort }}
      {{- end }}
{{- end -}}

{{/*
Who may call the service and what it may call. Anything that is not said here is closed, so a pod that was taken over
reaches its own database, the brokers and the services it is meant to call.
*/}}
{{- define "servicelib.networkPolicy" -}}
{{- $v := .Values -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "servicelib.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "servicelib.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "servicelib.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - ports: [{port: http, protocol: TCP}]
      {{- if not $v.networkPolicy.open }}
      from:
        {{- range $v.networkPolicy.clients }}
        - podSelector:
            matchLabels:
              app.kubernetes.io/name: {{ . }}
              slotwright.io/platform: {{ $.Values.platform | default $.Release.Name }}
        {{- end }}
        # `helm test` asks whether the service is ready.
        - podSelector:
            matchLabels:
              slotwright.io/platform: {{ $.Values.platform | default $.Release.Name }}
              app.kubernetes.io/component: test
        {{- with $v.networkPolicy.metricsNamespace }}
        - namespaceSelector:
            matchLabels: {{- toYaml . | nindent 14 }}
        {{- end }}
      {{- end }}
  egress:
    - ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    {{- range $v.networkPolicy.calls }}
    - ports: [{port: http, protocol: TCP}]
      to:
        - podSelector:
            matchLabels:
              app.kubernetes.io/name: {{ . }}
              slotwright.io/platform: {{ $.Values.platform | default $.Release.Name }}
    {{- end }}
    {{- range include "servicelib.egress" . | fromJsonArray }}
    - ports:
        {{- range .ports }}
        - {port: {{ . }}, protocol: TCP}
        {{- end }}
      {{- with .to }}
      to: {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
{{- end -}}

{{/*
JSON array of what the service needs outside the release, {ports, to}: first the ports that it may reach anywhere, then
those for which networkPolicy.peers says where.
*/}}
{{- define "servicelib.egress" -}}
{{- $v := .Values -}}
{{- $ports := dict "database" list "kafka" list "smtp" list "traces" list "others" $v.networkPolicy.egressPorts -}}
{{- if $v.database.enabled }}{{ $_ := set $ports "database" (list $v.database.port) }}{{ end -}}
{{- if $v.kafka.enabled -}}
{{- range splitList "," $v.kafka.bootstrap -}}
{{- $_ := set $ports "kafka" (append $ports.kafka (splitList ":" . | last)) -}}
{{- end -}}
{{- end -}}
{{- if $v.smtp.enabled }}{{ $_ := set $ports "smtp" (list $v.smtp.port) }}{{ end -}}
{{- with $v.otlpEndpoint -}}
{{- $host := (urlParse .).host -}}
{{- $_ := set $ports "traces" (list (ternary (splitList ":" $host | last) (ternary 443 80 (hasPrefix "https:" .)) (contains ":" $host))) -}}
{{- end -}}
{{- $anywhere := list -}}
{{- $rules := list -}}
{{- range $what := list "database" "kafka" "smtp" "traces" "others" -}}
{{- $needed := list -}}
{{- range index $ports $what }}{{ $needed = append $needed (int .) }}{{ end -}}
{{- $peers := index $v.networkPolicy.peers $what -}}
{{- if and $needed $peers -}}
{{- $rules = append $rules (dict "ports" (uniq $needed) "to" $peers) -}}
{{- else -}}
{{- $anywhere = concat $anywhere $needed -}}
{{- end -}}
{{- end -}}
{{- if $anywhere }}{{ $rules = prepend $rules (dict "ports" (uniq $anywhere)) }}{{ end -}}
{{- toJson $rules -}}
{{- end -}}

{{- define "servicelib.httpRoute" -}}
{{- if not .Values.route.parentRefs }}{{ fail (printf "%s: route.parentRefs must name a Gateway" .Chart.Name) }}{{ end -}}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {{ include "servicelib.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "servicelib.labels" . | nindent 4 }}
  {{- with .Values.route.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  parentRefs: {{- toYaml .Values.route.parentRefs | nindent 4 }}
  {{- with .Values.route.hostnames }}
  hostnames: {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    - backendRefs:
        - name: {{ include "servicelib.fullname" . }}
          port: 8000
{{- end -}}

{{- define "servicelib.ingressObject" -}}
{{- if not .Values.ingress.hosts }}{{ fail (printf "%s: ingress.hosts must name a host" .Chart.Name) }}{{ end -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ include "servicelib.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "servicelib.labels" . | nindent 4 }}
  {{- with .Values.ingress.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .Values.ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- if .Values.ingress.tlsSecret }}
  tls:
    - secretName: {{ .Values.ingress.tlsSecret }}
      hosts: {{- toYaml .Values.ingress.hosts | nindent 8 }}
  {{- end }}
  rules:
    {{- range .Values.ingress.hosts }}
    - host: {{ . | quote }}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: {{ include "servicelib.fullname" $ }}
                port: {name: http}
    {{- end }}
{{- end -}}
