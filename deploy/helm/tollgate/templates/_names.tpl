{{- define "tollgate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* <release>-<chart>, or the release alone where it has the chart's name in it. */}}
{{- define "tollgate.fullname" -}}
{{- $name := include "tollgate.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* What never changes of a release's labels, and so may select. */}}
{{- define "tollgate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tollgate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tollgate.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "tollgate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "tollgate.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "tollgate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "tollgate.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "tollgate.masterSecretName" -}}
{{- if .Values.masterKey.generate }}
{{- printf "%s-master" (include "tollgate.fullname" . | trunc 56 | trimSuffix "-") }}
{{- else }}
{{- .Values.masterKey.secretName }}
{{- end }}
{{- end }}

{{- /* "true" where the pod signs in with its service account. */}}
{{- define "tollgate.workloadIdentity" -}}
{{- if eq .Values.oci.auth "oke_workload_identity" }}true{{ end }}
{{- end }}

{{- /* The kind of the workload: a volume for each pod is a StatefulSet's. */}}
{{- define "tollgate.kind" -}}
{{- if eq .Values.spool.type "persistent" }}StatefulSet{{ else }}Deployment{{ end }}
{{- end }}
