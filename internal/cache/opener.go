package cache

import (
	"crypto/tls"
	"log/slog"
	"net/http"

	"tollgate/internal/setting"
)

// Spec is what a backend is opened with.
type Spec struct {
	Settings *setting.Map // cache_params
	Client   *http.Client // the gateway's one way out, without a timeout of its own
	Direct   *http.Client // past any proxy, to what stands beside the process
	TLS      *tls.Config  // the roots that the gateway trusts
	Log      *slog.Logger
	Check    bool // the settings alone are looked at: no folder is made, and the backend is not used
}

// Opener makes a backend: one of both is nil, and both may be where spec.Check is set. It does no network I/O, and makes folders
// at most. Faults go to spec.Settings; the error is nil where there are none.
type Opener func(spec Spec) (Store, Vectors, error)
