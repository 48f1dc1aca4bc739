//go:build openssl

package auth

/*
#cgo LDFLAGS: -l:libcrypto.a
#cgo noescape tg_sign
#cgo nocallback tg_sign
#include <stdlib.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

// tg_key reads a PKCS#1 private key. NULL on failure.
static EVP_PKEY *tg_key(const unsigned char *der, long len) {
	// A configuration file could load other providers, from shared objects.
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	EVP_PKEY *key = d2i_PrivateKey(EVP_PKEY_RSA, NULL, &der, len);
	ERR_clear_error();
	return key;
}

// tg_ctx makes a context that signs SHA-256 digests with PKCS#1 v1.5 padding,
// any number of times, one at a time. NULL on failure.
static EVP_PKEY_CTX *tg_ctx(EVP_PKEY *key) {
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	if (ctx == NULL || EVP_PKEY_sign_init(ctx) != 1 ||
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) != 1 ||
	    EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) != 1) {
		EVP_PKEY_CTX_free(ctx);
		ctx = NULL;
	}
	ERR_clear_error();
	return ctx;
}

// tg_sign returns 0, or an OpenSSL error code. The error queue belongs to the
// thread, and Go may move a goroutine between two calls: it is read here.
static unsigned long tg_sign(EVP_PKEY_CTX *ctx, unsigned char *sig, size_t *siglen,
                             const unsigned char *digest, size_t len) {
	if (EVP_PKEY_sign(ctx, sig, siglen, digest, len) == 1)
		return 0;
	unsigned long code = ERR_get_error();
	ERR_clear_error();
	return code != 0 ? code : 1;
}
*/
import "C"

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

// Engine names the RSA arithmetic of this build.
const Engine = "openssl"

// opensslEngine signs with OpenSSL's libcrypto, linked statically. OpenSSL blinds
// the operation and checks the result against the public key before it returns
// it; both are its defaults, nothing here switches them off.
type opensslEngine struct {
	key      *C.EVP_PKEY // shared by the contexts, each of which holds a reference
	size     int         // of a signature, in bytes
	contexts sync.Pool   // of *signContext; one is used by one goroutine at a time
}

// signContext owns an EVP_PKEY_CTX. Setting one up costs a few microseconds,
// so they are kept.
type signContext struct{ ctx *C.EVP_PKEY_CTX }

func newEngine(key *rsa.PrivateKey) (engine, error) {
	der := x509.MarshalPKCS1PrivateKey(key)
	pkey := C.tg_key((*C.uchar)(unsafe.SliceData(der)), C.long(len(der)))
	clear(der)
	if pkey == nil {
		return nil, errors.New("openssl: refused the key")
	}
	e := &opensslEngine{key: pkey, size: key.Size()}
	runtime.AddCleanup(e, func(p *C.EVP_PKEY) { C.EVP_PKEY_free(p) }, pkey)
	return e, nil
}

// context takes an idle context or makes one.
func (e *opensslEngine) context() (*signContext, error) {
	if c, ok := e.contexts.Get().(*signContext); ok {
		return c, nil
	}
	ctx := C.tg_ctx(e.key)
	runtime.KeepAlive(e)
	if ctx == nil {
		return nil, errors.New("openssl: no context for the key")
	}
	c := &signContext{ctx}
	runtime.AddCleanup(c, func(p *C.EVP_PKEY_CTX) { C.EVP_PKEY_CTX_free(p) }, ctx)
	return c, nil
}

func (e *opensslEngine) signPKCS1v15SHA256(digest [sha256.Size]byte) ([]byte, error) {
	c, err := e.context()
	if err != nil {
		return nil, err
	}
	signature := make([]byte, e.size)
	length := C.size_t(len(signature))
	code := C.tg_sign(c.ctx, (*C.uchar)(unsafe.SliceData(signature)), &length, (*C.uchar)(&digest[0]), sha256.Size)
	runtime.KeepAlive(c)
	if code != 0 {
		return nil, fmt.Errorf("openssl: sign: error %#x", uint64(code))
	}
	e.contexts.Put(c)
	return signature[:length], nil
}
