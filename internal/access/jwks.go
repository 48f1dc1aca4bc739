package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
)

const (
	maxKeySet    = 1 << 20 // bytes of a key set, or of the document that names one
	fetchKeys    = 5 * time.Second
	refetchKeys  = 10 * time.Second // the least time between two fetches, whatever key ids callers invent
	shortestRSA  = 2048             // bits
	maxRedirects = 3
	// oldestKeys is how long keys are taken after they should have been fetched anew: an issuer that is away for a while stops
	// nobody, and a key that it has withdrawn does not open doors for ever.
	oldestKeys = 24 * time.Hour
)

// publicKey is one key of a key set.
type publicKey struct {
	id, alg string // "" = not said
	key     any    // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// keySet is what the issuers' addresses gave at one time. Immutable.
type keySet struct {
	keys    []publicKey
	fetched time.Time
}

// find returns the keys that may have signed a token. A token without a key id may be signed by the only key there is.
func (s *keySet) find(id, alg string) (publicKey, bool) {
	if s == nil {
		return publicKey{}, false
	}
	if id == "" {
		if len(s.keys) == 1 && s.keys[0].fits(alg) {
			return s.keys[0], true
		}
		return publicKey{}, false
	}
	at := slices.IndexFunc(s.keys, func(k publicKey) bool { return k.id == id && k.fits(alg) })
	if at < 0 {
		return publicKey{}, false
	}
	return s.keys[at], true
}

func (k publicKey) fits(alg string) bool { return k.alg == "" || k.alg == alg }

// keySource keeps the issuers' public keys. They are fetched when they are needed, anew when they are old or when a token
// names a key that is not among them, and go on being used while the issuer does not answer. Safe for concurrent use.
type keySource struct {
	urls   []string
	client *http.Client
	ttl    time.Duration
	now    func() time.Time
	log    *slog.Logger

	set atomic.Pointer[keySet] // nil = never fetched

	mu    sync.Mutex // held while fetching: others wait for the same keys
	tried time.Time  // the last fetch, whatever came of it; guarded by mu
}

func newKeySource(urls []string, transport http.RoundTripper, ttl time.Duration, now func() time.Time, log *slog.Logger) *keySource {
	return &keySource{
		urls: urls, ttl: ttl, now: now, log: log,
		client: &http.Client{Transport: transport, CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return http.ErrUseLastResponse
			}
			return nil
		}},
	}
}

// find returns the key, and the set that it is of.
func (s *keySource) find(ctx context.Context, id, alg string) (publicKey, *keySet, error) {
	set := s.set.Load()
	key, ok := set.find(id, alg)
	if ok && s.now().Sub(set.fetched) < s.ttl {
		return key, set, nil
	}
	fresh, err := s.refresh(ctx, set, !ok)
	if fresh != nil {
		key, ok = fresh.find(id, alg)
	}
	switch {
	case ok && s.now().Sub(fresh.fetched) < s.ttl+oldestKeys:
		return key, fresh, nil
	case ok:
		return publicKey{}, nil, errNoKeys
	case err != nil:
		return publicKey{}, nil, err
	}
	return publicKey{}, nil, errNoSuchKey
}

var (
	errNoSuchKey = errors.New("access: the token is signed with a key that the issuer does not publish")
	errNoKeys    = errors.New("access: the issuer's keys cannot be fetched")
)

// refresh fetches the keys unless somebody else has done so since old was seen, or just before. While somebody else does so, only
// who must waits: the others have old.
func (s *keySource) refresh(ctx context.Context, old *keySet, must bool) (*keySet, error) {
	if !s.mu.TryLock() {
		if !must {
			return old, nil
		}
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	if now := s.set.Load(); now != old {
		return now, nil
	}
	if now := s.now(); !s.tried.IsZero() && now.Sub(s.tried) < refetchKeys {
		if old == nil {
			return nil, errNoKeys
		}
		return old, nil
	}
	s.tried = s.now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchKeys)
	defer cancel()
	set := &keySet{fetched: s.tried}
	for _, url := range s.urls {
		keys, err := s.fetch(ctx, url, true)
		if err != nil {
			// All of them or none: with a part of the keys the tokens of another issuer would be refused.
			s.log.Warn("the keys of a token issuer cannot be fetched", "url", url, "error", err)
			return old, fmt.Errorf("%w: %w", errNoKeys, err)
		}
		set.keys = append(set.keys, keys...)
	}
	s.set.Store(set)
	return set, nil
}

// fetch reads the key set at the address, or at the one that an OpenID discovery document there names.
func (s *keySource) fetch(ctx context.Context, url string, discover bool) ([]publicKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read only
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySet))
	if err != nil {
		return nil, err
	}
	var document struct {
		Keys    []json.RawMessage `json:"keys"`
		JWKSURI string            `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return nil, err
	}
	if document.Keys == nil && document.JWKSURI != "" && discover {
		return s.fetch(ctx, document.JWKSURI, false)
	}
	return readKeys(document.Keys), nil
}

// readKeys takes the keys that can verify a signature. Symmetric keys, short ones and those for encryption are none of them.
func readKeys(raw []json.RawMessage) []publicKey {
	var keys []publicKey
	for _, one := range raw {
		k, err := jwkset.NewJWKFromRawJSON(one, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil {
			continue // a set may hold kinds of keys that nobody here needs
		}
		stated := k.Marshal()
		if stated.USE != "" && stated.USE != jwkset.UseSig {
			continue
		}
		switch key := k.Key().(type) {
		case *rsa.PublicKey:
			if key.N.BitLen() < shortestRSA {
				continue
			}
		case *ecdsa.PublicKey, ed25519.PublicKey:
		default:
			continue
		}
		keys = append(keys, publicKey{id: stated.KID, alg: stated.ALG.String(), key: k.Key()})
	}
	return keys
}
