package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"tollgate/internal/account"
)

// TokenOptions configure how signed bearer tokens are read.
type TokenOptions struct {
	Settings TokenSettings
	KeyURLs  []string          // JWT_PUBLIC_KEY_URL: key sets, or OpenID discovery documents
	Audience string            // JWT_AUDIENCE; "" = not checked
	Issuer   string            // JWT_ISSUER; "" = not checked
	Way      http.RoundTripper // how the keys are fetched; never nil
	Upsert   Upserter          // nil = users and teams are never made
	Log      *slog.Logger      // nil = slog.Default
	Now      func() time.Time  // nil = time.Now
}

// Upserter makes the users and teams that tokens name, where the operator wants that (user_id_upsert, team_id_upsert).
// One that exists is left as it is.
type Upserter interface {
	UpsertUser(ctx context.Context, u *account.User) error
	UpsertTeam(ctx context.Context, t *account.Team) error
}

// Tokens reads signed bearer tokens. Safe for concurrent use.
type Tokens struct {
	opts TokenOptions
	keys *keySource

	mu sync.RWMutex
	// seen are the tokens that were verified, by the hash of their whole text; guarded by mu.
	seen map[keyHash]*seenToken
}

// seenToken is a genuine token. Only record changes.
type seenToken struct {
	claims *Claims
	keys   *keySet // that it was verified with: a key that is withdrawn takes its tokens along
	ends   time.Time
	record atomic.Pointer[Record]
}

// maxTokens bounds the memory of tokens.
const maxTokens = 20_000

// leeway is how far the clocks of issuers may be off.
const leeway = 10 * time.Second

// signatures are the algorithms of tokens: none with a shared secret, so that no public key is ever taken for one.
var signatures = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// NewTokens makes a reader of tokens. Without an address of keys there is an error: no token could be genuine.
func NewTokens(opts TokenOptions) (*Tokens, error) {
	if len(opts.KeyURLs) == 0 {
		return nil, errors.New("access: enable_jwt_auth needs JWT_PUBLIC_KEY_URL: the address of the issuer's keys")
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Tokens{
		opts: opts, seen: map[keyHash]*seenToken{},
		keys: newKeySource(opts.KeyURLs, opts.Way, opts.Settings.keyTTL(), opts.Now, opts.Log),
	}, nil
}

// looksSigned reports whether a key has the form of a signed token.
func looksSigned(key string) bool {
	return strings.Count(key, ".") == 2 && !strings.HasPrefix(key, "sk-")
}

// verify returns the token if it is genuine. The errors are those of jwt, of the key source, or a refusal.
func (t *Tokens) verify(ctx context.Context, text string, h keyHash) (*seenToken, error) {
	t.mu.RLock()
	known := t.seen[h]
	t.mu.RUnlock()
	now := t.opts.Now()
	if known != nil && now.Before(known.ends) && known.keys == t.keys.set.Load() && now.Sub(known.keys.fetched) < t.keys.ttl {
		return known, nil
	}
	claims := jwt.MapClaims{}
	var keys *keySet
	options := []jwt.ParserOption{
		jwt.WithValidMethods(signatures), jwt.WithExpirationRequired(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(t.opts.Now), jwt.WithJSONNumber(),
	}
	if t.opts.Audience != "" {
		options = append(options, jwt.WithAudience(t.opts.Audience))
	}
	if t.opts.Issuer != "" {
		options = append(options, jwt.WithIssuer(t.opts.Issuer))
	}
	_, err := jwt.NewParser(options...).ParseWithClaims(text, claims, func(token *jwt.Token) (any, error) {
		id, _ := token.Header["kid"].(string)
		key, set, err := t.keys.find(ctx, id, token.Method.Alg())
		keys = set
		return key.key, err
	})
	if err != nil {
		return nil, err
	}
	read, err := t.opts.Settings.read(claims)
	if err != nil {
		return nil, err
	}
	ends, err := claims.GetExpirationTime()
	if err != nil {
		return nil, fmt.Errorf("access: %w", err)
	}
	token := &seenToken{claims: read, keys: keys, ends: ends.Add(leeway)}
	t.remember(h, token, now)
	return token, nil
}

func (t *Tokens) remember(h keyHash, token *seenToken, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.seen) >= maxTokens { // half of them go, and whatever has ended
		maps.DeleteFunc(t.seen, func(_ keyHash, s *seenToken) bool { return !now.Before(s.ends) || len(t.seen) > maxTokens/2 })
	}
	t.seen[h] = token
}
