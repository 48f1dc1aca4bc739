package auth

import (
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/youmark/pkcs8"
)

// The most work that opening a key may cost. OpenSSL writes 2,048 PBKDF2 rounds,
// careful people a million; a file that asks for a billion is there to stall us.
const (
	maxPBKDF2Rounds = 10_000_000
	maxScryptBytes  = 256 << 20 // memory: 128 * N * r
)

var (
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidScrypt = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}
)

// decryptPKCS8 opens an EncryptedPrivateKeyInfo (RFC 5958) with PBES2.
func decryptPKCS8(der []byte, passphrase string) (*rsa.PrivateKey, error) {
	if passphrase == "" {
		return nil, &KeyError{Found: "an encrypted private key and no passphrase", Advice: advicePassphrase}
	}
	if err := checkKDFCost(der); err != nil {
		return nil, &KeyError{Found: "an encrypted private key that cannot be opened", Advice: adviceWrongPass, Err: err}
	}
	key, err := parsePKCS8(der, passphrase)
	if err != nil {
		return nil, &KeyError{Found: "an encrypted private key that its passphrase does not open", Advice: adviceWrongPass, Err: err}
	}
	return onlyRSA(key)
}

// parsePKCS8 guards the library, which leaves it to the cipher to refuse an IV
// or a ciphertext of the wrong length, and ciphers panic.
func parsePKCS8(der []byte, passphrase string) (key any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("malformed: %v", r)
		}
	}()
	key, _, err = pkcs8.ParsePrivateKey(der, []byte(passphrase))
	return key, err
}

// checkKDFCost refuses a key whose parameters ask for absurd time or memory
// before any of it is spent. What it cannot read it leaves to the parser.
func checkKDFCost(der []byte) error {
	var info struct {
		Algorithm struct {
			ID     asn1.ObjectIdentifier
			Params struct {
				KDF    pkix.AlgorithmIdentifier
				Cipher pkix.AlgorithmIdentifier
			}
		}
		Data []byte
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return errors.New("not encrypted with PBES2")
	}
	kdf := info.Algorithm.Params.KDF
	switch {
	case kdf.Algorithm.Equal(oidPBKDF2):
		var p struct {
			Salt   []byte
			Rounds int
			Rest   asn1.RawValue `asn1:"optional"`
			PRF    asn1.RawValue `asn1:"optional"`
		}
		if _, err := asn1.Unmarshal(kdf.Parameters.FullBytes, &p); err != nil || p.Rounds < 1 || p.Rounds > maxPBKDF2Rounds {
			return errors.New("unusual PBKDF2 parameters")
		}
	case kdf.Algorithm.Equal(oidScrypt):
		var p struct {
			Salt    []byte
			N, R, P int
			KeyLen  int `asn1:"optional"`
		}
		if _, err := asn1.Unmarshal(kdf.Parameters.FullBytes, &p); err != nil || p.N < 2 || p.R < 1 || p.P < 1 || p.P > 16 ||
			p.N > maxScryptBytes/128/p.R {
			return errors.New("unusual scrypt parameters")
		}
	}
	return nil
}
