package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// longestMessage bounds what of a vendor's own words is passed on, in bytes.
	longestMessage = 200
	// echo is how many bytes in common with a judged text make a vendor's words a repetition of it.
	echo = 12
	// longestWait bounds a Retry-After that is believed.
	longestWait = time.Hour
)

// Error is a vendor that gave no verdict. Its text holds no key and nothing of what was judged.
type Error struct {
	Vendor  string
	Status  int    // of the reply, 0 where there was none
	Message string // a sentence, clipped
	// RetryAfter is how long the vendor wants to be left alone, 0 where it says nothing.
	RetryAfter  time.Duration
	unreachable bool
	large       bool // a reply as long as what was asked, which who asks decides
	cause       error
}

// Error implements error.
func (e *Error) Error() string {
	text := e.Vendor + ": "
	if e.Status != 0 {
		text += fmt.Sprintf("%d %s: ", e.Status, http.StatusText(e.Status))
	}
	return text + e.Message
}

// Unwrap gives the transport's or the signer's error, for the log.
func (e *Error) Unwrap() error { return e.cause }

// Unreachable reports whether the vendor was never asked, as far as anybody can tell: no connection, no answer in time, or a
// 502, 503 or 504 of what stands before it. It is what unreachable_fallback is about.
func (e *Error) Unreachable() bool {
	switch e.Status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return e.unreachable
}

// tellsOfVendor reports whether the error speaks against the vendor as a whole, rather than against one request.
func (e *Error) tellsOfVendor() bool {
	return e.Status == 0 && e.unreachable || e.Status >= 500 || e.Status == http.StatusTooManyRequests || e.Status >= 200 && e.Status < 400
}

// Wrong is the error of a reply that can be read but says something impossible.
func (c *Client) Wrong(format string, args ...any) error {
	return &Error{Vendor: c.vendor, Status: http.StatusOK, Message: fmt.Sprintf(format, args...)}
}

// refused reads a refusal.
func (c *Client) refused(resp *http.Response, body []byte, judged []string) error {
	e := &Error{Vendor: c.vendor, Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header)}
	switch message := c.safe(messageOf(body), judged); {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		e.Message = "it redirects, which is not followed; set the address that it redirects to"
	case message == "":
		e.Message = "it gives no reason that can be shown"
	default:
		e.Message = message
	}
	return e
}

// messageOf finds the words in the shapes that vendors use: {"error":{"message"}}, {"error":"..."}, {"message"}, {"detail"}.
func messageOf(body []byte) string {
	var reply map[string]any
	if json.Unmarshal(body, &reply) != nil {
		return ""
	}
	for _, name := range []string{"message", "Message", "error", "detail"} {
		switch v := reply[name].(type) {
		case string:
			return v
		case map[string]any:
			if s, ok := v["message"].(string); ok {
				return s
			}
		}
	}
	return ""
}

// safe clips a vendor's words and drops them where they repeat a secret or a judged text.
func (c *Client) safe(message string, judged []string) string {
	message = clip(strings.Join(strings.Fields(strings.ToValidUTF8(message, "?")), " "), longestMessage)
	for _, s := range c.secrets {
		if v := s.Reveal(); v != "" && shares(message, v) {
			return ""
		}
	}
	for _, text := range judged {
		if shares(message, text) {
			return ""
		}
	}
	return message
}

// shares reports whether message holds text, or a piece of it that is longer than chance.
func shares(message, text string) bool {
	if len(text) < echo {
		return len(text) > 3 && strings.Contains(message, text)
	}
	for i := 0; i+echo <= len(message); i++ {
		if strings.Contains(text, message[i:i+echo]) {
			return true
		}
	}
	return false
}

func clip(s string, longest int) string {
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + " ..."
}

func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(strings.TrimSpace(h.Get("Retry-After")))
	if err != nil || n < 0 || time.Duration(n) > longestWait/time.Second {
		return 0
	}
	return time.Duration(n) * time.Second
}

// NoCredential is the error of a call that cannot be made because nobody can sign it.
func (c *Client) NoCredential(cause error) error {
	return &Error{Vendor: c.vendor, Message: "there is no valid credential", cause: cause}
}

// ForOperator adds to an error what only the operator may read: why a credential or a connection did not come about.
func ForOperator(err error) error {
	var e *Error
	if errors.As(err, &e) && e.cause != nil {
		return fmt.Errorf("%w (%w)", err, e.cause)
	}
	return err
}
