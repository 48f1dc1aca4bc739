package ocisim

import (
	"net"
	"path/filepath"
)

// Way is a way in which a client of Oracle's proves who it is, other than by an API key.
type Way string

// The ways. Those of a resource principal differ by the version that OCI_RESOURCE_PRINCIPAL_VERSION names.
const (
	WaySessionToken Way = "security_token"
	WayInstance     Way = "instance_principal"
	WayResource11   Way = "resource_principal_1.1"
	WayResource22   Way = "resource_principal_2.2"
	WayResource30   Way = "resource_principal_3.0"
	WayWorkload     Way = "oke_workload_identity"
)

// Ways lists every way.
func Ways() []Way {
	return []Way{WaySessionToken, WayInstance, WayResource11, WayResource22, WayResource30, WayWorkload}
}

// Environment is what points a client at the simulator, in the variables that Oracle's SDKs read, for one way of proving
// who it is. The ways that need files (session token, resource principals 2.2 and 3.0, workload identity) are there when
// the simulator was given a Dir.
func (l *Listening) Environment(way Way) map[string]string {
	o := l.identity.Options()
	env := map[string]string{"OCI_REGION": l.region, "OCI_COMPARTMENT_ID": o.Compartment, "OCI_ENDPOINT": l.URL}
	set := func(pairs map[string]string) {
		for name, value := range pairs {
			env[name] = value
		}
	}
	instance := map[string]string{
		"OCI_METADATA_BASE_URL": l.URL + "/opc/v2", "OCI_SDK_AUTH_CLIENT_REGION_URL": l.URL,
	}
	rpst, key := filepath.Join(l.Dir, "resource", "rpst"), filepath.Join(l.Dir, "resource", "private.pem")
	switch way {
	case WaySessionToken:
		set(map[string]string{"OCI_CONFIG_FILE": filepath.Join(l.Dir, "session", "config")})
	case WayInstance:
		set(instance)
	case WayResource11:
		set(instance)
		set(map[string]string{
			"OCI_RESOURCE_PRINCIPAL_VERSION":      "1.1",
			"OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT": l.URL, "OCI_RESOURCE_PRINCIPAL_RPST_ENDPOINT": l.URL,
			"OCI_RESOURCE_PRINCIPAL_RPT_ID": o.Resources[0], "OCI_RESOURCE_PRINCIPAL_RPT_PATH": resourcePath + "{id}",
		})
	case WayResource22:
		set(map[string]string{
			"OCI_RESOURCE_PRINCIPAL_VERSION": "2.2", "OCI_RESOURCE_PRINCIPAL_REGION": l.region,
			"OCI_RESOURCE_PRINCIPAL_RPST": rpst, "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM": key,
		})
	case WayResource30:
		set(map[string]string{
			"OCI_RESOURCE_PRINCIPAL_VERSION": "3.0", "OCI_RESOURCE_PRINCIPAL_VERSION_FOR_LEAF_RESOURCE": "2.2",
			"OCI_RESOURCE_PRINCIPAL_RPST_FOR_LEAF_RESOURCE":            rpst,
			"OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM_FOR_LEAF_RESOURCE":     key,
			"OCI_RESOURCE_PRINCIPAL_REGION_FOR_LEAF_RESOURCE":          l.region,
			"OCI_RESOURCE_PRINCIPAL_RPT_URL_FOR_PARENT_RESOURCE":       l.URL + resourcePath + o.parent(),
			"OCI_RESOURCE_PRINCIPAL_RPST_ENDPOINT_FOR_PARENT_RESOURCE": l.URL,
		})
	case WayWorkload:
		host, _, _ := net.SplitHostPort(l.ClusterAddress) // empty where the cluster's endpoint is off
		set(map[string]string{
			"OCI_RESOURCE_PRINCIPAL_VERSION": "2.2", "OCI_RESOURCE_PRINCIPAL_REGION": l.region,
			"KUBERNETES_SERVICE_HOST":                  host,
			"OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH": filepath.Join(l.Dir, "serviceaccount", "ca.crt"),
		})
	}
	return env
}

// parent is the OCID above the leaf of the chain of resources, empty where there is none.
func (o IdentityOptions) parent() string {
	if len(o.Resources) < 2 {
		return ""
	}
	return o.Resources[1]
}
