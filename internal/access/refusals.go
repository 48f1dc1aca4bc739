package access

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// The refusals are LiteLLM's, word for word where it has them: clients read them.

func unauthorized(message string) *apierr.Error {
	return &apierr.Error{Status: http.StatusUnauthorized, Type: "auth_error", Message: message}
}

func forbidden(message string) *apierr.Error {
	return &apierr.Error{Status: http.StatusForbidden, Type: "auth_error", Message: message}
}

func noKey() *apierr.Error { return unauthorized("Authentication Error, No api key passed in.") }

func malformedKey() *apierr.Error {
	return unauthorized("Authentication Error, Malformed API Key passed in. Ensure Key has `Bearer ` prefix.")
}

// unknownKey answers a key that is not known, in LiteLLM's words. Of the key itself only the end is shown.
func unknownKey(key string) *apierr.Error {
	if !strings.HasPrefix(key, "sk-") {
		return unauthorized("LiteLLM Virtual Key expected. Received=" + masked(key) + ", expected to start with 'sk-'.")
	}
	tail := ""
	if len(key) > 12 {
		tail = key[len(key)-4:]
	}
	sum := sha256.Sum256([]byte(key))
	return &apierr.Error{
		Status: http.StatusUnauthorized, Type: "token_not_found_in_db", Param: "key",
		Message: "Authentication Error, Invalid proxy server token passed. Received API Key = sk-..." + tail + ", Key Hash (Token) =" + hex.EncodeToString(sum[:]) +
			". Unable to find token in cache or `LiteLLM_VerificationTokenTable`",
	}
}

// masked shows the ends of a long text that was sent as a key, and nothing of a short one.
func masked(key string) string {
	for _, c := range []byte(key) {
		if c < 0x20 || c >= 0x7f {
			return "****"
		}
	}
	if len(key) < 16 {
		return "****"
	}
	return key[:4] + "****" + key[len(key)-4:]
}

// notFound answers a key that the directory did not find, or could not look for.
func (g *Gate) notFound(key string, err error) (Identity, *apierr.Error) {
	var missing *missingTeam
	switch {
	case errors.Is(err, account.ErrNotFound):
		return Identity{}, unknownKey(key)
	case errors.As(err, &missing):
		return Identity{}, unauthorized("Authentication Error, Team doesn't exist in db. Team=" + missing.id + ". Create team via `/team/new` call.")
	case errors.Is(err, errNoStore):
		return Identity{}, &apierr.Error{Status: http.StatusBadRequest, Type: "no_db_connection", Message: "No connected db."}
	case g.opts.ServeUnknown && g.opts.Directory.away() && !errors.Is(err, errBusy):
		return Identity{Role: InternalUser, Name: "failed-to-connect-to-db", fallback: true}, nil
	}
	return Identity{}, unavailable(err)
}

func unavailable(cause error) *apierr.Error {
	e := &apierr.Error{Status: http.StatusServiceUnavailable, Type: "no_db_connection", Cause: cause,
		Message: "Service Unavailable, the authentication database is temporarily unreachable. Please retry shortly."}
	return e.WithRetryAfter(retryStore)
}

// expired names the key by its end, as LiteLLM does.
func expired(name string, at, now time.Time) *apierr.Error {
	return &apierr.Error{Status: http.StatusUnauthorized, Type: "expired_key", Param: name,
		Message: "Authentication Error - Expired Key. Key Expiry time " + pythonTime(at) + " and current time " + pythonTime(now)}
}

// pythonTime writes a time as str() of Python's datetime does: microseconds only where there are some.
func pythonTime(t time.Time) string {
	t = t.UTC().Truncate(time.Microsecond)
	if t.Nanosecond() == 0 {
		return t.Format("2006-01-02 15:04:05-07:00")
	}
	return t.Format("2006-01-02 15:04:05.000000-07:00")
}
