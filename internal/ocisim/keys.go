package ocisim

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"sort"
	"strings"
	"sync"
	"time"
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
}

func newKeyring() *keyring {
	return &keyring{signers: make(map[string]signer), bearers: make(map[string]time.Time)}
}

func (k *keyring) addKey(keyID string, pub *rsa.PublicKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.signers[keyID] = signer{public: pub}
}

func (k *keyring) addToken(token string, pub *rsa.PublicKey, expires time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.signers[tokenPrefix+strings.TrimPrefix(token, tokenPrefix)] = signer{pub, expires}
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

// signer returns the key of a keyId that is known and not expired.
func (k *keyring) signer(keyID string, now time.Time) (*rsa.PublicKey, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	s, ok := k.signers[keyID]
	if !ok || expired(s.expires, now) {
		return nil, false
	}
	return s.public, true
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
