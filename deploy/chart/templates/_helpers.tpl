{{- define "gatepost.name" -}}
{{- .Values.name | default .Release.Name -}}
{{- end -}}

{{- define "gatepost.namespace" -}}
{{- .Values.namespace | default .Release.Namespace -}}
{{- end -}}

{{/* The labels that `gatepost render` writes. */}}
{{- define "gatepost.labels" -}}
app.kubernetes.io/name: gatepost
{{- end -}}

{{/* The policy as JSON, which has one reading only. */}}
{{- define "gatepost.policy" -}}
{{- $policy := .Values.policy -}}
{{- if kindIs "string" $policy -}}
{{- $policy = fromYaml $policy -}}
{{- with $policy.Error -}}{{- fail (printf "policy: %s" .) -}}{{- end -}}
{{- if ne (toString $policy.apiVersion) "gatepost/v1" -}}
{{- fail "policy: it has no `apiVersion: gatepost/v1`. Give it by --set-file policy=FILE" -}}
{{- end -}}
{{- end -}}
{{- include "gatepost.words" (dict "value" $policy "path" "policy" "key" "") -}}
{{- $private := dig "hosts" "private" list $policy -}}
{{- if and $private (not .Values.ports) (not .Values.targets) -}}
{{- $wrong := "the policy has private hosts, and a listener inside the cluster serves them" -}}
{{- fail (printf "ports: %s. Name the ports of the public listeners" $wrong) -}}
{{- end -}}
{{- toJson $policy -}}
{{- end -}}

{{/* Fails where YAML 1.1 has made something else of a word. A policy has words and, as `status` and
     `maxAge`, numbers. */}}
{{- define "gatepost.words" -}}
{{- $path := .path -}}
{{- if kindIs "map" .value -}}
{{- range $key, $value := .value -}}
{{- include "gatepost.words" (dict "value" $value "path" (printf "%s.%s" $path $key) "key" $key) -}}
{{- end -}}
{{- else if kindIs "slice" .value -}}
{{- range $index, $value := .value -}}
{{- $item := printf "%s[%d]" $path $index -}}
{{- include "gatepost.words" (dict "value" $value "path" $item "key" "") -}}
{{- end -}}
{{- else if has .key (list "status" "maxAge") -}}
{{- else if not (or (kindIs "string" .value) (kindIs "invalid" .value)) -}}
{{- $why := "Helm reads YAML 1.1, where no, on and 0310 are no words. Write it in quotes" -}}
{{- fail (printf "%s is %v, which is no text: %s" $path .value $why) -}}
{{- end -}}
{{- end -}}

{{/* The name of the ConfigMap changes with the module. */}}
{{- define "gatepost.configMap" -}}
{{- $module := .Files.Get "filter.wasm" -}}
{{- if not $module -}}
{{- $how := "gatepost filter --out CHART/filter.wasm" -}}
{{- fail (printf "module.configMap: the chart has no filter.wasm. Write it: %s" $how) -}}
{{- end -}}
{{- printf "%s-filter-%s" (include "gatepost.name" .) ($module | sha256sum | trunc 10) -}}
{{- end -}}

{{/* Where the module is, and what belongs to that: the fields of a plugin. */}}
{{- define "gatepost.module" -}}
{{- $module := .Values.module -}}
{{- with $module.image -}}
url: oci://{{ trimPrefix "oci://" . }}
sha256: {{ . | splitList "@sha256:" | last | quote }}
{{- end -}}
{{- with $module.pullSecret }}
imagePullSecret: {{ . | quote }}
{{- end -}}
{{- with $module.url -}}
url: {{ . | quote }}
{{- end -}}
{{- with $module.sha256 }}
sha256: {{ . | quote }}
{{- end -}}
{{- with $module.file -}}
url: {{ printf "file://%s" . | quote }}
{{- end -}}
{{- if $module.configMap -}}
url: file:///var/lib/gatepost/filter.wasm
{{- end -}}
{{- end -}}

{{/* Which gateways and which listeners, and when. */}}
{{- define "gatepost.attachment" -}}
{{- if .Values.targets -}}
targetRefs:
{{- range .Values.targets }}
- { group: gateway.networking.k8s.io, kind: Gateway, name: {{ . | quote }} }
{{- end }}
{{- else -}}
selector:
  matchLabels: {{ .Values.selector | default (dict "istio" "ingressgateway") | toJson }}
{{- end }}
phase: {{ .Values.phase }}
{{- if not (kindIs "invalid" .Values.priority) }}
priority: {{ .Values.priority }}
{{- end }}
{{- with .Values.ports }}
match:
- mode: CLIENT
  ports:
  {{- range . }}
  - number: {{ . }}
  {{- end }}
{{- end -}}
{{- end -}}
