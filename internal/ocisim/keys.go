package ocisim

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"sort"
	"strings"
	"sync"
	"time"

	"tollgate/internal/ocisim/identity"
)

// tokenPrefix begins the keyId of every principal that signs with a session key.
const tokenPrefix = "ST$"

// keyring knows who may call. It is safe for concurrent use.
type keyring struct {
	mu      sync.RWMutex
	signers map[string]signer    // by full keyId
	bearers map[string]time.Time // GenAI API key to expiry, zero for none
}

// signer is the public half that verifies the signatures of one keyId.
type signer struct {
	public  *rsa.PublicKey
	expires time.Time // zero: never
	who     identity.Principal
}

func newKeyring() *keyring {
	return &keyring{signers: make(map[string]signer), bearers: make(map[string]time.Time)}
}

func (k *keyring) addKey(keyID string, pub *rsa.PublicKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	tenancy, rest, _ := strings.Cut(keyID, "/")
	user, _, _ := strings.Cut(rest, "/")
	k.signers[keyID] = signer{public: pub, who: identity.Principal{Kind: identity.User, ID: user, Tenancy: tenancy}}
}

// addToken remembers a token of who and forgets those of its kind that expired before now.
func (k *keyring) addToken(token string, pub *rsa.PublicKey, expires, now time.Time, who identity.Principal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.signers, func(_ string, s signer) bool { return s.who.Kind == who.Kind && expired(s.expires, now) })
	k.signers[tokenPrefix+strings.TrimPrefix(token, tokenPrefix)] = signer{pub, expires, who}
}

// revoke forgets every token of a kind of principal, of all kinds when it is empty, and says how many there were.
func (k *keyring) revoke(kind identity.Kind) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	before := len(k.signers)
	maps.DeleteFunc(k.signers, func(id string, s signer) bool {
		return strings.HasPrefix(id, tokenPrefix) && (kind == "" || s.who.Kind == kind)
	})
	return before - len(k.signers)
}

// tokens counts the tokens that are good, by kind.
func (k *keyring) tokens(now time.Time) map[identity.Kind]int {
	k.mu.RLock()
	defer k.mu.RUnlock()
	counts := make(map[identity.Kind]int)
	for id, s := range k.signers {
		if strings.HasPrefix(id, tokenPrefix) && !expired(s.expires, now) {
			counts[s.who.Kind]++
		}
	}
	return counts
}

func (k *keyring) addBearer(key string, expires time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bearers[key] = expires
}

// remove forgets a keyId or an API key, given by the name that list shows or in full.
func (k *keyring) remove(name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id := range k.signers {
		if id == name || publicName(id) == name {
			delete(k.signers, id)
			return true
		}
	}
	for key := range k.bearers {
		if key == name || publicName(key) == name {
			delete(k.bearers, key)
			return true
		}
	}
	return false
}

// signer returns who signs with a keyId that is known and not expired.
func (k *keyring) signer(keyID string, now time.Time) (signer, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	s, ok := k.signers[keyID]
	if !ok || expired(s.expires, now) {
		return signer{}, errors.New("the key is unknown or expired")
	}
	return s, nil
}

func (k *keyring) bearer(key string, now time.Time) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	expires, ok := k.bearers[key]
	return ok && !expired(expires, now)
}

func expired(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// names lists who may call, without any secret.
func (k *keyring) names() []string {
	k.mu.RLock()
	defer k.mu.RUnlock()
	names := make([]string, 0, len(k.signers)+len(k.bearers))
	for id := range k.signers {
		names = append(names, publicName(id))
	}
	for key := range k.bearers {
		names = append(names, publicName(key))
	}
	sort.Strings(names)
	return names
}

// publicName is what a caller is called in logs and counters. The keyId of an API key is no secret; tokens and GenAI
// API keys are, so a short hash stands for them.
func publicName(credential string) string {
	switch {
	case strings.HasPrefix(credential, tokenPrefix):
		return tokenPrefix + shortHash(credential)
	case strings.HasPrefix(credential, "ocid1."):
		return credential
	}
	return "genai-" + shortHash(credential)
}

func shortHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:6])
}
