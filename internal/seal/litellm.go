package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"golang.org/x/crypto/nacl/secretbox"
)

// The prefixes of LiteLLM's forms since 2026. What has none is of the form before.
const (
	liteLLMv3 = "v3:gcm:"
	liteLLMv2 = "v2:gcm:"
)

// OpenLiteLLM opens what LiteLLM has stored under the same salt key, or master key, in any of its three forms:
//
//	v3:gcm:  AES-256-GCM, key HKDF-SHA256 of the salt key, no salt, info "litellm-at-rest-v3"
//	v2:gcm:  AES-256-GCM, key SHA-256 of the salt key
//	none     NaCl's SecretBox (XSalsa20-Poly1305), key SHA-256 of the salt key
//
// each as base64 of nonce and ciphertext, in the alphabet for URLs; old rows of the last form are in the standard
// alphabet. The error is ErrFormat or ErrOpen. A value that LiteLLM stored in plain text is one of the two as well:
// whether it is a secret is the importer's to decide.
func (s *Sealer) OpenLiteLLM(sealed string) (string, error) {
	if text, ok := strings.CutPrefix(sealed, liteLLMv3); ok {
		key, err := hkdf.Key(sha256.New, []byte(s.master.Reveal()), nil, "litellm-at-rest-v3", 32)
		if err != nil {
			return "", err
		}
		return openGCM(key, text)
	}
	key := sha256.Sum256([]byte(s.master.Reveal()))
	if text, ok := strings.CutPrefix(sealed, liteLLMv2); ok {
		return openGCM(key[:], text)
	}
	return openSecretBox(&key, sealed)
}

func openGCM(key []byte, text string) (string, error) {
	data, err := decodeBase64(text)
	if err != nil {
		return "", err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return "", err
	}
	if len(data) < gcm.NonceSize()+gcm.Overhead() {
		return "", ErrFormat
	}
	plain, err := gcm.Open(nil, data[:gcm.NonceSize()], data[gcm.NonceSize():], nil)
	if err != nil {
		return "", ErrOpen
	}
	return string(plain), nil
}

func openSecretBox(key *[32]byte, text string) (string, error) {
	data, err := decodeBase64(text)
	if err != nil {
		return "", err
	}
	var nonce [24]byte
	if len(data) < len(nonce)+secretbox.Overhead {
		return "", ErrFormat
	}
	copy(nonce[:], data)
	plain, ok := secretbox.Open(nil, data[len(nonce):], &nonce, key)
	if !ok {
		return "", ErrOpen
	}
	return string(plain), nil
}

// decodeBase64 reads either alphabet, with or without padding.
func decodeBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(text, "="))
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, ErrFormat
	}
	return data, nil
}
