package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/access"
	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/telemetry"
)

// Route is one entry of the table: what access decides from, and who serves it. Serve writes the whole answer. The caller has
// been admitted to the route.
type Route struct {
	access.Route
	Serve func(w http.ResponseWriter, r *http.Request, who *access.Identity)
}

// call is one request of the management API while it is served, by one goroutine.
type call struct {
	api      *API
	request  *http.Request
	header   http.Header // of the answer
	who      caller
	settings *Settings
	now      time.Time
	id       string
	ignored  []string                   // unknown fields of the request
	echoes   map[string]json.RawMessage // fields of the request that replies show and nobody writes
}

// stream is an answer that is written piece by piece, of any length. An error after the first byte ends the connection.
type stream func(w io.Writer) error

// handler serves a request that is not decoded yet.
type handler func(ctx context.Context, c *call) (any, error)

// does makes a handler of a plain function: the request is decoded into a T, a struct of Opt, Declined and embedded fields.
func does[T any](do func(ctx context.Context, c *call, in T) (any, error)) handler {
	t := reflect.TypeFor[T]()
	inBodies, inQueries := fieldsOf(t, inBody), fieldsOf(t, inQuery)
	return func(ctx context.Context, c *call) (any, error) {
		var in T
		fields := inBodies
		if c.request.Method == http.MethodGet || c.request.Method == http.MethodHead {
			fields = inQueries
		}
		if err := c.decode(reflect.ValueOf(&in).Elem(), fields); err != nil {
			return nil, err
		}
		return do(ctx, c, in)
	}
}

// route makes an entry of the table for calls that work on the database.
func (a *API) route(method, path string, permission access.Permission, sentence string, h handler) Route {
	return a.entry(method, path, permission, sentence, func(ctx context.Context, c *call) (any, error) {
		if a.opts.Store == nil {
			return nil, noDatabase()
		}
		return h(ctx, c)
	})
}

// stateless makes an entry for calls that need no database.
func (a *API) stateless(method, path string, permission access.Permission, sentence string, h handler) Route {
	return a.entry(method, path, permission, sentence, h)
}

func (a *API) entry(method, path string, permission access.Permission, sentence string, h handler) Route {
	return Route{
		Route: access.Route{Method: method, Path: path, Permission: permission, Summary: sentence},
		Serve: func(w http.ResponseWriter, r *http.Request, who *access.Identity) { a.serve(w, r, who, h) },
	}
}

// callIDHeader is set by the gateway before it hands a request on.
const callIDHeader = "X-Litellm-Call-Id"

func (a *API) serve(w http.ResponseWriter, r *http.Request, who *access.Identity, h handler) {
	c := &call{api: a, request: r, header: w.Header(), who: callerOf(who), settings: a.opts.Settings(), now: a.now(), id: w.Header().Get(callIDHeader)}
	if c.id == "" {
		c.id = telemetry.NewID()
		c.header.Set(callIDHeader, c.id)
	}
	answer, err := h(r.Context(), c)
	if err == nil {
		err = c.write(w, answer)
	}
	if err != nil {
		c.fail(w, err)
	}
}

// fail answers with an error, and logs what the caller is not shown.
func (c *call) fail(w http.ResponseWriter, err error) {
	e := shown(err)
	if e.Status >= http.StatusInternalServerError && e.Cause != nil {
		c.api.opts.Log.Error("admin: a call failed", "call_id", c.id, "method", c.request.Method, "path", c.request.URL.Path, "error", e.Cause)
	}
	e.Write(w)
}

// write encodes an answer. Only an error before the first byte is returned.
func (c *call) write(w http.ResponseWriter, answer any) error {
	w.Header().Set("Content-Type", "application/json")
	if s, ok := answer.(stream); ok {
		return c.writeStream(w, s)
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(answer); err != nil {
		return err
	}
	text := bytes.TrimSuffix(body.Bytes(), []byte("\n"))
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // the caller may have gone
	return nil
}

func (c *call) writeStream(w http.ResponseWriter, s stream) error {
	counted := &counter{w: w}
	err := s(counted)
	if err == nil || counted.n == 0 {
		return err
	}
	c.api.opts.Log.Error("admin: an answer broke off", "call_id", c.id, "path", c.request.URL.Path, "error", err)
	panic(http.ErrAbortHandler) // the caller must not take what it got for the whole answer
}

// counter counts what was written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// decode reads the request into a struct of fields.
func (c *call) decode(to reflect.Value, fields []field) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	return c.decodeMembers(to, fields, body)
}

// decodeMembers is decode for the members of a JSON object that was read already.
func (c *call) decodeMembers(to reflect.Value, fields []field, body map[string]json.RawMessage) error {
	d := decodeInto(to, fields, body, c.request)
	d.ignored = c.takeEchoes(to, d.ignored, body)
	if len(d.ignored) > 0 {
		if c.settings.StrictManagementAPI {
			return named(d.ignored[0], badRequest("Unknown fields: %s. strict_management_api is on, so they are refused.", strings.Join(d.ignored, ", ")))
		}
		c.ignore(d.ignored)
	}
	if len(d.problems) > 0 {
		return invalid(d.problems)
	}
	if d.declined != nil {
		return d.declined
	}
	return nil
}

// body reads the JSON object of the request; none, and null, is an empty one.
func (c *call) body() (map[string]json.RawMessage, error) {
	if c.request.Body == nil || c.request.Method == http.MethodGet || c.request.Method == http.MethodHead {
		return nil, nil
	}
	text, err := io.ReadAll(http.MaxBytesReader(nil, c.request.Body, c.api.opts.MaxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, named("content-length", badRequest("Request size is too large. Max size is %d bytes", tooLarge.Limit))
	}
	if err != nil {
		return nil, badRequest("The request's body could not be read.")
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	var body map[string]json.RawMessage
	err = json.Unmarshal(text, &body)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return nil, invalid([]problem{{Loc: []any{inBody}, Msg: "Input should be a valid dictionary or object to extract fields from", Type: "model_attributes_type"}})
	}
	if err != nil {
		return nil, &apierr.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Param: "request_body", Message: "Invalid JSON payload: " + err.Error()}
	}
	return body, nil
}

// Bounds of the header that names ignored fields: the names are the caller's.
const (
	maxIgnored     = 50
	maxIgnoredName = 100
)

// ignore names fields of the request that nobody knows.
func (c *call) ignore(names []string) {
	c.ignored = append(c.ignored, names...)
	slices.Sort(c.ignored)
	c.ignored = slices.Compact(c.ignored)
	var safe []string
	for _, name := range c.ignored[:min(len(c.ignored), maxIgnored)] {
		name = strings.Map(func(r rune) rune {
			if r < 0x21 || r > 0x7e || r == ',' {
				return '?'
			}
			return r
		}, name)
		safe = append(safe, name[:min(len(name), maxIgnoredName)])
	}
	c.header.Set("x-tollgate-ignored-fields", strings.Join(safe, ", "))
}

// update runs one change of the store. It may run again when the store asks for it, so do must only have effects through tx
// and through variables that it sets anew.
func (c *call) update(ctx context.Context, do func(tx *change) error) error {
	return c.api.opts.Store.Update(ctx, func(tx account.Tx) error { return do(&change{Tx: tx, c: c}) })
}
