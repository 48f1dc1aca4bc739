{{- /* The gateway's config.yaml. A mapping is written out, a text is taken as it is. */}}
{{- define "tollgate.config" -}}
{{- if not .Values.config }}
{{- .Files.Get "files/config.yaml" }}
{{- else if kindIs "string" .Values.config }}
{{- .Values.config }}
{{- else }}
{{- toYaml .Values.config }}
{{- end }}
{{- end }}

{{- /* What is laid over config.yaml; empty where there is nothing. */}}
{{- define "tollgate.overlay" -}}
{{- $overlay := deepCopy .Values.configOverlay }}
{{- if .Values.extraCA.configMapName }}
{{- $overlay = merge $overlay (dict "tollgate_settings" (dict "extra_ca_file" "/etc/tollgate/extra-ca/ca.crt")) }}
{{- end }}
{{- with $overlay }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- /* The file that the gateway is started with. Of included files the later one wins. */}}
{{- define "tollgate.configFile" -}}
{{- if include "tollgate.overlay" . }}/app/tollgate.yaml{{ else }}/app/config.yaml{{ end }}
{{- end }}
