package s3

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// ErrNotFound says that there is no such object. It is wrapped into an Error.
var ErrNotFound = errors.New("s3: no such object")

// Error is an answer of the service that is no success.
type Error struct {
	Status    int
	Code      string // such as NoSuchKey; "" where the answer has none
	Message   string
	RequestID string // by which the service's operators find the request
	Region    string // where the bucket is, when another one was asked
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "s3: HTTP %d", e.Status)
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Region != "" {
		b.WriteString(" (the bucket is in the region " + e.Region + ")")
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

// Is makes errors.Is(err, ErrNotFound) say whether an object was not there. A bucket that is not there is a fault.
func (e *Error) Is(target error) bool {
	return target == ErrNotFound && e.Status == http.StatusNotFound && (e.Code == "" || e.Code == "NoSuchKey" || e.Code == "NotFound")
}

// Temporary reports whether the same request may succeed a little later: the service is too busy, or failed inside.
func (e *Error) Temporary() bool {
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return e.Code == "SlowDown" || e.Code == "RequestTimeout"
}

// longest bounds the parts of an error's text, in bytes.
const longest = 300

// readError reads an answer that is no success.
func readError(resp *http.Response, method string) error {
	e := &Error{Status: resp.StatusCode, RequestID: clip(resp.Header.Get("X-Amz-Request-Id"))}
	var body struct {
		Code      string `xml:"Code"`
		Message   string `xml:"Message"`
		RequestID string `xml:"RequestId"`
		Region    string `xml:"Region"`
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, errorBytes))
	if err == nil && method != http.MethodHead && xml.Unmarshal(text, &body) == nil {
		e.Code, e.Message, e.Region = clip(body.Code), clip(body.Message), clip(body.Region)
		if e.RequestID == "" {
			e.RequestID = clip(body.RequestID)
		}
	}
	if region := clip(resp.Header.Get("X-Amz-Bucket-Region")); e.Region == "" && (e.Status/100 == 3 || e.Code == "AuthorizationHeaderMalformed") {
		e.Region = region
	}
	return e
}

// clip makes a foreign text fit for one line.
func clip(text string) string {
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "?")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}
