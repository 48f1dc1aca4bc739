package auth

import (
	"os"
	"strings"
)

// The variables of the environment that principals are described by. Where no other
// source is named, they are those of Oracle's SDKs.
const (
	variableVersion        = "OCI_RESOURCE_PRINCIPAL_VERSION"
	variableRPST           = "OCI_RESOURCE_PRINCIPAL_RPST"
	variableKey            = "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM"
	variableKeyPassphrase  = "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM_PASSPHRASE" //nolint:gosec // the name of a variable
	variableResourceRegion = "OCI_RESOURCE_PRINCIPAL_REGION"
	variableRPTEndpoint    = "OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT"
	variableRPTPath        = "OCI_RESOURCE_PRINCIPAL_RPT_PATH"
	variableRPTID          = "OCI_RESOURCE_PRINCIPAL_RPT_ID"
	variableResourceID     = "OCI_RESOURCE_PRINCIPAL_RESOURCE_ID"
	variableRPSTEndpoint   = "OCI_RESOURCE_PRINCIPAL_RPST_ENDPOINT"
	variableParentRPT      = "OCI_RESOURCE_PRINCIPAL_RPT_URL_FOR_PARENT_RESOURCE"
	variableParentRPST     = "OCI_RESOURCE_PRINCIPAL_RPST_ENDPOINT_FOR_PARENT_RESOURCE"
	variableMetadata       = "OCI_METADATA_BASE_URL"
	variableAuthURL        = "OCI_SDK_AUTH_CLIENT_REGION_URL"
	variableKubernetes     = "KUBERNETES_SERVICE_HOST"
	variableAccountCA      = "OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH"
	// variableAccountToken and variableProxymuxPort are our own, for unusual mounts and for tests.
	variableAccountToken = "OCI_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH" //nolint:gosec // the name of a variable
	variableProxymuxPort = "OCI_KUBERNETES_PROXYMUX_PORT"
)

// Variables are all variables of the environment that a principal may depend on.
func Variables() []string {
	return []string{
		variableVersion, variableRPST, variableKey, variableKeyPassphrase, variableResourceRegion, variableRPTEndpoint, variableRPTPath, variableRPTID,
		variableRPSTEndpoint, variableParentRPT, variableParentRPST, variableMetadata, variableAuthURL, variableKubernetes, variableAccountCA,
		variableAccountToken, variableProxymuxPort,
		variableVersion + forLeaf, variableRPST + forLeaf, variableKey + forLeaf, variableKeyPassphrase + forLeaf, variableResourceRegion + forLeaf,
		variableRPTEndpoint + forLeaf, variableRPTPath + forLeaf, variableResourceID + forLeaf, variableRPSTEndpoint + forLeaf,
	}
}

// Surroundings are what a process can tell of where it runs without asking anybody.
type Surroundings struct {
	Getenv func(name string) string
	// ChassisTag is the file that names the maker of a machine's chassis; "" is Linux's.
	ChassisTag string
}

// chassisTag is where Linux shows the tag, which is OracleCloud.com on OCI's machines.
const chassisTag = "/sys/class/dmi/id/chassis_asset_tag"

// ResourcePrincipal tells whether the environment describes a resource principal,
// and by which variable.
func (s Surroundings) ResourcePrincipal() (variable string, ok bool) {
	version := s.Getenv(variableVersion)
	if version == "" {
		return "", false
	}
	for _, name := range []string{variableRPST, variableKey, variableRPTEndpoint, variableVersion + forLeaf} {
		if s.Getenv(name) != "" {
			return name, true
		}
	}
	return "", false
}

// WorkloadIdentity tells whether the process runs in a pod that is set up for OKE
// workload identity; if not, what is missing.
func (s Surroundings) WorkloadIdentity() (missing string, ok bool) {
	switch {
	case s.Getenv(variableVersion) == "":
		return variableVersion + " is not set", false
	case s.Getenv(variableKubernetes) == "":
		return variableKubernetes + " is not set", false
	}
	path := s.AccountToken()
	if _, err := os.Stat(path); err != nil {
		return "there is no service account token at " + path, false
	}
	return "", true
}

// AccountToken is the path of the service account's token.
func (s Surroundings) AccountToken() string {
	if path := strings.TrimSpace(s.Getenv(variableAccountToken)); path != "" {
		return path
	}
	return DefaultServiceAccountToken
}

// Instance tells whether the process runs on a machine of OCI's, and how it knows.
func (s Surroundings) Instance() (how string, ok bool) {
	if s.Getenv(variableMetadata) != "" {
		return variableMetadata + " is set", true
	}
	path := s.ChassisTag
	if path == "" {
		path = chassisTag
	}
	tag, err := os.ReadFile(path)
	if err != nil || strings.TrimSpace(string(tag)) != "OracleCloud.com" {
		return "", false
	}
	return "this machine is one of OCI's", true
}

// Region is the region that the environment gives a resource principal or a workload; "" if none.
func (s Surroundings) Region() string { return CanonicalRegion(s.Getenv(variableResourceRegion)) }
