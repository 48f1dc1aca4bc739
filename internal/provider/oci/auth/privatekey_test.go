package auth_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/youmark/pkcs8"

	"tollgate/internal/provider/oci/auth"
)

const testPassphrase = "correct horse # battery"

// encryptedPKCS8 encrypts with PBES2, as "openssl genpkey -aes256" does.
func encryptedPKCS8(t testing.TB, key any, opts *pkcs8.Opts) string {
	t.Helper()
	der, err := pkcs8.MarshalPrivateKey(key, []byte(testPassphrase), opts)
	if err != nil {
		t.Fatal(err)
	}
	return pemText("ENCRYPTED PRIVATE KEY", der)
}

// encryptedLegacy encrypts as OpenSSL did before PKCS#8 ("Proc-Type: 4,ENCRYPTED").
func encryptedLegacy(t testing.TB, key *rsa.PrivateKey, cipher x509.PEMCipher) string {
	t.Helper()
	//lint:ignore SA1019 such keys are in use, so the tests make one
	block, err := x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), []byte(testPassphrase), cipher) //nolint:staticcheck // see above
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

func selfSigned(t testing.TB, key *rsa.PrivateKey) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pemText("CERTIFICATE", der)
}

func TestParsePrivateKey_Forms(t *testing.T) {
	key := testKey()
	pkcs1, pkcs8Text := pkcs1PEM(key), pkcs8PEM(t, key)
	scrypt := &pkcs8.Opts{Cipher: pkcs8.AES256CBC, KDFOpts: pkcs8.ScryptOpts{SaltSize: 8, CostParameter: 1 << 14, BlockSize: 8, ParallelizationParameter: 1}}
	tests := []struct {
		name, text string
		encrypted  bool
	}{
		{name: "PKCS#1", text: pkcs1},
		{name: "PKCS#8", text: pkcs8Text},
		{name: "PKCS#1 with the label of PKCS#8", text: pemText("PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))},
		{name: "PKCS#8 encrypted, PBKDF2", text: encryptedPKCS8(t, key, nil), encrypted: true},
		{name: "PKCS#8 encrypted, scrypt", text: encryptedPKCS8(t, key, scrypt), encrypted: true},
		{name: "legacy encrypted, AES", text: encryptedLegacy(t, key, x509.PEMCipherAES128), encrypted: true},
		{name: "legacy encrypted, 3DES", text: encryptedLegacy(t, key, x509.PEMCipher3DES), encrypted: true},
		{name: "legacy encrypted, escaped line breaks", text: strings.ReplaceAll(encryptedLegacy(t, key, x509.PEMCipherAES256), "\n", `\n`), encrypted: true},

		{name: "escaped line breaks", text: strings.ReplaceAll(pkcs8Text, "\n", `\n`)},
		{name: "twice escaped line breaks", text: strings.ReplaceAll(pkcs8Text, "\n", `\\n`)},
		{name: "escaped CRLF", text: strings.ReplaceAll(pkcs8Text, "\n", `\r\n`)},
		{name: "escaped and real line breaks", text: strings.ReplaceAll(pkcs8Text, "\n", "\\n\n")},
		{name: "CRLF", text: strings.ReplaceAll(pkcs8Text, "\n", "\r\n")},
		{name: "CR only", text: strings.ReplaceAll(pkcs8Text, "\n", "\r")},
		{name: "line breaks became spaces", text: strings.ReplaceAll(pkcs8Text, "\n", " ")},
		{name: "one line without any space", text: strings.ReplaceAll(pkcs8Text, "\n", "")},
		{name: "spaces around and indentation", text: "  \n\t" + strings.ReplaceAll(pkcs8Text, "\n", "  \n    ") + "  "},
		{name: "quotes around", text: `"` + pkcs8Text + `"`},
		{name: "byte order mark", text: "\ufeff" + pkcs8Text},
		{name: "OCI_API_KEY after the end", text: pkcs8Text + "OCI_API_KEY\n"},
		{name: "OCI_API_KEY right after the end", text: strings.TrimSpace(pkcs8Text) + "OCI_API_KEY"},
		{name: "text before", text: "Bag Attributes\n    friendlyName: x\nKey Attributes: <No Attributes>\n" + pkcs8Text},
		{name: "certificate before", text: selfSigned(t, key) + pkcs8Text},
		{name: "cut-off block before", text: "-----BEGIN CERTIFICATE-----\nAAAA\n" + pkcs8Text},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := auth.ParsePrivateKey(tt.text, testPassphrase)
			if err != nil {
				t.Fatal(err)
			}
			if !got.Equal(key) {
				t.Error("another key")
			}
			if !tt.encrypted {
				return
			}
			if _, err := auth.ParsePrivateKey(tt.text, ""); err == nil || !strings.Contains(err.Error(), "no passphrase") {
				t.Errorf("without passphrase: %v", err)
			}
			if _, err := auth.ParsePrivateKey(tt.text, "wrong"); err == nil || !strings.Contains(err.Error(), "passphrase does not open") {
				t.Errorf("with a wrong passphrase: %v", err)
			}
		})
	}
}

func TestParsePrivateKey_SaysWhatWasFound(t *testing.T) {
	key := testKey()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecDER, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	whole := pkcs8PEM(t, key)
	tests := []struct{ name, text, found, advice string }{
		{"empty", " \n", "found nothing", "PEM file that begins with"},
		{"text", "sk-not-a-key", "found no PEM block", "PEM file"},
		{"path", "/etc/oci/key.pem", "found what looks like a file name", "as the key file"},
		{"public key", pemText("PUBLIC KEY", spki), "found a public key", "the half to upload"},
		{"PKCS#1 public key", pemText("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&key.PublicKey)), "found a public key", "the half to upload"},
		{"certificate", selfSigned(t, key), "found a certificate", "private RSA key"},
		{"EC key", pemText("EC PRIVATE KEY", ecDER), "found an elliptic-curve key", "RSA-2048"},
		{"EC key in PKCS#8", pkcs8PEM(t, ec), "found an elliptic-curve key", "RSA-2048"},
		{"EC key encrypted", encryptedPKCS8(t, ec, nil), "found an elliptic-curve key", "RSA-2048"},
		{"Ed25519 key", pkcs8PEM(t, ed), "found an Ed25519 key", "RSA-2048"},
		{"DSA key", pemText("DSA PRIVATE KEY", []byte{1}), "found a DSA key", "RSA-2048"},
		{"OpenSSH key", pemText("OPENSSH PRIVATE KEY", []byte{1}), "found an OpenSSH private key", "ssh-keygen -p -m PEM"},
		{"other private key", pemText("ANY PRIVATE KEY", []byte{1}), `of type "ANY PRIVATE KEY"`, "PEM file"},
		{"other PEM", pemText("DH PARAMETERS", []byte{1}), `of type "DH PARAMETERS"`, "PEM file"},
		{"SSH public key", "ssh-rsa AAAAB3Nza user@host", "found an SSH public key", "PEM file"},
		{"PuTTY key", "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none", "found a PuTTY key", "ssh-keygen"},
		{"base64 of PEM", base64.StdEncoding.EncodeToString([]byte(whole)), "found the base64 of a PEM file", "base64 -d"},
		{"DER", string(x509.MarshalPKCS1PrivateKey(key)), "found binary DER", "openssl pkey -inform DER"},
		{"cut off", whole[:len(whole)/2], "cut off or damaged", "copy the key again"},
		{"hole in the base64", strings.Replace(whole, "\nM", "\n!", 1), "cut off or damaged", "copy the key again"},
		{"not DER inside", pemText("PRIVATE KEY", []byte("hello")), "found a damaged private key", "copy the key again"},
		{"not PBES2 inside", pemText("ENCRYPTED PRIVATE KEY", []byte("hello")), "cannot be opened (not encrypted with PBES2)", "openssl pkey"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := auth.ParsePrivateKey(tt.text, testPassphrase)
			if _, ok := errors.AsType[*auth.KeyError](err); !ok {
				t.Fatalf("got %v (%T), want a *KeyError", err, err)
			}
			if !strings.Contains(err.Error(), tt.found) || !strings.Contains(err.Error(), tt.advice) {
				t.Errorf("got  %q\nwant %q and %q", err, tt.found, tt.advice)
			}
			for _, line := range strings.Split(whole, "\n")[1:20] {
				if strings.Contains(err.Error(), line) {
					t.Errorf("the error shows a line of the key: %v", err)
				}
			}
		})
	}
}

// encryptedKeyInfo is RFC 5958's EncryptedPrivateKeyInfo with PBES2, to be made
// with parameters that no tool would choose.
type encryptedKeyInfo struct {
	Algorithm struct {
		ID     asn1.ObjectIdentifier
		Params struct{ KDF, Cipher algorithm }
	}
	Data []byte
}

type algorithm struct {
	ID     asn1.ObjectIdentifier
	Params any
}

func marshalEncrypted(t *testing.T, kdf algorithm, iv, data []byte) string {
	t.Helper()
	var info encryptedKeyInfo
	info.Algorithm.ID = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13} // PBES2
	info.Algorithm.Params.KDF = kdf
	info.Algorithm.Params.Cipher = algorithm{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, iv} // AES-256-CBC
	info.Data = data
	der, err := asn1.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	return pemText("ENCRYPTED PRIVATE KEY", der)
}

// TestParsePrivateKey_HostileParameters: a key that asks for days of hashing or
// for all memory fails at once, and one whose lengths are wrong does not panic.
func TestParsePrivateKey_HostileParameters(t *testing.T) {
	salt, iv := make([]byte, 8), make([]byte, 16)
	pbkdf2 := func(rounds int) algorithm {
		return algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}, struct {
			Salt   []byte
			Rounds int
		}{salt, rounds}}
	}
	scrypt := func(n, r, p int) algorithm {
		return algorithm{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}, struct {
			Salt    []byte
			N, R, P int
		}{salt, n, r, p}}
	}
	tests := []struct {
		name     string
		kdf      algorithm
		iv, data []byte
		want     string
	}{
		{"rounds", pbkdf2(1 << 31), iv, iv, "unusual PBKDF2 parameters"},
		{"no rounds", pbkdf2(0), iv, iv, "unusual PBKDF2 parameters"},
		{"memory", scrypt(1<<30, 8, 1), iv, iv, "unusual scrypt parameters"},
		{"block size", scrypt(1<<10, 1<<40, 1), iv, iv, "unusual scrypt parameters"},
		{"parallelism", scrypt(1<<10, 8, 1<<30), iv, iv, "unusual scrypt parameters"},
		{"short IV", pbkdf2(1), iv[:3], iv, "malformed"},
		{"half a block", pbkdf2(1), iv, iv[:7], "malformed"},
		{"no data", pbkdf2(1), iv, nil, "does not open"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := auth.ParsePrivateKey(marshalEncrypted(t, tt.kdf, tt.iv, tt.data), testPassphrase)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzParsePrivateKey(f *testing.F) {
	key := mustGenerate(1024)
	for _, text := range []string{
		pkcs1PEM(key), pkcs8PEM(f, key), encryptedPKCS8(f, key, nil), encryptedLegacy(f, key, x509.PEMCipherAES128),
		strings.ReplaceAll(pkcs1PEM(key), "\n", `\n`), selfSigned(f, key), "", "-----BEGIN ", "-----BEGIN X-----", "-----BEGIN PRIVATE KEY-----a:b-----END PRIVATE KEY-----",
	} {
		f.Add(text, testPassphrase)
		f.Add(text, "")
	}
	f.Fuzz(func(t *testing.T, text, passphrase string) {
		key, err := auth.ParsePrivateKey(text, passphrase)
		if err != nil {
			if _, ok := errors.AsType[*auth.KeyError](err); !ok {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if _, err := auth.Fingerprint(&key.PublicKey); err != nil {
			t.Fatal(err)
		}
	})
}
