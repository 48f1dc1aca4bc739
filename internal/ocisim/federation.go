package ocisim

import (
	"bytes"
	"crypto/rsa"
	"encoding/json"
	"errors"

	"tollgate/internal/ocisim/identity"
)

// federationHeaders are what a signature for the auth service covers: Oracle's SDKs leave the host out there.
var federationHeaders = []string{"date", "(request-target)", "content-length", "content-type", "x-content-sha256"}

// tokenReply is how the auth service hands a token out.
type tokenReply struct {
	Token string `json:"token"`
}

// federate gives an instance its token for its certificate. The request is signed with the certificate's key.
func (x *exchange) federate() error {
	var body struct {
		Certificate   string   `json:"certificate"`
		PublicKey     string   `json:"publicKey"`
		Intermediates []string `json:"intermediateCertificates"`
		Purpose       string   `json:"purpose"`
		Fingerprint   string   `json:"fingerprintAlgorithm"`
	}
	if err := x.readJSON(&body); err != nil {
		return err
	}
	switch {
	case body.Certificate == "":
		return missingParameter("certificate is missing")
	case body.PublicKey == "":
		return missingParameter("publicKey is missing")
	case body.Purpose != "" && body.Purpose != "DEFAULT":
		return badParameter("purpose %q is not known", body.Purpose)
	case body.Fingerprint != "" && body.Fingerprint != "SHA1" && body.Fingerprint != "SHA256":
		return badParameter("fingerprintAlgorithm %q is not known", body.Fingerprint)
	}
	i, now := x.s.identity, x.s.clock()
	shown, err := i.authority.Read(body.Certificate, body.Intermediates, now)
	if err != nil {
		return x.refuse(err)
	}
	_, err = verifySignature(x.r, x.body, now, federationHeaders, func(keyID string) (*rsa.PublicKey, error) {
		if !shown.Named(keyID) {
			return nil, errors.New("the keyId is not that of the certificate")
		}
		return shown.Key, nil
	})
	if err != nil {
		return x.refuse(err)
	}
	session, err := identity.SessionKey(body.PublicKey)
	if err != nil {
		return badParameter("publicKey: %s", err)
	}
	token, err := i.grant(shown.Who, session, i.Options().TokenLife, shown.Fingerprint)
	if err != nil {
		return err
	}
	return x.reply(tokenReply{token})
}

// refuse answers 401 and keeps why for the log.
func (x *exchange) refuse(why error) error {
	x.failure = why.Error()
	return x.s.unauthenticated()
}

// readJSON reads the body of an identity service. Members that it does not know do not matter.
func (x *exchange) readJSON(v any) error {
	dec := json.NewDecoder(bytes.NewReader(x.body))
	if err := dec.Decode(v); err != nil {
		return unparsable("the body is not the JSON that is wanted: %s", jsonFault(err))
	}
	if dec.More() {
		return unparsable("the body goes on after its JSON value")
	}
	return nil
}
