package egress

import "fmt"

// Kind says why a fetch failed.
type Kind string

// The kinds of FetchError.
const (
	// BadURL is a URL that is not fetched as it stands: its scheme, its user name, its host.
	BadURL Kind = "bad_url"
	// Blocked is a host at an address which no caller may make the gateway reach.
	Blocked Kind = "blocked"
	// Unreachable is a host that could not be resolved, connected to, or read to the end.
	Unreachable Kind = "unreachable"
	// BadRedirect is a chain of redirects that is too long.
	BadRedirect Kind = "bad_redirect"
	// BadStatus is an answer other than 200.
	BadStatus Kind = "bad_status"
	// BadType is an answer of a type that was not asked for, or an encoded one.
	BadType Kind = "bad_type"
	// TooLarge is an answer above the size bound.
	TooLarge Kind = "too_large"
)

// FetchError is the error of Fetch. Its text is safe to show to the caller who supplied the URL: it
// names no address, no resolver and no range, so that it does not describe the network behind the gateway. Unwrap
// gives the cause, for the log.
type FetchError struct {
	// Kind is the reason for programs.
	Kind Kind
	// Host is the host as the caller wrote it, when it is known.
	Host string
	// Status is the HTTP status of a BadStatus, else 0.
	Status int
	// Range names the special range of a Blocked, for the log only.
	Range string

	reason string
	err    error
}

func (e *FetchError) Error() string {
	if e.Host == "" {
		return "fetch: " + e.reason
	}
	return fmt.Sprintf("fetch %s: %s", e.Host, e.reason)
}

func (e *FetchError) Unwrap() error { return e.err }
