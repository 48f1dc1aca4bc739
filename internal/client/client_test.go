package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"tollgate/internal/client"
)

// serve is a gateway that answers everything alike.
func serve(t testing.TB, status int, body string) *client.Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return client.New(s.URL+"/", "sk-key")
}

// The forms of refusals are those of LiteLLM's proxy: its envelope, FastAPI's detail as a text, an object or a list, and
// a message that is an object itself.
func TestRefusals(t *testing.T) {
	for body, want := range map[string]client.Error{
		`{"error": {"message": "Budget has been exceeded!", "type": "budget_exceeded", "param": null, "code": "429"}}`: {Message: "Budget has been exceeded!", Type: "budget_exceeded"},
		`{"error": {"message": "no", "type": "None", "param": "key", "code": 400}}`:                                    {Message: "no", Type: "None", Param: "key"},
		`{"error": {"message": {"error": "inner"}, "type": "auth_error"}}`:                                             {Message: "inner", Type: "auth_error"},
		`{"detail": "Not Found"}`:                          {Message: "Not Found"},
		`{"detail": {"error": "No keys found"}}`:           {Message: "No keys found"},
		`{"detail": {"message": "Malformed request."}}`:    {Message: "Malformed request."},
		`{"detail":[{"loc":["body"],"msg":"missing"}]}`:    {Message: `[{"loc":["body"],"msg":"missing"}]`},
		"  upstream connect error \n":                      {Message: "upstream connect error"},
		"":                                                 {Message: "Too Many Requests"},
		strings.Repeat("x", 2000):                          {Message: strings.Repeat("x", 500) + "..."},
		`{"error": "a text", "detail": "beside the text"}`: {Message: `{"error": "a text", "detail": "beside the text"}`},
	} {
		err := serve(t, http.StatusTooManyRequests, body).Do(t.Context(), http.MethodGet, "/x", nil, nil)
		var got *client.Error
		if !errors.As(err, &got) {
			t.Errorf("%s: %v", body, err)
			continue
		}
		want.Status = http.StatusTooManyRequests
		if *got != want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", body, *got, want)
		}
		if !strings.HasPrefix(err.Error(), "429: "+want.Message) {
			t.Errorf("%v", err)
		}
	}
}

// An answer is kept whole, and amounts keep their text.
func TestAnswers(t *testing.T) {
	const body = `{"keys": [{"token": "h", "spend": 2.85e-05, "max_budget": 100000000.10, "unknown": [1]}], "total_count": 1}`
	got, err := serve(t, http.StatusCreated, body).ListKeys(t.Context(), url.Values{})
	if err != nil || string(got.Raw) != body {
		t.Fatalf("%s, %v", got.Raw, err)
	}
	if k := got.Value.Keys[0]; k.Spend != "2.85e-05" || k.MaxBudget != "100000000.10" {
		t.Errorf("%+v", k)
	}
	if _, err := serve(t, http.StatusOK, "<html>").ListBudgets(t.Context()); err == nil || !strings.Contains(err.Error(), "/budget/list is not what was expected") {
		t.Errorf("%v", err)
	}
}

// A redirect to another host gets no key.
func TestKeyDoesNotFollowRedirects(t *testing.T) {
	var sent string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header.Get("Authorization")
		_, _ = io.WriteString(w, "[]")
	}))
	t.Cleanup(other.Close)
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	s := httptest.NewServer(http.RedirectHandler(elsewhere, http.StatusTemporaryRedirect))
	t.Cleanup(s.Close)
	if _, err := client.New(s.URL, "sk-key").ListBudgets(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sent != "" {
		t.Errorf("the other host was sent %q", sent)
	}
}
