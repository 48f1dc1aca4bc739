package ocisim

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/ocisim/identity"
)

// exchange is one request on its way through the service.
type exchange struct {
	s        *Server
	w        http.ResponseWriter
	r        *http.Request
	op       string
	body     []byte
	variants Variants // as they were when the request came
	identity bool     // one of the identity services
	who      identity.Principal

	requestID string
	key       string // public name of the caller, empty until authenticated
	model     string // what was asked for
	stream    bool
	rule      Rule
	status    int    // what was sent, zero before the first byte
	failure   string // why the request failed, for log and journal
	count     Count
	recorded  bool
}

// operation is one entry of the route table.
type operation struct {
	name   string
	access access
	handle func(*exchange) error
}

// access is how callers of an operation prove themselves.
type access int

const (
	signed      access = iota // a signature
	signedOrKey               // a signature, or a GenAI API key as bearer token
	identified                // one of the identity services: a signature
	open                      // one of the identity services: its handler knows how
)

// serve runs a request: authentication comes before everything else, then faults, then the operation.
func (s *Server) serve(op operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{
			s: s, w: w, r: r, op: op.name, variants: s.Variants(), requestID: s.requestID(r),
			identity: op.access == identified || op.access == open,
		}
		w.Header().Set("opc-request-id", x.requestID)
		w.Header().Set("Date", s.clock().UTC().Format(http.TimeFormat))
		defer x.record()
		if err := x.run(op); err != nil {
			x.writeError(err)
		}
	}
}

func (x *exchange) run(op operation) error {
	if err := x.readBody(); err != nil {
		return err
	}
	if op.access != open {
		if err := x.authenticate(op.access == signedOrKey); err != nil {
			return err
		}
	}
	if !x.identity {
		x.model, x.stream = peek(x.body)
		if !x.s.identity.allows(x.who) {
			x.failure = "no policy lets the principal call"
			return x.s.notFound()
		}
	}
	x.rule = x.s.faults.pick(call{op: x.op, model: x.model, key: x.key, stream: x.stream, identity: x.identity})
	if x.rule.Drop {
		x.failure = "connection dropped"
		panic(http.ErrAbortHandler)
	}
	if err := x.wait(x.s.firstDelay(x.rule, x.stream)); err != nil {
		return err
	}
	if err := x.rule.failure(x.variants); err != nil {
		return err
	}
	return op.handle(x)
}

func (x *exchange) readBody() error {
	limit := x.variants.MaxBodyBytes
	body, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &serviceError{
			status: http.StatusRequestEntityTooLarge, code: "RequestEntityTooLarge",
			message: "The body is larger than " + strconv.FormatInt(limit, 10) + " bytes.",
		}
	case err != nil:
		return unparsable("the body ends too early")
	}
	x.body = body
	return nil
}

// authenticate accepts a signature, and a GenAI API key where the operation takes one.
func (x *exchange) authenticate(bearer bool) error {
	now := x.s.clock()
	if scheme, key, ok := strings.Cut(x.r.Header.Get("Authorization"), " "); ok && bearer && strings.EqualFold(scheme, "Bearer") {
		if !x.s.keys.bearer(strings.TrimSpace(key), now) {
			x.failure = "the API key is unknown or expired"
			return x.s.unauthenticated()
		}
		x.key, x.who = publicName(strings.TrimSpace(key)), identity.Principal{Kind: identity.APIKey}
		return nil
	}
	keyID, who, err := x.s.keys.verify(x.r, x.body, now)
	if err != nil {
		x.failure = err.Error()
		e := x.s.unauthenticated()
		if errors.Is(err, errLength) && x.variants.LengthMismatchStatus == http.StatusBadRequest {
			e = badParameter("%s", err)
		}
		return e
	}
	x.key, x.who = publicName(keyID), who
	return nil
}

// wait sleeps unless the caller leaves first.
func (x *exchange) wait(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-x.r.Context().Done():
		return context.Cause(x.r.Context())
	}
}

// reply sends a unary 200.
func (x *exchange) reply(v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	switch {
	case x.rule.Empty == "body":
		body = nil
	case x.rule.GarbageAfter != nil:
		body = []byte(`{"chatResponse":<html>upstream connect error`)
	}
	x.count.Calls = 1
	return x.send(http.StatusOK, body)
}

// send writes a body as a whole, or as badly as the fault rule wants.
func (x *exchange) send(status int, body []byte) error {
	h := x.w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	if x.rule.ContentType != "" {
		h.Set("Content-Type", x.rule.ContentType)
	}
	if x.offersZstd() {
		h.Set("Content-Encoding", "zstd")
		body = zstdFrame(body)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	x.status = status
	cut := x.rule.CutAfter != nil
	if cut {
		x.brokeOff("body cut")
		body = body[:len(body)/2]
	}
	x.record()
	x.w.WriteHeader(status)
	if err := x.writeBody(body); err != nil {
		return err
	}
	if cut {
		if err := http.NewResponseController(x.w).Flush(); err != nil {
			return err
		}
		panic(http.ErrAbortHandler)
	}
	return nil
}

// writeBody writes at once, or 64 bytes at a time when the rule slows it.
func (x *exchange) writeBody(body []byte) error {
	pause := time.Duration(x.rule.SlowBody)
	if pause == 0 {
		_, err := x.w.Write(body)
		return err
	}
	for len(body) > 0 {
		n := min(64, len(body))
		if _, err := x.w.Write(body[:n]); err != nil {
			return err
		}
		if err := http.NewResponseController(x.w).Flush(); err != nil {
			return err
		}
		if body = body[n:]; len(body) > 0 {
			if err := x.wait(pause); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeError is the one place where an error becomes a reply. After the first byte nothing can be said any more.
func (x *exchange) writeError(err error) {
	if x.failure == "" {
		x.failure = err.Error()
	}
	if x.status != 0 || x.r.Context().Err() != nil {
		x.brokeOff(x.failure)
		return
	}
	var e *serviceError
	if !errors.As(err, &e) {
		x.s.log.Error("ocisim: request failed", "error", err)
		e = internalError()
	}
	body := e.bare
	if body == nil {
		body = struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		}{e.code, e.message}
	}
	if e.retryAfter != "" {
		x.w.Header().Set("Retry-After", e.retryAfter)
	}
	b, err := encode(body)
	if err != nil {
		b = []byte("{}")
	}
	x.count = Count{Refused: 1}
	x.failure = e.Error() + reason(x.failure, e)
	if err := x.send(e.status, b); err != nil {
		x.s.log.Debug("ocisim: caller left", "error", err)
	}
}

// reason keeps why a caller was refused for the log: the reply does not say.
func reason(failure string, e *serviceError) string {
	if failure == "" || failure == e.Error() {
		return ""
	}
	return " (" + failure + ")"
}

func (x *exchange) brokeOff(why string) {
	x.count.Calls, x.count.BrokenOff = 0, 1
	x.failure = why
}

// record counts, logs and remembers the request, once, however it ends. It runs before the last bytes go out, so that a
// caller who has the whole reply finds it counted.
func (x *exchange) record() {
	if x.recorded {
		return
	}
	x.recorded = true
	switch {
	case x.identity:
		x.s.identity.counted(x.op, x.status)
	case x.key != "" && x.count != (Count{}):
		x.s.meter.add(x.key, x.model, x.count)
	}
	x.s.log.LogAttrs(x.r.Context(), slog.LevelDebug, "ocisim: request",
		slog.String("op", x.op), slog.String("model", x.model), slog.String("key", x.key), slog.Int("status", x.status),
		slog.String("failure", x.failure), slog.String("rule", x.rule.ID), slog.String("opc_request_id", x.requestID))
	x.s.journal.add(entry{
		Time: x.s.clock(), RequestID: x.requestID, Method: x.r.Method, Target: x.r.RequestURI, Op: x.op, Key: x.key,
		Model: x.model, Headers: shownHeaders(x.r), Body: x.shownBody(),
		Status: x.status, Failure: x.failure, Rule: x.rule.ID,
	})
}

// shownBody leaves out what is said to the identity services: tokens are exchanged there.
func (x *exchange) shownBody() string {
	if x.identity {
		return ""
	}
	return string(x.body[:min(len(x.body), journalBody)])
}

// shownHeaders leaves out what a caller proves itself with.
func shownHeaders(r *http.Request) map[string]string {
	shown := make(map[string]string, len(r.Header))
	for name, values := range r.Header {
		value := strings.Join(values, ", ")
		if name == "Authorization" {
			value, _, _ = strings.Cut(value, " ")
			value += " (hidden)"
		}
		shown[strings.ToLower(name)] = value
	}
	return shown
}

var segmentPattern = regexp.MustCompile(`^[A-Za-z0-9]{1,32}$`)

// requestID is the reply's opc-request-id: the client's own segment, when it sent one, then the stack's and ours.
func (s *Server) requestID(r *http.Request) string {
	client, _, _ := strings.Cut(r.Header.Get("opc-request-id"), "/")
	if !segmentPattern.MatchString(client) {
		client = s.hex(32)
	}
	return client + "/" + s.hex(32) + "/" + s.hex(32)
}
