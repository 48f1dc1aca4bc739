package identity

import "errors"

// Kind is what sort of principal calls, as a policy names it in request.principal.type, or nearly so: "user" and
// "session" are both users to a policy of OCI's, and are kept apart here because they prove themselves differently.
type Kind string

// The kinds of principals.
const (
	User     Kind = "user"     // an API key
	Session  Kind = "session"  // a session token of `oci session authenticate`
	Instance Kind = "instance" // a machine, by its certificate
	Resource Kind = "resource" // a function, a job, a container instance ...
	Workload Kind = "workload" // a pod of an enhanced cluster
	APIKey   Kind = "generativeaiapikey"
)

// valid reports whether the kind is one of the above.
func (k Kind) valid() bool {
	switch k {
	case User, Session, Instance, Resource, Workload, APIKey:
		return true
	}
	return false
}

// Principal is who calls. What does not apply to its kind is empty.
type Principal struct {
	Kind           Kind
	ID             string // OCID of the user, instance or resource; the cluster's for a workload
	Tenancy        string
	Compartment    string
	Namespace      string
	ServiceAccount string
}

// Policy lets a principal call. What is empty does not matter; a policy with nothing in it lets everybody call.
type Policy struct {
	// Kind is user, session, instance, resource, workload or generativeaiapikey.
	Kind Kind `json:"kind,omitempty"`
	// ID is the OCID of the user, of the instance or of the resource.
	ID          string `json:"id,omitempty"`
	Tenancy     string `json:"tenancy,omitempty"`
	Compartment string `json:"compartment,omitempty"`
	// Namespace, ServiceAccount and Cluster (an OCID) bound a workload.
	Namespace      string `json:"namespace,omitempty"`
	ServiceAccount string `json:"service_account,omitempty"`
	Cluster        string `json:"cluster,omitempty"`
}

// Check refuses a policy that can never let anybody call.
func (p Policy) Check() error {
	if p.Kind != "" && !p.Kind.valid() {
		return errors.New("policy: there is no kind " + string(p.Kind))
	}
	if (p.Namespace != "" || p.ServiceAccount != "" || p.Cluster != "") && p.Kind != Workload {
		return errors.New("policy: namespace, service_account and cluster are those of the kind workload")
	}
	if p.ID != "" && p.Kind == Workload {
		return errors.New("policy: a workload is named by cluster, namespace and service_account, not by id")
	}
	return nil
}

// Allows reports whether the policy speaks of the principal.
func (p Policy) Allows(who Principal) bool {
	match := func(want, is string) bool { return want == "" || want == is }
	return match(string(p.Kind), string(who.Kind)) && match(p.ID, who.ID) && match(p.Tenancy, who.Tenancy) &&
		match(p.Compartment, who.Compartment) && match(p.Namespace, who.Namespace) &&
		match(p.ServiceAccount, who.ServiceAccount) && match(p.Cluster, who.ID)
}
