// Package auth proves to Oracle Cloud Infrastructure who is calling: it signs
// requests (version 1 of OCI's profile of draft-cavage-http-signatures-08) and
// holds the credentials that sign them.
//
// The two halves meet in Snapshot. A Principal hands out snapshots, SignRequest
// uses one; neither knows the other. What a request needs is in memory before it
// starts, so that signing costs one RSA operation and no I/O.
package auth

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"time"
)

// Signer makes RSASSA-PKCS1-v1_5 signatures over SHA-256 digests, the only kind
// that OCI accepts. It is safe for concurrent use.
type Signer interface {
	SignDigest(digest [sha256.Size]byte) ([]byte, error)
}

// Snapshot is a credential at one moment: the key and the id under which OCI
// knows its public half, taken together. Asking for them one after the other
// would let a renewal slip in between, and an old key with a new token is a
// sporadic 401. A Snapshot is a value and is never changed after it was handed out.
type Snapshot struct {
	// KeyID is "tenancy/user/fingerprint" for an API key and "ST$" plus a token
	// for everything else. The token form is a secret: a Snapshot prints masked.
	KeyID string
	// Key signs for KeyID. Always non-nil in a snapshot that a Principal returned.
	Key Signer
	// Expiry is when OCI stops accepting KeyID; zero if it does not expire.
	Expiry time.Time
}

// String names the credential without showing it.
func (s Snapshot) String() string {
	if s.Expiry.IsZero() {
		return "oci credential " + maskKeyID(s.KeyID)
	}
	return "oci credential " + maskKeyID(s.KeyID) + " until " + s.Expiry.UTC().Format(time.RFC3339)
}

// GoString is String, so that %#v shows no more than %v.
func (s Snapshot) GoString() string { return s.String() }

// MarshalText is String, so that JSON shows no more than a log line.
func (s Snapshot) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String, so that a structured log shows no more than a plain one.
func (s Snapshot) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Principal is one identity that calls OCI. Implementations are safe for
// concurrent use.
type Principal interface {
	// Snapshot returns the credential in force. An implementation whose
	// credential expires renews it in the background ahead of Expiry, so that
	// this call waits for I/O only before the first credential is there.
	Snapshot(ctx context.Context) (Snapshot, error)

	// Refresh reads or renews the credential now. It is called once when OCI
	// answered 401; the request is then signed with a new Snapshot and sent once
	// more. Calls that arrive together may share one renewal. On error the old
	// credential stays in force.
	Refresh(ctx context.Context) error
}

// maskKeyID shows the last characters of an API key's fingerprint, which tell
// two keys apart, and nothing of a token.
func maskKeyID(id string) string {
	const tail = 5
	if len(id) >= 3 && id[:3] == "ST$" {
		return "ST$***"
	}
	if len(id) <= tail {
		return "***"
	}
	return "***" + id[len(id)-tail:]
}
