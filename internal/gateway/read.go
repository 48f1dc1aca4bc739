package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/apierr"
	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// bodyTimeout is how long a caller may take to send its body.
const bodyTimeout = 2 * time.Minute

// read takes the body once and scans its top level.
func (q *request) read() error {
	if err := q.checkEncoding(); err != nil {
		return err
	}
	raw, err := q.readBody()
	if err != nil {
		return err
	}
	q.raw = raw
	body, err := openai.ParseRequest(q.op, raw)
	if err != nil {
		return badBody(q.op, err)
	}
	q.body = body
	return nil
}

// checkEncoding refuses what is not JSON text. A missing Content-Type passes: many clients forget it.
func (q *request) checkEncoding() error {
	if enc := q.r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return &apierr.Error{Status: http.StatusUnsupportedMediaType, Param: "content-encoding", Message: "Unsupported Content-Encoding: send the body uncompressed."}
	}
	ct := q.r.Header.Get("Content-Type")
	if ct == "" {
		return nil
	}
	media, _, err := mime.ParseMediaType(ct)
	if err == nil && (media == "application/json" || strings.HasSuffix(media, "+json") || media == "text/json") {
		return nil
	}
	return &apierr.Error{
		Status: http.StatusUnsupportedMediaType, Param: "content-type",
		Message: fmt.Sprintf("Unsupported Content-Type %s: send the body with 'Content-Type: application/json'.", strconv.QuoteToASCII(clip(ct))),
	}
}

func (q *request) readBody() ([]byte, error) {
	limit := q.snap.MaxBody
	size := q.r.ContentLength
	if limit > 0 && size > limit {
		return nil, tooLarge(size, limit)
	}
	rc := http.NewResponseController(q.w)
	if size < 0 || size > fitsSocket { // else the stranger's time does
		_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout)) // not every writer in a test has one
	}
	defer func() { _ = rc.SetReadDeadline(time.Time{}) }()
	if size >= 0 && size <= maxTrusted {
		buf := make([]byte, size)
		if _, err := io.ReadFull(q.r.Body, buf); err != nil {
			return nil, unreadable(err)
		}
		return buf, nil
	}
	body := io.Reader(q.r.Body)
	if limit > 0 {
		body = io.LimitReader(body, limit+1)
	}
	var buf bytes.Buffer
	buf.Grow(maxTrusted)
	if _, err := buf.ReadFrom(body); err != nil {
		return nil, unreadable(err)
	}
	if got := int64(buf.Len()); limit > 0 && got > limit {
		return nil, tooLarge(got, limit)
	}
	return buf.Bytes(), nil
}

// maxTrusted is the longest body, in bytes, that memory is set aside for before it has come.
const maxTrusted = 1 << 20

func unreadable(err error) error {
	message := "The request body ended before its announced length."
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return &apierr.Error{Status: http.StatusRequestTimeout, Message: "The request body did not arrive in time."}
	}
	return &apierr.Error{Status: http.StatusBadRequest, Param: "request_body", Message: message}
}

func tooLarge(size, limit int64) error {
	const mb = 1 << 20
	return (&apierr.Error{
		Status: http.StatusRequestEntityTooLarge, Type: "bad_request_error", Param: "content-length",
		Message: fmt.Sprintf("Request size is too large. Request size is %.2f MB. Max size is %s MB (general_settings.max_request_size_mb).",
			float64(size)/mb, strconv.FormatFloat(math.Round(float64(limit)/mb*100)/100, 'f', -1, 64)),
	}).NoRetry()
}

// badBody puts a parse error into LiteLLM's words.
func badBody(op openai.Operation, err error) error {
	var syntax *jsonscan.SyntaxError
	if errors.As(err, &syntax) {
		return &apierr.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Param: "request_body", Message: "Invalid JSON payload: " + syntax.Error()}
	}
	var parse *openai.ParseError
	if errors.As(err, &parse) {
		return &apierr.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Param: parse.Param, Message: string(op) + ": " + parse.Message}
	}
	return err
}

// clip bounds a text of the caller's that is quoted in an answer.
func clip(s string) string {
	const longest = 200
	if len(s) > longest {
		return s[:longest] + "..."
	}
	return s
}
