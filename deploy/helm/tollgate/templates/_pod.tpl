{{- define "tollgate.pod" -}}
metadata:
  annotations:
    # A changed configuration rolls the pods.
    checksum/config: {{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  labels:
    {{- include "tollgate.selectorLabels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  serviceAccountName: {{ include "tollgate.serviceAccountName" . }}
  automountServiceAccountToken: {{ eq (include "tollgate.workloadIdentity" .) "true" }}
  # A Service by the name of redis would set REDIS_PORT=tcp://..., which the gateway reads.
  enableServiceLinks: false
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  terminationGracePeriodSeconds: {{ add .Values.drain.preStopSeconds .Values.drain.shutdownSeconds 20 }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.extraInitContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    {{- include "tollgate.container" . | nindent 4 }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "tollgate.volumes" . | nindent 4 }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- with .Values.topologySpreadConstraints }}
    {{- toYaml . | nindent 4 }}
    {{- else }}
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "tollgate.selectorLabels" $ | nindent 10 }}
    {{- end }}
    {{- end }}
{{- end }}

{{- define "tollgate.container" -}}
- name: tollgate
  image: {{ include "tollgate.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    - --config={{ include "tollgate.configFile" . }}
    - --host=0.0.0.0
    - --port=4000
    - --data-dir=/var/lib/tollgate
    - --shutdown-timeout={{ .Values.drain.shutdownSeconds }}s
    {{- with .Values.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  env:
    {{- include "tollgate.env" . | trim | nindent 4 }}
  {{- include "tollgate.envFrom" . | nindent 2 }}
  ports:
    - name: http
      containerPort: 4000
      protocol: TCP
  {{- range $probe := list "startupProbe" "livenessProbe" "readinessProbe" }}
  {{- with index $.Values $probe }}
  {{ $probe }}:
    httpGet:
      path: {{ .path }}
      port: http
    periodSeconds: {{ .periodSeconds }}
    timeoutSeconds: {{ .timeoutSeconds }}
    failureThreshold: {{ .failureThreshold }}
  {{- end }}
  {{- end }}
  {{- if gt (int .Values.drain.preStopSeconds) 0 }}
  lifecycle:
    # The gateway stops listening when it is told to stop, and balancers hear of it a little later. The image has no shell.
    preStop:
      sleep:
        seconds: {{ .Values.drain.preStopSeconds }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  volumeMounts:
    - name: config
      mountPath: /app
      readOnly: true
    - name: data
      mountPath: /var/lib/tollgate
    {{- if eq .Values.oci.auth "api_key" }}
    - name: oci-key
      mountPath: /oci-keys
      readOnly: true
    {{- end }}
    {{- if .Values.extraCA.configMapName }}
    - name: extra-ca
      mountPath: /etc/tollgate/extra-ca
      readOnly: true
    {{- end }}
    {{- with .Values.volumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "tollgate.volumes" -}}
- name: config
  projected:
    sources:
      - configMap:
          {{- if .Values.existingConfigMap.name }}
          name: {{ .Values.existingConfigMap.name }}
          items:
            - key: {{ .Values.existingConfigMap.key }}
              path: config.yaml
          {{- else }}
          name: {{ include "tollgate.fullname" . }}
          items:
            - key: config.yaml
              path: config.yaml
          {{- end }}
      {{- if include "tollgate.overlay" . }}
      - configMap:
          name: {{ include "tollgate.fullname" . }}
          items:
            - key: tollgate.yaml
              path: tollgate.yaml
            - key: overlay.yaml
              path: overlay.yaml
      {{- end }}
{{- if eq (include "tollgate.kind" .) "Deployment" }}
- name: data
  emptyDir:
    sizeLimit: {{ .Values.spool.size }}
{{- end }}
{{- if eq .Values.oci.auth "api_key" }}
- name: oci-key
  secret:
    secretName: {{ .Values.oci.key.secretName }}
    # With podSecurityContext.fsGroup the kubelet makes this 0440 for that group.
    defaultMode: 0400
    items:
      - key: {{ .Values.oci.key.secretKey }}
        path: key.pem
{{- end }}
{{- if .Values.extraCA.configMapName }}
- name: extra-ca
  configMap:
    name: {{ .Values.extraCA.configMapName }}
    items:
      - key: {{ .Values.extraCA.key }}
        path: ca.crt
{{- end }}
{{- with .Values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
