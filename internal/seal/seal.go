// Package seal encrypts the secrets that the gateway stores: credentials of providers, the parameters of stored models,
// variables of the environment.
//
// Each purpose has a key of its own, derived from the one master text by HKDF, and the purpose is authenticated with
// the text besides: a value that was sealed for one purpose opens for no other, so that whoever can move ciphertexts
// between columns gains nothing. LiteLLM's own ciphertexts are read, for the importer, and never written.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"tollgate/internal/secret"
)

// Purpose names what a value is sealed for. Only code names purposes, never a caller.
type Purpose string

// The purposes in use. A purpose is part of the key: renaming one makes its values unreadable.
const (
	ModelParams      Purpose = "model-params"      // the strings in litellm_params of a stored model
	CredentialValues Purpose = "credential-values" //nolint:gosec // a name, for the values of a stored credential
	Environment      Purpose = "environment"       // the values of stored environment_variables
)

// Errors of New, Open and OpenLiteLLM. None of them quotes a value.
var (
	// ErrNoKey says that there is no text to derive keys from.
	ErrNoKey = errors.New("seal: no key: set LITELLM_SALT_KEY or a master key")
	// ErrFormat says that a text is not a sealed value.
	ErrFormat = errors.New("seal: not a sealed value")
	// ErrOpen says that a value was sealed with another key or for another purpose, or was altered since.
	ErrOpen = errors.New("seal: sealed with another key or for another purpose, or altered")
)

// prefix names the version of the form: AES-256-GCM, the nonce first, in base64url without padding.
const prefix = "tg1:"

// Sealer seals and opens values. It does not change and is safe for concurrent use.
type Sealer struct {
	master secret.String
}

// New makes a Sealer of the operator's salt key or, where there is none, the master key, which are LiteLLM's choice and
// order. The empty text is ErrNoKey.
func New(master string) (*Sealer, error) {
	if master == "" {
		return nil, ErrNoKey
	}
	return &Sealer{master: secret.New(master)}, nil
}

// CallbackVars is the purpose of the variables that a key or a team has with a callback. They are sealed for where they are
// sent to, so that whoever may change that does not send a secret that he cannot read elsewhere.
func CallbackVars(destination string) Purpose { return Purpose("callback-vars|" + destination) }

// Seal encrypts a text for a purpose. Two calls with the same text give different results.
func (s *Sealer) Seal(p Purpose, plaintext string) (string, error) {
	aead, err := s.aead(p)
	if err != nil {
		return "", err
	}
	sealed := aead.Seal(nil, nil, []byte(plaintext), associated(p)) //nolint:gosec // it makes the nonce itself
	return prefix + base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Open gives the text that Seal was given for the same purpose. The error is ErrFormat or ErrOpen.
func (s *Sealer) Open(p Purpose, sealed string) (string, error) {
	text, ok := strings.CutPrefix(sealed, prefix)
	if !ok {
		return "", ErrFormat
	}
	// Strict: a second spelling of the same bytes would be an alteration that nobody notices.
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return "", ErrFormat
	}
	aead, err := s.aead(p)
	if err != nil {
		return "", err
	}
	plain, err := aead.Open(nil, nil, data, associated(p))
	if err != nil {
		return "", ErrOpen
	}
	return string(plain), nil
}

// aead is the cipher of a purpose. It makes its nonces itself and puts them before the ciphertext.
func (s *Sealer) aead(p Purpose) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(s.master.Reveal()), nil, "tollgate/"+string(p)+"/v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// associated is what is authenticated beside the text.
func associated(p Purpose) []byte { return []byte(prefix + string(p)) }

// IsSealed reports whether a text has the form of what Seal returns.
func IsSealed(text string) bool { return strings.HasPrefix(text, prefix) }
