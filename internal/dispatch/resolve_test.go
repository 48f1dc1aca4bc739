package dispatch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tollgate/internal/openai"
)

// opens makes wildcard deployments as the application does.
func opens(d *Deployment, upstreamID string) (Deployment, error) {
	if upstreamID == "bad" {
		return Deployment{}, errors.New("no such family")
	}
	opened := *d
	opened.UpstreamID = upstreamID
	opened.Model = "oci/" + upstreamID
	return opened, nil
}

// Order: deployment id, alias, model_name, pattern (most specific first), litellm_params.model, default fallback.
func TestResolve(t *testing.T) {
	ds := []Deployment{
		{ID: "id-1", Alias: "chat", Model: "oci/cohere.command-latest", UpstreamID: "cohere.command-latest"},
		{ID: "id-2", Alias: "chat", Model: "oci/cohere.command-a", UpstreamID: "cohere.command-a"},
		{ID: "id-3", Alias: "other", Model: "oci/meta.llama", UpstreamID: "meta.llama"},
		{ID: "id-4", Alias: "openai/*", Model: "openai/*", UpstreamID: "*"},
		{ID: "id-5", Alias: "openai/gpt-5*", Model: "oci/openai.gpt-5*", UpstreamID: "openai.gpt-5*"},
		{ID: "id-6", Alias: "shadow", Model: "oci/x", UpstreamID: "x"},
	}
	o := options(func(o *Options) {
		o.OpenWildcard = opens
		o.GroupAliases = []GroupAlias{{Alias: "gpt-4", Group: "chat"}, {Alias: "secret", Group: "other", Hidden: true}, {Alias: "shadow", Group: "other"}}
	})
	r := newRouter(t, o, ds)
	tests := []struct {
		name, group string
		upstreams   string
		pinned      bool
	}{
		{name: "id-2", group: "id-2", upstreams: "cohere.command-a", pinned: true},
		{name: "gpt-4", group: "chat", upstreams: "cohere.command-latest cohere.command-a"},
		{name: "secret", group: "other", upstreams: "meta.llama"},
		{name: "shadow", group: "other", upstreams: "meta.llama"},
		{name: "chat", group: "chat", upstreams: "cohere.command-latest cohere.command-a"},
		{name: "openai/o3", group: "openai/o3", upstreams: "o3"},
		{name: "openai/gpt-5-mini", group: "openai/gpt-5-mini", upstreams: "openai.gpt-5-mini"},
		{name: "openai/a*b", group: "openai/a*b", upstreams: "a*b"},
		{name: "openai/a\nb", group: "openai/a\nb", upstreams: "a\nb"},
		{name: "oci/meta.llama", group: "oci/meta.llama", upstreams: "meta.llama"},
		{name: "openai/bad", group: ""},
		{name: "nobody", group: ""},
		{name: "id-4", group: ""}, // a pattern cannot be asked itself
		{name: "", group: ""},
		{name: "openai/" + strings.Repeat("x", 300), group: ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := r.Resolve(tt.name)
			if ok != (tt.group != "") || got.Group != tt.group || got.Pinned != tt.pinned {
				t.Fatalf("%+v %v, want group %q", got, ok, tt.group)
			}
			var ids []string
			for _, d := range r.Deployments(tt.name) {
				ids = append(ids, d.UpstreamID)
			}
			if strings.Join(ids, " ") != tt.upstreams {
				t.Fatalf("upstream ids %v, want %s", ids, tt.upstreams)
			}
		})
	}
	if want := []string{"chat", "other", "shadow", "gpt-4"}; !slices.Equal(r.Names(), want) {
		t.Errorf("names %v, want %v: no patterns, no hidden aliases", r.Names(), want)
	}
	if len(r.All()) != 6 {
		t.Errorf("%d deployments, want 6", len(r.All()))
	}
}

func TestResolve_StarTakesTheRest(t *testing.T) {
	ds := []Deployment{
		{ID: "1", Alias: "*", Model: "oci/*", UpstreamID: "*"},
		{ID: "2", Alias: "oci/*", Model: "oci/*", UpstreamID: "*"},
	}
	r := newRouter(t, options(func(o *Options) { o.OpenWildcard = opens }), ds)
	for name, want := range map[string]string{"anything": "1", "oci/x": "2"} {
		if got := r.Deployments(name); len(got) != 1 || got[0].ID != want {
			t.Errorf("%s is served by %v, want %s", name, got, want)
		}
	}
}

func TestResolve_UnknownNameHasNoDefaultFallback(t *testing.T) {
	r := newRouter(t, options(func(o *Options) { o.DefaultFallbacks = to("b", "a") }), deployments("a", "b"))
	if got, ok := r.Resolve("typo"); ok {
		t.Fatalf("%+v", got)
	}
	_, _, err := Call(t.Context(), r, chat("typo"), (&upstreams{}).ask)
	wantError(t, err, 400, "Invalid model name passed in model=typo")
}

func TestResolve_SpecificDeployment(t *testing.T) {
	ds := deployments("a/1", "oci/1-model/2")
	ds[1].Alias, ds[1].ID = "oci/1-model", "2" // an alias that reads like the other one's model
	r := newRouter(t, options(), ds)
	for specific, want := range map[bool]string{true: "1", false: "2"} {
		q := chat("oci/1-model")
		q.SpecificDeployment = specific
		if answer, _, err := Call(t.Context(), r, q, (&upstreams{}).ask); err != nil || answer != want {
			t.Errorf("specific_deployment %v: %q %v, want %s", specific, answer, err, want)
		}
	}
}

func TestUnknownModel_Text(t *testing.T) {
	r := newRouter(t, options(), deployments("a"))
	_, out, err := Call(t.Context(), r, chat("gpt-9"), (&upstreams{}).ask)
	e := wantError(t, err, 400, "/chat/completions: Invalid model name passed in model=gpt-9. Call `/v1/models` to view available models for your key.")
	if e.Type != "invalid_request_error" || out == nil || out.Group != "gpt-9" {
		t.Fatalf("%+v %+v", e, out)
	}
	long := UnknownModel(openai.OpEmbedding, strings.Repeat("x", 1<<20))
	if len(long.Message) > 500 || !strings.HasPrefix(long.Message, "/embeddings: Invalid model name") {
		t.Fatalf("a long name makes a message of %d bytes", len(long.Message))
	}
}

// Callers choose the names, so the number that is kept open is bounded.
func TestWildcards_AreBounded(t *testing.T) {
	r := newRouter(t, options(func(o *Options) { o.OpenWildcard = opens }), []Deployment{{ID: "1", Alias: "oci/*", Model: "oci/*", UpstreamID: "*"}})
	for i := range 3 * maxOpened {
		if _, ok := r.Resolve(fmt.Sprintf("oci/%d", i)); !ok {
			t.Fatal("not opened")
		}
	}
	if n := len(r.wild.opened); n != maxOpened {
		t.Fatalf("%d names are kept open, want %d", n, maxOpened)
	}
}

// One unknown model of a pattern cools that name alone; the pattern's limits hold for all names together.
func TestWildcards_CoolByNameAndShareLimits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := Deployment{ID: "1", Alias: "oci/*", Model: "oci/*", UpstreamID: "*", RPM: 3}
		r := newRouter(t, options(func(o *Options) { o.OpenWildcard = opens; o.EnforceModelRateLimits = true }), []Deployment{d})
		u := &upstreams{script: map[string][]step{"1": fails(failing(404))}}
		_, _, err := Call(t.Context(), r, chat("oci/typo"), u.ask)
		wantError(t, err, 404, "")
		_, _, err = Call(t.Context(), r, chat("oci/typo"), u.ask)
		wantError(t, err, 429, "No deployments available")
		for range 2 {
			if _, _, err = Call(t.Context(), r, chat("oci/good"), u.ask); err != nil {
				t.Fatal(err)
			}
		}
		_, _, err = Call(t.Context(), r, chat("oci/other"), u.ask)
		wantError(t, err, 429, "Model rate limit exceeded. RPM limit=3, current usage=3")
		idle(t, r)
	})
}

func TestNew_Refuses(t *testing.T) {
	regex := deployments("a")
	regex[0].TagRegex = []string{"("}
	tests := map[string]struct {
		o    Options
		ds   []Deployment
		want string
	}{
		"an unknown strategy":   {options(func(o *Options) { o.Strategy = "fastest" }), deployments("a"), `routing_strategy: unknown strategy "fastest"`},
		"a group's strategy":    {options(func(o *Options) { o.RoutingGroups = []RoutingGroup{{Name: "g"}} }), deployments("a"), `routing_groups: g: unknown strategy ""`},
		"an id given twice":     {options(), deployments("a/1", "b/1"), "the id 1 is given twice"},
		"a deployment without":  {options(), []Deployment{{Alias: "a"}}, "a deployment without id"},
		"a pattern that is not": {options(), regex, "tag_regex"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := New(tt.o, tt.ds, NewState()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// A model whose deployments are all paused is in no list and is refused; its fallbacks serve.
func TestBlocked(t *testing.T) {
	ds := deployments("a/1", "a/2", "b/3", "c/4")
	ds[0].Blocked, ds[1].Blocked, ds[3].Blocked = true, true, true
	r := newRouter(t, options(set("c:b")), ds)
	_, _, err := Call(t.Context(), r, chat("a"), (&upstreams{}).ask)
	wantError(t, err, 403, "litellm.PermissionDeniedError: Model is blocked")
	if answer, _, err := Call(t.Context(), r, chat("c"), (&upstreams{}).ask); err != nil || answer != "3" {
		t.Fatalf("%q %v", answer, err)
	}
	if want := []string{"b"}; !slices.Equal(r.Names(), want) {
		t.Fatalf("names %v, want %v", r.Names(), want)
	}
}
