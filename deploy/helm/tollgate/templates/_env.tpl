{{- define "tollgate.env" -}}
{{- include "tollgate.env.oci" . }}
{{- include "tollgate.env.database" . }}
{{- if .Values.redis.useExisting }}
- name: REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.redis.secret.name }}
      key: {{ .Values.redis.secret.urlKey }}
{{- end }}
- name: LITELLM_LOG
  value: {{ .Values.log.level }}
- name: JSON_LOGS
  value: {{ .Values.log.json | quote }}
{{- range $name, $value := .Values.envVars }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- with .Values.extraEnvVars }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The principal. With oke_workload_identity there is nothing secret in it. */}}
{{- define "tollgate.env.oci" -}}
{{- $auth := .Values.oci.auth }}
{{- if ne $auth "config" }}
- name: OCI_AUTH
  value: {{ $auth }}
{{- end }}
{{- with .Values.oci.region }}
- name: OCI_REGION
  value: {{ . | quote }}
{{- end }}
{{- with .Values.oci.compartmentId }}
- name: OCI_COMPARTMENT_ID
  value: {{ . | quote }}
{{- end }}
{{- if eq $auth "api_key" }}
- name: OCI_KEY_FILE
  value: /oci-keys/key.pem
{{- else if eq $auth "oke_workload_identity" }}
- name: OCI_RESOURCE_PRINCIPAL_VERSION
  value: {{ .Values.oci.resourcePrincipalVersion | quote }}
- name: OCI_RESOURCE_PRINCIPAL_REGION
  value: {{ required "oci.region is needed with oci.auth: oke_workload_identity, such as us-chicago-1" .Values.oci.region | quote }}
{{- end }}
{{- end }}

{{- define "tollgate.env.database" -}}
{{- with .Values.db }}
{{- if .useExisting }}
{{- if .endpoint }}
- name: DATABASE_USERNAME
  valueFrom:
    secretKeyRef:
      name: {{ .secret.name }}
      key: {{ .secret.usernameKey }}
- name: DATABASE_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .secret.name }}
      key: {{ .secret.passwordKey }}
- name: DATABASE_HOST
  value: {{ .endpoint | quote }}
- name: DATABASE_PORT
  value: {{ .port | quote }}
- name: DATABASE_NAME
  value: {{ .database | quote }}
- name: DATABASE_URL
  value: {{ .url | quote }}
{{- else }}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .secret.name }}
      key: {{ .secret.urlKey }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tollgate.envFrom" -}}
envFrom:
  - secretRef:
      name: {{ include "tollgate.masterSecretName" . }}
  {{- if eq .Values.oci.auth "api_key" }}
  - secretRef:
      name: {{ .Values.oci.credentialsSecret }}
  {{- end }}
  {{- range .Values.environmentSecrets }}
  - secretRef:
      name: {{ . }}
  {{- end }}
  {{- range .Values.environmentConfigMaps }}
  - configMapRef:
      name: {{ . }}
  {{- end }}
{{- end }}
