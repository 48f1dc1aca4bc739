package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers in the signing string, in the order of Oracle's own SDKs. The
// server follows whatever order the Authorization header announces.
const (
	hostlessHeaders = "date (request-target)"
	plainHeaders    = hostlessHeaders + " host"
	bodyHeaders     = " content-length content-type x-content-sha256"
)

// emptySHA256 is the base64 of SHA-256 over no bytes.
const emptySHA256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

// ErrNoKey is returned when a request is to be signed with a snapshot that has no key.
var ErrNoKey = errors.New("oci: sign: the credential has no key")

// Body is what a signature says about a request body: its length and its
// SHA-256. It is computed once and serves every attempt that sends the same
// bytes. The zero Body stands for an empty one.
type Body struct {
	sum    string // standard base64; empty for an empty body
	size   string // decimal
	length int64
}

// HashBody describes a body that lies in memory in one or more pieces.
func HashBody(segments ...[]byte) Body {
	if len(segments) == 1 {
		return BodyFromSum(sha256.Sum256(segments[0]), int64(len(segments[0])))
	}
	h := sha256.New()
	var length int64
	for _, s := range segments {
		h.Write(s) // a hash never fails
		length += int64(len(s))
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return BodyFromSum(sum, length)
}

// BodyFromSum describes a body whose SHA-256 and length in bytes are known already.
func BodyFromSum(sum [sha256.Size]byte, length int64) Body {
	return Body{
		sum:    base64.StdEncoding.EncodeToString(sum[:]),
		size:   strconv.FormatInt(length, 10),
		length: length,
	}
}

// Len is the body's length in bytes.
func (b Body) Len() int64 { return b.length }

func (b Body) header() (sum, size string) {
	if b.sum == "" {
		return emptySHA256, "0"
	}
	return b.sum, b.size
}

// SignRequest signs req as of now and leaves it ready to send. It sets Date and
// Authorization, for POST, PUT and PATCH also Content-Length, X-Content-Sha256
// and, where it is missing, Content-Type; it removes credentials that were set
// before. What is signed is what net/http sends: the request target with its raw
// query, and the host with a port if the URL has one.
//
// extra names more headers to sign, as opc-obo-token is for calls on behalf of
// someone; each must be set on req. (opc-compartment-id is sent unsigned.)
//
// A request may be signed again, for a later attempt or with a renewed
// credential; a signature is good for five minutes either side of its Date.
func SignRequest(req *http.Request, snap Snapshot, body Body, now time.Time, extra ...string) error {
	return signDated(req, snap, body, now.UTC().Format(http.TimeFormat), extra)
}

// signWithoutHost is SignRequest for the federation service, for which Oracle's
// SDKs leave the host out of what is signed.
func signWithoutHost(req *http.Request, snap Snapshot, body Body, now time.Time) error {
	return sign(req, snap, body, now.UTC().Format(http.TimeFormat), nil, false)
}

// signDated is SignRequest with the Date header as text: the published test
// vectors carry a weekday that no clock produces.
func signDated(req *http.Request, snap Snapshot, body Body, date string, extra []string) error {
	return sign(req, snap, body, date, extra, true)
}

func sign(req *http.Request, snap Snapshot, body Body, date string, extra []string, withHost bool) error {
	if snap.Key == nil {
		return ErrNoKey
	}
	values := make(headerValues, 5)
	if err := setHeaders(req, values, body, date); err != nil {
		return err
	}
	var stack [1536]byte // holds a usual signing string; a longer one moves to the heap
	text, err := appendSigningString(stack[:0], req, extra, withHost)
	if err != nil {
		return err
	}
	signature, err := snap.Key.SignDigest(sha256.Sum256(text))
	if err != nil {
		return fmt.Errorf("oci: sign: %w", err)
	}

	b := text[:0]
	b = append(b, `Signature version="1",headers="`...)
	b = append(b, signedHeaders(req.Method, withHost)...)
	for _, name := range extra {
		b = append(b, ' ')
		b = append(b, strings.ToLower(name)...)
	}
	b = append(b, `",keyId="`...)
	b = append(b, snap.KeyID...)
	b = append(b, `",algorithm="rsa-sha256",signature="`...)
	b = base64.StdEncoding.AppendEncode(b, signature)
	b = append(b, '"')
	values.set(req.Header, 4, "Authorization", string(b))
	return nil
}

// headerValues is one array for the values of all the headers that are set, as
// net/http's own reader lays them out.
type headerValues []string

// set makes value, kept at index i, the only one of the header name (in canonical form).
func (v headerValues) set(h http.Header, i int, name, value string) {
	v[i] = value
	h[name] = v[i : i+1 : i+1]
}

// setHeaders puts everything on req that the signature covers.
func setHeaders(req *http.Request, values headerValues, body Body, date string) error {
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	h := req.Header
	delete(h, "Authorization")
	delete(h, "X-Api-Key")
	values.set(h, 0, "Date", date)
	if !hasBody(req.Method) {
		return nil
	}

	if req.ContentLength > 0 && req.ContentLength != body.length {
		return fmt.Errorf("oci: sign: the hash covers %d bytes, the request carries %d", body.length, req.ContentLength)
	}
	if body.length == 0 && req.Body != nil && req.Body != http.NoBody {
		return errors.New("oci: sign: the request has a body, but its hash was not given")
	}
	req.ContentLength = body.length // net/http sends this, not the header
	sum, size := body.header()
	values.set(h, 1, "Content-Length", size)
	values.set(h, 2, "X-Content-Sha256", sum)
	if h.Get("Content-Type") == "" {
		values.set(h, 3, "Content-Type", "application/json")
	}
	return nil
}

// appendSigningString appends one line per signed header, "name: value" joined
// by newlines, to b. It reads the values that setHeaders left on req.
func appendSigningString(b []byte, req *http.Request, extra []string, withHost bool) ([]byte, error) {
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	b = append(b, "date: "...)
	b = append(b, req.Header.Get("Date")...)
	b = append(b, "\n(request-target): "...)
	b = append(b, lowerMethod(req.Method)...)
	b = append(b, ' ')
	b = append(b, req.URL.RequestURI()...)
	if withHost {
		b = append(b, "\nhost: "...)
		b = append(b, host...)
	}
	if hasBody(req.Method) {
		b = append(b, "\ncontent-length: "...)
		b = append(b, req.Header.Get("Content-Length")...)
		b = append(b, "\ncontent-type: "...)
		b = append(b, req.Header.Get("Content-Type")...)
		b = append(b, "\nx-content-sha256: "...)
		b = append(b, req.Header.Get("X-Content-Sha256")...)
	}
	for _, name := range extra {
		values := req.Header.Values(name)
		if len(values) == 0 {
			return nil, fmt.Errorf("oci: sign: header %s is to be signed but not set", name)
		}
		b = append(b, '\n')
		b = append(b, strings.ToLower(name)...)
		b = append(b, ": "...)
		b = append(b, strings.Join(values, ", ")...)
	}
	return b, nil
}

// hasBody tells whether OCI wants the body signed. For these methods it does
// even if the body is empty.
func hasBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

func signedHeaders(method string, withHost bool) string {
	switch {
	case hasBody(method) && withHost:
		return plainHeaders + bodyHeaders
	case hasBody(method):
		return hostlessHeaders + bodyHeaders
	case withHost:
		return plainHeaders
	}
	return hostlessHeaders
}

// lowerMethod lower-cases a method; net/http takes an empty one for GET.
func lowerMethod(method string) string {
	switch method {
	case http.MethodPost:
		return "post"
	case http.MethodGet, "":
		return "get"
	}
	return strings.ToLower(method)
}
