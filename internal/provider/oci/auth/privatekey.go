package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// KeyError says why a text does not give a private key: what was found instead,
// and what to do. It never holds any of the text.
type KeyError struct {
	// Source is where the text came from, for example "key file /etc/oci/key.pem"; empty if unknown.
	Source string
	// Found is what the text holds, as the end of "found ...".
	Found string
	// Advice is what the operator can do.
	Advice string
	// Err is the cause; nil if there is none besides.
	Err error
}

// Error puts source, finding, cause and advice in one sentence.
func (e *KeyError) Error() string {
	var b strings.Builder
	b.WriteString("oci: ")
	if e.Source != "" {
		b.WriteString(e.Source)
		b.WriteString(": ")
	}
	b.WriteString("found ")
	b.WriteString(e.Found)
	if e.Err != nil {
		b.WriteString(" (")
		b.WriteString(e.Err.Error())
		b.WriteString(")")
	}
	b.WriteString("; ")
	b.WriteString(e.Advice)
	return b.String()
}

// Unwrap returns the cause.
func (e *KeyError) Unwrap() error { return e.Err }

// What to do, for the findings that share an advice.
const (
	adviceAPIKey     = "give the private RSA key that belongs to the API key, a PEM file that begins with -----BEGIN PRIVATE KEY----- or -----BEGIN RSA PRIVATE KEY-----"
	adviceRSA        = "OCI signs with RSA only: make an API key with RSA-2048 and upload its public half"
	advicePassphrase = "set the passphrase (pass_phrase in a profile), or remove it with: openssl pkey -in KEY -out NEW"
	adviceWrongPass  = "check the passphrase with: openssl pkey -in KEY -noout"
	adviceRecopy     = "copy the key again, whole, from its BEGIN line to its END line"
)

// ParsePrivateKey reads an RSA private key in PEM: PKCS#1 or PKCS#8, plain or
// encrypted (PKCS#8 with PBES2, or the older "Proc-Type: 4,ENCRYPTED"). It is
// forgiving about white space, line breaks spelled "\n" and text around the key.
// passphrase is ignored if the key is not encrypted. Every error is a *KeyError.
func ParsePrivateKey(text, passphrase string) (*rsa.PrivateKey, error) {
	blocks := pemBlocks(text)
	for _, block := range blocks {
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return parseKeyBlock(block, passphrase)
		}
	}
	if len(blocks) > 0 {
		return nil, notAPrivateKey(blocks[0].Type)
	}
	return nil, noPEM(text)
}

// parseKeyBlock reads the block of some private key.
func parseKeyBlock(block *pem.Block, passphrase string) (*rsa.PrivateKey, error) {
	switch block.Type {
	case "RSA PRIVATE KEY", "PRIVATE KEY":
		if strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return decryptLegacy(block, passphrase)
		}
		return parsePlainDER(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return decryptPKCS8(block.Bytes, passphrase)
	case "OPENSSH PRIVATE KEY":
		return nil, &KeyError{Found: "an OpenSSH private key", Advice: "convert it with: ssh-keygen -p -m PEM -f KEY"}
	case "EC PRIVATE KEY":
		return nil, &KeyError{Found: "an elliptic-curve key", Advice: adviceRSA}
	case "DSA PRIVATE KEY":
		return nil, &KeyError{Found: "a DSA key", Advice: adviceRSA}
	}
	return nil, &KeyError{Found: "a PEM block of type " + strconv.Quote(block.Type), Advice: adviceAPIKey}
}

// parsePlainDER reads PKCS#8 or PKCS#1, whatever the label said: tools mix them up.
func parsePlainDER(der []byte) (*rsa.PrivateKey, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return onlyRSA(key)
	}
	key, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		return nil, &KeyError{Found: "a damaged private key", Advice: adviceRecopy, Err: err}
	}
	return key, nil
}

func onlyRSA(key any) (*rsa.PrivateKey, error) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key, nil
	case *ecdsa.PrivateKey:
		return nil, &KeyError{Found: "an elliptic-curve key", Advice: adviceRSA}
	case ed25519.PrivateKey:
		return nil, &KeyError{Found: "an Ed25519 key", Advice: adviceRSA}
	default:
		return nil, &KeyError{Found: fmt.Sprintf("a key of type %T", key), Advice: adviceRSA}
	}
}

// decryptLegacy opens the encryption that OpenSSL wrote before PKCS#8.
func decryptLegacy(block *pem.Block, passphrase string) (*rsa.PrivateKey, error) {
	if passphrase == "" {
		return nil, &KeyError{Found: "an encrypted private key and no passphrase", Advice: advicePassphrase}
	}
	//lint:ignore SA1019 deprecated as a way to protect keys; here keys are read that have it
	der, err := x509.DecryptPEMBlock(block, []byte(passphrase)) //nolint:staticcheck // see above
	if err != nil {
		found := "an encrypted private key that cannot be opened"
		if errors.Is(err, x509.IncorrectPasswordError) {
			found = "an encrypted private key that its passphrase does not open"
		}
		return nil, &KeyError{Found: found, Advice: adviceWrongPass, Err: err}
	}
	key, err := parsePlainDER(der)
	if err != nil { // padding can be right by chance: then a wrong passphrase yields noise
		return nil, &KeyError{Found: "an encrypted private key that its passphrase does not open", Advice: adviceWrongPass}
	}
	return key, nil
}

// notAPrivateKey names the PEM files that are mistaken for the key most often.
func notAPrivateKey(label string) error {
	switch {
	case label == "PUBLIC KEY" || label == "RSA PUBLIC KEY":
		return &KeyError{Found: "a public key", Advice: "this is the half to upload; " + adviceAPIKey}
	case strings.HasSuffix(label, "CERTIFICATE"):
		return &KeyError{Found: "a certificate", Advice: adviceAPIKey}
	}
	return &KeyError{Found: "a PEM block of type " + strconv.Quote(label), Advice: adviceAPIKey}
}

// noPEM guesses what a text without any whole PEM block is.
func noPEM(text string) error {
	trimmed := strings.Trim(text, " \t\r\n\"'\ufeff")
	switch {
	case trimmed == "":
		return &KeyError{Found: "nothing, it is empty", Advice: adviceAPIKey}
	case strings.Contains(trimmed, "-----BEGIN "):
		return &KeyError{Found: "a PEM block that is cut off or damaged", Advice: adviceRecopy}
	case strings.HasPrefix(trimmed, "ssh-"):
		return &KeyError{Found: "an SSH public key", Advice: adviceAPIKey}
	case strings.HasPrefix(trimmed, "PuTTY-"):
		return &KeyError{Found: "a PuTTY key", Advice: "export it as an OpenSSH key, then: ssh-keygen -p -m PEM -f KEY"}
	case strings.HasPrefix(trimmed, "LS0tLS1CRUdJTi"): // "-----BEGIN" in base64
		return &KeyError{Found: "the base64 of a PEM file", Advice: "decode it first: base64 -d"}
	case strings.HasPrefix(trimmed, "0\x82"): // an ASN.1 sequence longer than 255 bytes
		return &KeyError{Found: "binary DER", Advice: "convert it with: openssl pkey -inform DER -in KEY -out NEW"}
	case len(trimmed) < 512 && !strings.ContainsAny(trimmed, "\r\n") && strings.ContainsAny(trimmed, `/\`):
		return &KeyError{Found: "what looks like a file name where the key itself was expected", Advice: "set it as the key file"}
	}
	return &KeyError{Found: "no PEM block", Advice: adviceAPIKey}
}
