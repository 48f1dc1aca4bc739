package oci

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/internal/provider"
)

const (
	hello       = `{"model":"alias","messages":[{"role":"user","content":"Hi"}]}`
	genericDone = `{"chatResponse":{"apiFormat":"GENERIC","choices":[{"index":0,"message":{"role":"ASSISTANT","content":[{"type":"TEXT","text":"ok"}]},"finishReason":"stop"}]}}`
)

// refusal is an answer of OCI that is no success.
func refusal(status int, body string, header ...string) *http.Response {
	resp := answer(status, body, false)
	resp.Header.Set("Opc-Request-Id", "A/B/C")
	for i := 0; i+1 < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

// inTurn gives answers one after the other, the last one for ever.
func inTurn(answers ...func() *http.Response) func(*http.Request, []byte) *http.Response {
	next := 0
	return func(*http.Request, []byte) *http.Response {
		a := answers[min(next, len(answers)-1)]
		next++
		return a()
	}
}

func upstreamError(t *testing.T, err error) *provider.UpstreamError {
	t.Helper()
	var e *provider.UpstreamError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an UpstreamError", err)
	}
	return e
}

// Statuses, codes and messages as oci-wire 1.7 and 8.2 have them; L#17390: the same status, OpenAI's type, and the
// opc-request-id kept.
func TestChat_Refusals(t *testing.T) {
	tests := []struct {
		name, model, body string
		status            int
		reason            provider.Reason
		want              string // all of the message but the request's id
		param, code       string
	}{
		{"throttled", "xai.grok-4", `{"code":"TooManyRequests","message":"too many requests for the tenancy"}`, 429, provider.RateLimit, "too many requests for the tenancy", "", "TooManyRequests"},
		{"internal", "xai.grok-4", `{"code":"InternalServerError","message":"internal error"}`, 500, provider.InternalServer, "internal error", "", "InternalServerError"},
		{"OpenAI's error inside", "openai.gpt-5", `{"code":"400","message":"{\"error\":{\"message\":\"Unsupported value\",\"type\":\"invalid_request_error\",\"param\":\"temperature\",\"code\":\"unsupported_value\"}}"}`,
			400, provider.BadRequest, "Unsupported value", "temperature", "unsupported_value"},
		{"OpenAI's error bare", "openai.gpt-5", `{"error":{"message":"Unsupported value","type":"invalid_request_error","param":"seed","code":"unsupported_value"}}`, 400, provider.BadRequest, "Unsupported value", "seed", "unsupported_value"},
		{"xAI's error inside", "xai.grok-4", `{"code":"400","message":"{\"code\":\"Client specified an invalid argument\",\"error\":\"Invalid request content: Invalid function schema.\"}"}`,
			400, provider.BadRequest, "Invalid request content: Invalid function schema.", "", "Client specified an invalid argument"},
		{"Cohere's error inside", "cohere.command-a-03-2025", `{"code":"400","message":"{\"message\":\"invalid request: cannot specify message if the last entry in chat history contains tool results\"}"}`,
			400, provider.BadRequest, "invalid request: cannot specify message if the last entry in chat history contains tool results", "", "400"},
		{"wrong format", "own", `{"code":"400","message":"Chat request type does not match serving model"}`, 400, provider.BadRequest,
			"Chat request type does not match serving model. the model wants another apiFormat than GENERIC: set oci_api_format", "", "400"},
		{"unknown model", "xai.grok-NONEXISTENT-9999", `{"code":"NotAuthorizedOrNotFound","message":"authorization failed or resource not found"}`, 404, provider.NotFound,
			`authorization failed or resource not found. model not found or not authorized: check that the model id "xai.grok-NONEXISTENT-9999" is right and offered in region us-ashburn-1 (oci_region), that oci_compartment_id is right, ` +
				`and that a policy allows it (allow group <group> to use generative-ai-family in compartment <compartment>)`, "", "NotAuthorizedOrNotFound"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			oci := &fakeOCI{answer: func(*http.Request, []byte) *http.Response { return refusal(tt.status, tt.body) }}
			d := openDeployment(t, "model: oci/"+tt.model, oci)
			_, err := d.Chat(t.Context(), parseRequest(t, hello))
			e := upstreamError(t, err)
			if e.Status != tt.status || e.Reason != tt.reason || e.Param != tt.param || e.Code != tt.code {
				t.Errorf("got %+v", e)
			}
			if want := tt.want + " (opc-request-id: A/B/C)"; e.Message != want {
				t.Errorf("message\n got %s\nwant %s", e.Message, want)
			}
			if e.Header.Get("Opc-Request-Id") != "A/B/C" {
				t.Errorf("header %v", e.Header)
			}
			if _, err := d.ChatStream(t.Context(), parseRequest(t, hello)); upstreamError(t, err).Message != e.Message {
				t.Errorf("a stream says %v", err)
			}
		})
	}
}

// design 4: on a 401 the credential is refreshed, the request signed anew and sent once more, also with one
// deployment; oracle/oci-python-sdk#388.
func TestChat_RefreshesOnceOn401(t *testing.T) {
	unauthorized := func() *http.Response {
		return refusal(401, `{"code":"NotAuthenticated","message":"authentication information missing or incorrect"}`)
	}
	t.Run("then it works", func(t *testing.T) {
		oci := &fakeOCI{answer: inTurn(unauthorized, func() *http.Response { return answer(200, genericDone, false) })}
		p := &fakePrincipal{}
		d := openWith(t, testOptions(p), "model: oci/xai.grok-4", oci)
		if _, err := d.Chat(t.Context(), parseRequest(t, hello)); err != nil {
			t.Fatal(err)
		}
		if p.refreshed != 1 || oci.calls != 2 || !strings.Contains(oci.last.Header.Get("Authorization"), `keyId="t/u/f+"`) {
			t.Errorf("%d refreshes, %d calls, signed %s", p.refreshed, oci.calls, oci.last.Header.Get("Authorization"))
		}
	})
	t.Run("or stays refused", func(t *testing.T) {
		oci := &fakeOCI{answer: inTurn(unauthorized)}
		p := &fakePrincipal{}
		d := openWith(t, testOptions(p), "model: oci/xai.grok-4", oci)
		_, err := d.ChatStream(t.Context(), parseRequest(t, hello))
		if e := upstreamError(t, err); e.Status != 401 || p.refreshed != 1 || oci.calls != 2 {
			t.Errorf("%v, %d refreshes, %d calls", e, p.refreshed, oci.calls)
		}
	})
	t.Run("or cannot be refreshed", func(t *testing.T) {
		oci := &fakeOCI{answer: inTurn(unauthorized)}
		broken := errors.New("no key file")
		d := openWith(t, testOptions(&fakePrincipal{refresh: func() error { return broken }}), "model: oci/xai.grok-4", oci)
		_, err := d.Chat(t.Context(), parseRequest(t, hello))
		if e := upstreamError(t, err); e.Status != 401 || !errors.Is(err, broken) || oci.calls != 1 {
			t.Errorf("%v, %d calls", e, oci.calls)
		}
	})
}

// Issue: a 401 that comes from clock skew names the skew; oci-wire 1.4: five minutes either way.
func TestChat_NamesClockSkew(t *testing.T) {
	tests := []struct {
		theirs time.Duration // OCI's clock against ours
		want   string
	}{
		{0, ""},
		{-299 * time.Second, ""},
		{-421 * time.Second, "the clock of this machine is 421 seconds ahead of OCI's, and signatures are valid for 300 seconds: set the clock"},
		{time.Hour, "the clock of this machine is 3600 seconds behind OCI's, and signatures are valid for 300 seconds: set the clock"},
	}
	for _, tt := range tests {
		oci := &fakeOCI{answer: func(*http.Request, []byte) *http.Response {
			return refusal(401, `{"code":"NotAuthenticated","message":"no."}`, "Date", testNow.Add(tt.theirs).Format(http.TimeFormat))
		}}
		d := openDeployment(t, "model: oci/xai.grok-4", oci)
		_, err := d.Chat(t.Context(), parseRequest(t, hello))
		want := "no. (opc-request-id: A/B/C)"
		if tt.want != "" {
			want = "no. " + tt.want + " (opc-request-id: A/B/C)"
		}
		if got := upstreamError(t, err).Message; got != want {
			t.Errorf("%v: got %s, want %s", tt.theirs, got, want)
		}
	}
}

// LO#159 (oci-wire 6 row 2): a model that answers unsupported_value gets the request again without that parameter,
// and the deployment remembers. The param comes in either spelling.
func TestChat_LearnsRefusedParameters(t *testing.T) {
	unsupported := func(param string) func() *http.Response {
		return func() *http.Response {
			return refusal(400, `{"code":"400","message":"{\"error\":{\"message\":\"Unsupported value\",\"param\":\"`+param+`\",\"code\":\"unsupported_value\"}}"}`)
		}
	}
	done := func() *http.Response { return answer(200, genericDone, false) }
	ask := `{"model":"alias","messages":[{"role":"user","content":"Hi"}],"temperature":0.2,"top_p":0.3,"seed":4,"stop":"x"}`

	oci := &fakeOCI{answer: inTurn(unsupported("temperature"), unsupported("top_p"), unsupported("topP"), done)}
	d := openDeployment(t, "model: oci/openai.gpt-4.1\ndrop_params: true", oci)
	if _, err := d.Chat(t.Context(), parseRequest(t, ask)); upstreamError(t, err).Param != "topP" || oci.calls != 3 {
		t.Fatalf("a parameter that was not sent cannot be dropped: %v after %d calls", err, oci.calls)
	}
	oci.answer, oci.calls = inTurn(done), 0
	resp, err := d.Chat(t.Context(), parseRequest(t, ask))
	if err != nil || oci.calls != 1 || !slices.Equal(resp.Dropped, []string{"temperature", "top_p"}) {
		t.Fatalf("remembered: %v, %d calls, dropped %q", err, oci.calls, resp.Dropped)
	}

	oci = &fakeOCI{answer: inTurn(unsupported("temperature"), unsupported("topP"), unsupported("seed"), unsupported("stop"), done)}
	d = openDeployment(t, "model: oci/openai.gpt-4.1\ndrop_params: true", oci)
	if _, err := d.Chat(t.Context(), parseRequest(t, ask)); upstreamError(t, err).Param != "stop" || oci.calls != 4 {
		t.Errorf("at most three times: %v after %d calls", err, oci.calls)
	}

	oci = &fakeOCI{answer: inTurn(unsupported("temperature"), done)}
	d = openDeployment(t, "model: oci/openai.gpt-4.1", oci)
	if _, err := d.Chat(t.Context(), parseRequest(t, ask)); upstreamError(t, err).Param != "temperature" || oci.calls != 1 {
		t.Errorf("without drop_params: %v after %d calls", err, oci.calls)
	}
}

// One caller's bad value must not take the parameter from the others.
func TestChat_ForgetsRefusedValues(t *testing.T) {
	refuse := func() *http.Response {
		return refusal(400, `{"code":"400","message":"{\"error\":{\"message\":\"Unsupported value\",\"param\":\"reasoning_effort\",\"code\":\"unsupported_value\"}}"}`)
	}
	done := func() *http.Response { return answer(200, genericDone, false) }
	asking := func(more string) string {
		return `{"model":"alias","messages":[{"role":"user","content":"Hi"}]` + more + `}`
	}
	for settings, drop := range map[string]string{"\ndrop_params: true": "", "": `,"drop_params":true`} {
		oci := &fakeOCI{answer: inTurn(refuse, done, done)}
		d := openDeployment(t, "model: oci/openai.gpt-5"+settings, oci)
		if resp, err := d.Chat(t.Context(), parseRequest(t, asking(`,"reasoning_effort":"minimal"`+drop))); err != nil || !slices.Equal(resp.Dropped, []string{"reasoning_effort"}) {
			t.Fatalf("%v", err)
		}
		if _, err := d.Chat(t.Context(), parseRequest(t, asking(`,"reasoning_effort":"low"`))); err != nil || oci.calls != 3 || !strings.Contains(string(oci.body), `"reasoningEffort":"LOW"`) {
			t.Errorf("another caller: %v, %d calls, %s", err, oci.calls, oci.body)
		}
	}
}

// oci-wire 6 row 29: some dedicated clusters reject isStream; their answer comes in one piece, and the caller gets
// a stream all the same.
func TestChatStream_ClusterWithoutStreams(t *testing.T) {
	for _, refused := range []string{"isStream is not supported", "Streaming is not supported by this endpoint", "Stream responses are not allowed"} {
		t.Run(refused, func(t *testing.T) { replayAsStream(t, refused) })
	}
}

func replayAsStream(t *testing.T, refused string) {
	oci := &fakeOCI{answer: inTurn(
		func() *http.Response { return refusal(400, `{"code":"400","message":"`+refused+`"}`) },
		func() *http.Response {
			return answer(200, `{"chatResponse":{"apiFormat":"GENERIC","choices":[{"index":0,"message":{"role":"ASSISTANT","content":[{"type":"TEXT","text":"ok"}],"toolCalls":[{"id":"a","name":"f","arguments":"{}"}]},"finishReason":"stop"}],"usage":{"promptTokens":2,"completionTokens":1}}}`, false)
		})}
	d := openDeployment(t, "model: oci/own\noci_endpoint_id: ocid1.generativeaiendpoint.oc1..e", oci)
	for range 2 {
		got := ask(t, d, parseRequest(t, hello), true)
		compareLines(t, "chunk", got.lines, `
			{"choices":[{"index":0,"delta":{"role":"assistant","content":"ok"},"finish_reason":null}]}
			{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":null}]}
			{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}
			{"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":1,"total_tokens":3}}`)
		if got.err != "" || strings.Contains(string(oci.body), "isStream") {
			t.Errorf("%s, body %s", got.err, oci.body)
		}
	}
	if oci.calls != 3 {
		t.Errorf("%d calls, want 3: the second stream knows", oci.calls)
	}
}

// A refusal that only sounds like one of streams is found out by the answer in one piece, and teaches nothing.
func TestChatStream_RefusalThatSoundsLikeOne(t *testing.T) {
	oci := &fakeOCI{answer: func(*http.Request, []byte) *http.Response {
		return refusal(400, `{"code":"400","message":"the tool stream_video is not supported"}`)
	}}
	d := openDeployment(t, "model: oci/own", oci)
	for range 2 {
		if got := ask(t, d, parseRequest(t, hello), true); !strings.Contains(got.err, "stream_video") {
			t.Errorf("%+v", got)
		}
	}
	if oci.calls != 4 || d.learned(streamField) {
		t.Errorf("%d calls, want 4; learned %v", oci.calls, d.learned(streamField))
	}
}

// L#40028: zstd is never offered. oci-wire 1.2: the signature covers the body that is sent.
func TestChat_Headers(t *testing.T) {
	oci := &fakeOCI{answer: func(*http.Request, []byte) *http.Response { return answer(200, genericDone, false) }}
	d := openDeployment(t, "model: oci/xai.grok-4\noci_region: us-chicago-1\nextra_headers: {x-team: a}", oci)
	if _, err := d.Chat(t.Context(), parseRequest(t, hello)); err != nil {
		t.Fatal(err)
	}
	if got, want := oci.last.URL.String(), "https://inference.generativeai.us-chicago-1.oci.oraclecloud.com/20231130/actions/chat"; got != want {
		t.Errorf("called %s, want %s", got, want)
	}
	for name, want := range map[string]string{
		"Accept-Encoding": "identity", "Content-Type": "application/json", "X-Team": "a", "Date": "Tue, 24 Nov 2026 12:00:00 GMT",
	} {
		if got := oci.last.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if authorization := oci.last.Header.Get("Authorization"); !strings.HasPrefix(authorization, `Signature version="1",headers="date (request-target) host content-length content-type x-content-sha256",keyId="t/u/f"`) {
		t.Errorf("Authorization: %s", authorization)
	}
}

func TestChat_ConnectionFails(t *testing.T) {
	d := openDeployment(t, "model: oci/xai.grok-4", roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }))
	_, err := d.Chat(t.Context(), parseRequest(t, hello))
	if e := upstreamError(t, err); e.Reason != provider.Connection || e.Billed != provider.MaybeBilled {
		t.Errorf("%+v", e)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Chat(ctx, parseRequest(t, hello)); err != context.Canceled {
		t.Errorf("a caller who left: %v", err)
	}
}

// A pooled connection that OCI closed before anything was sent on it costs no failure.
func TestChat_ClosedIdleConnection(t *testing.T) {
	calls := 0
	d := openDeployment(t, "model: oci/xai.grok-4", roundTripFunc(func(*http.Request) (*http.Response, error) {
		if calls++; calls == 1 {
			return nil, errors.New("http: server closed idle connection")
		}
		return answer(200, genericDone, false), nil
	}))
	if _, err := d.Chat(t.Context(), parseRequest(t, hello)); err != nil || calls != 2 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// client-contract 3: call_<name> collides for two calls of one tool; ids are unique, and the same for the same
// request and answer.
func TestCallID(t *testing.T) {
	body, other := [32]byte{1}, [32]byte{2}
	ids := map[string]bool{}
	for _, id := range []string{callID(body, 0, 0, "f"), callID(body, 0, 1, "f"), callID(body, 1, 0, "f"), callID(other, 0, 0, "f"), callID(body, 0, 0, "g"), callID(body, 0, 11, ""), callID(body, 1, 1, "")} {
		if ids[id] || !mintedID.MatchString(`"`+id+`"`) {
			t.Errorf("id %q", id)
		}
		ids[id] = true
	}
	if !ids[callID(body, 0, 0, "f")] {
		t.Error("not the same twice")
	}
}

func TestMaxOutput(t *testing.T) {
	o := testOptions(&fakePrincipal{})
	o.MaxOutput = func(model string) int {
		return map[string]int{"google.gemini-2.5-flash": 65536, "xai.grok-4": 131072, "xai.grok-small": 9000}[model]
	}
	tests := []struct {
		model, body string
		want        int
	}{
		{"google.gemini-2.5-flash", hello, 65536},
		{"xai.grok-4", hello, 16384}, // oci-wire 5: its window is 128k; the playground gives 16k
		{"xai.grok-4", `{"messages":[{"role":"user","content":"a"}],"max_tokens":50000}`, 50000},
		{"xai.grok-small", hello, 9000},
		{"google.gemini-2.5-flash", `{"messages":[{"role":"user","content":"a"}],"max_tokens":20}`, 1024},
		{"google.gemini-2.5-flash", `{"messages":[{"role":"user","content":"a"}],"max_tokens":2000}`, 2000},
		{"cohere.command-latest", hello, 4000},
		{"cohere.command-latest", `{"messages":[{"role":"user","content":"a"}],"max_tokens":20}`, 20},
		{"cohere.command-latest", `{"messages":"no"}`, 0},
	}
	for _, tt := range tests {
		d := openWith(t, o, "model: oci/"+tt.model, nil)
		if got := d.MaxOutput(parseRequest(t, tt.body)); got != tt.want {
			t.Errorf("%s %s: %d, want %d", tt.model, tt.body, got, tt.want)
		}
	}
}

// An answer that cannot be read was paid for all the same.
func TestChat_BrokenAnswers(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"empty", "", "OCI's answer is not in its own shape: body: unexpected end of data: line 1 column 1 (char 0)"},
		{"cut", genericDone[:40], "OCI's answer is not in its own shape: body: unexpected end of data: line 1 column 41 (char 40)"},
		{"another object", `{"a":1}`, "OCI's answer is not in its own shape: no chatResponse"},
		{"no choices", `{"chatResponse":{"apiFormat":"GENERIC","choices":[]}}`, "OCI's answer is not in its own shape: no choices"},
		{"a choice of another kind", `{"chatResponse":{"apiFormat":"GENERIC","choices":[5]}}`, "OCI's answer is not in its own shape: choice: expected a JSON object: line 1 column 1 (char 0)"},
	}
	for _, tt := range tests {
		d := openDeployment(t, "model: oci/xai.grok-4", roundTripFunc(func(*http.Request) (*http.Response, error) { return answer(200, tt.body, false), nil }))
		_, err := d.Chat(t.Context(), parseRequest(t, hello))
		if e := upstreamError(t, err); e.Status != 502 || e.Message != tt.want || e.Billed != provider.MaybeBilled {
			t.Errorf("%s: %+v", tt.name, e)
		}
	}
	d := openDeployment(t, "model: oci/xai.grok-4", roundTripFunc(func(*http.Request) (*http.Response, error) {
		resp := answer(200, genericDone, false)
		resp.ContentLength = int64(len(genericDone)) + 10
		return resp, nil
	}))
	_, err := d.Chat(t.Context(), parseRequest(t, hello))
	if e := upstreamError(t, err); e.Reason != provider.Connection || e.Billed != provider.MaybeBilled {
		t.Errorf("a body shorter than announced: %+v", e)
	}
}
