package dispatch

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/internal/apierr"
	"tollgate/internal/jsonscan"
	"tollgate/internal/provider"
)

// Which failures go on to the fallback "b", and which are told at once.
func TestFallbacks_ByFailure(t *testing.T) {
	tests := []struct {
		name     string
		err      error
		fallsTo  string // "" = told
		status   int
		contains string
	}{
		{name: "500", err: failing(500), fallsTo: "b"},
		{name: "503", err: failing(503), fallsTo: "b"},
		{name: "429", err: failing(429), fallsTo: "b"},
		{name: "408", err: failing(408), fallsTo: "b"},
		{name: "401, the gateway's key is wrong", err: failing(401), fallsTo: "b"},
		{name: "403", err: failing(403), fallsTo: "b"},
		{name: "404, a model that the upstream does not know", err: failing(404), fallsTo: "b"},
		{name: "no connection", err: provider.ErrorFromTransport("OCI", errors.New("refused")), fallsTo: "b"},
		{name: "unknown", err: errors.New("nil map"), fallsTo: "b"},
		{name: "context window without lists of its own", err: reasoned(provider.ContextWindow), fallsTo: "b"},
		{name: "content policy without lists of its own", err: reasoned(provider.ContentPolicy), fallsTo: "b"},
		{name: "400", err: failing(400), status: 400, contains: "litellm.BadRequestError: OCIException - upstream says Bad Request. Received Model Group=a\nAvailable Model Group Fallbacks=['b']"},
		{name: "422", err: failing(422), status: 422, contains: "litellm.UnprocessableEntityError: OCIException"},
		{name: "the provider's refusal", err: &apierr.Error{Status: 400, Message: "n is not supported"}, status: 400, contains: "n is not supported"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				u := &upstreams{script: map[string][]step{"a": fails(tt.err, tt.err, tt.err)}}
				r := newRouter(t, options(func(o *Options) { o.Fallbacks = chains(map[string][]string{"a": {"b"}}) }), deployments("a", "b"))
				answer, out, err := Call(t.Context(), r, chat("a"), u.ask)
				if tt.fallsTo == "" {
					wantError(t, err, tt.status, tt.contains)
					if slices.Contains(u.asked, "b") {
						t.Fatal("the fallback was asked")
					}
					return
				}
				if err != nil || answer != tt.fallsTo || !out.FellBack || out.Fallbacks != 1 || out.Group != "b" || out.Retries != 0 {
					t.Fatalf("%q %+v %v", answer, out, err)
				}
				idle(t, r)
			})
		})
	}
}

// The sample's demonstration: a model that does not exist falls back, each time, also while its deployment cools.
func TestFallbacks_WhileTheDeploymentCools(t *testing.T) {
	bubble(t, func(t *testing.T) {
		u := &upstreams{script: map[string][]step{"broken": fails(failing(404))}}
		r := newRouter(t, options(func(o *Options) { o.Fallbacks = chains(map[string][]string{"broken": {"oci-cohere-command"}}) }), deployments("broken", "oci-cohere-command"))
		for range 2 {
			if answer, _, err := Call(t.Context(), r, chat("broken"), u.ask); err != nil || answer != "oci-cohere-command" {
				t.Fatalf("%q %v", answer, err)
			}
		}
		wantAsked(t, u, "broken", "oci-cohere-command", "oci-cohere-command")
	})
}

func TestFallbacks_Chains(t *testing.T) {
	down := fails(failing(500), failing(500), failing(500))
	tests := []struct {
		name   string
		down   string // ids that fail always, one letter each
		change func(*Options)
		q      func(*Query)
		want   string // the order in which ids were asked, without repeats
		answer string
		count  int
		text   string
	}{
		{name: "in order", down: "ab", change: set("a:bc"), want: "abc", answer: "c", count: 2},
		{name: "nested, depth first", down: "abc", change: set("a:be b:cd"), want: "abcd", answer: "d", count: 3},
		{name: "a circle ends", down: "abc", change: set("a:b b:c c:a"), want: "abc", count: 2, text: "Error doing the fallback: litellm.InternalServerError"},
		{name: "itself is skipped", down: "a", change: set("a:ab"), want: "ab", answer: "b", count: 1},
		{name: "at most max_fallbacks", down: "abcdefgh", change: set("a:bcdefgh"), want: "abcdef", count: 5},
		{name: "max_fallbacks of the request", down: "abcd", change: set("a:bcd"), q: func(q *Query) { q.MaxFallbacks = ptr(2) }, want: "abc", count: 2},
		{name: "default", down: "a", change: func(o *Options) { o.DefaultFallbacks = to("d") }, want: "ad", answer: "d", count: 1},
		{name: "star", down: "a", change: func(o *Options) { o.Fallbacks = chains(map[string][]string{"*": {"e"}, "b": {"c"}}) }, want: "ae", answer: "e", count: 1},
		{name: "own list before default", down: "a", change: func(o *Options) { o.DefaultFallbacks = to("d"); set("a:b")(o) }, want: "ab", answer: "b", count: 1},
		{name: "the request's list", down: "a", change: set("a:b"), q: func(q *Query) { q.Fallbacks = to("c") }, want: "ac", answer: "c", count: 1},
		{name: "the request's list, all of it", down: "acd", change: set("a:b c:b"), q: func(q *Query) { q.Fallbacks = to("c", "d", "e") }, want: "acde", answer: "e", count: 3},
		{name: "the request's list, none left", down: "acd", q: func(q *Query) { q.Fallbacks = to("c", "d") }, want: "acd", count: 2,
			text: "Received Model Group=a\nAvailable Model Group Fallbacks=['c', 'd']\nError doing the fallback: " +
				"litellm.InternalServerError: InternalServerError: OCIException - d is down. Received Model Group=d\nAvailable Model Group Fallbacks=None"},
		{name: "the request's list, empty", down: "a", change: set("a:b"), q: func(q *Query) { q.Fallbacks = to() }, want: "a",
			text: "Available Model Group Fallbacks=[]"},
		{name: "disable_fallbacks", down: "a", change: set("a:b"), q: func(q *Query) { q.DisableFallbacks = true }, want: "a", text: "litellm.InternalServerError"},
		{name: "an alias that does not exist", down: "a", change: set("a:xb"), want: "ab", answer: "b", count: 2},
		{name: "an alias that the caller may not use", down: "a", change: set("a:bc"), want: "ac", answer: "c", count: 2,
			q: func(q *Query) {
				q.Admit = func(alias string) error {
					if alias == "b" {
						return &apierr.Error{Status: 403, Message: "key not allowed to access model"}
					}
					return nil
				}
			}},
		{name: "the last failure is told behind the first", down: "ab", change: set("a:b"), want: "ab", count: 1,
			text: "litellm.InternalServerError: InternalServerError: OCIException - a is down. Received Model Group=a\nAvailable Model Group Fallbacks=['b']" +
				"\nError doing the fallback: litellm.InternalServerError: InternalServerError: OCIException - b is down. Received Model Group=b\nAvailable Model Group Fallbacks=None" +
				" LiteLLM Retried: 2 times, LiteLLM Max Retries: 2 LiteLLM Retried: 2 times, LiteLLM Max Retries: 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				u := &upstreams{script: map[string][]step{}}
				for _, id := range strings.Split(tt.down, "") {
					list := slices.Clone(down)
					for i := range list {
						e := failing(500)
						e.Message = id + " is down"
						list[i].err = e
					}
					u.script[id] = list
				}
				o, q := options(), chat("a")
				if tt.change != nil {
					tt.change(&o)
				}
				if tt.q != nil {
					tt.q(q)
				}
				r := newRouter(t, o, deployments("a", "b", "c", "d", "e", "f", "g", "h"))
				answer, out, err := Call(t.Context(), r, q, u.ask)
				if got := strings.Join(slices.Compact(u.asked), ""); got != tt.want {
					t.Errorf("asked %s, want %s", got, tt.want)
				}
				if out.Fallbacks != tt.count {
					t.Errorf("counted %d fallbacks, want %d", out.Fallbacks, tt.count)
				}
				if tt.answer == "" {
					if out.Retries != 2 {
						t.Errorf("told %d retries of the group asked last, want 2", out.Retries)
					}
					wantError(t, err, 500, tt.text)
				} else if err != nil || answer != tt.answer {
					t.Errorf("answer %q, error %v, want %q", answer, err, tt.answer)
				}
				idle(t, r)
			})
		})
	}
}

// set writes fallbacks as "a:bc b:d".
func set(text string) func(*Options) {
	return func(o *Options) {
		o.Fallbacks = map[string][]Fallback{}
		for entry := range strings.FieldsSeq(text) {
			from, list, _ := strings.Cut(entry, ":")
			o.Fallbacks[from] = to(strings.Split(list, "")...)
		}
	}
}

// Lists for a class count alone once they are set: a group that they lack gets its error, not its plain fallbacks.
func TestFallbacks_OfAClass(t *testing.T) {
	tests := []struct {
		name   string
		reason provider.Reason
		change func(*Options)
		q      func(*Query)
		answer string
	}{
		{name: "context window", reason: provider.ContextWindow, answer: "c",
			change: func(o *Options) { o.ContextWindowFallbacks = chains(map[string][]string{"a": {"c"}}) }},
		{name: "context window, group not in the list", reason: provider.ContextWindow,
			change: func(o *Options) { o.ContextWindowFallbacks = chains(map[string][]string{"z": {"c"}}) }},
		{name: "context window, list of the other class", reason: provider.ContextWindow, answer: "b",
			change: func(o *Options) { o.ContentPolicyFallbacks = chains(map[string][]string{"a": {"c"}}) }},
		{name: "content policy", reason: provider.ContentPolicy, answer: "c",
			change: func(o *Options) { o.ContentPolicyFallbacks = chains(map[string][]string{"a": {"c"}}) }},
		{name: "content policy, group not in the list", reason: provider.ContentPolicy,
			change: func(o *Options) { o.ContentPolicyFallbacks = chains(map[string][]string{"z": {"c"}}) }},
		{name: "the request's context window list", reason: provider.ContextWindow, answer: "c",
			q: func(q *Query) { q.ContextWindowFallbacks = chains(map[string][]string{"a": {"c"}}) }},
		{name: "the request's content policy list", reason: provider.ContentPolicy, answer: "c",
			q: func(q *Query) { q.ContentPolicyFallbacks = chains(map[string][]string{"a": {"c"}}) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				u := &upstreams{script: map[string][]step{"a": fails(reasoned(tt.reason))}}
				o, q := options(set("a:b")), chat("a")
				if tt.change != nil {
					tt.change(&o)
				}
				if tt.q != nil {
					tt.q(q)
				}
				answer, _, err := Call(t.Context(), newRouter(t, o, deployments("a", "b", "c")), q, u.ask)
				if tt.answer == "" {
					wantError(t, err, 400, "litellm."+string(tt.reason))
				} else if err != nil || answer != tt.answer {
					t.Fatalf("%q %v, want %q", answer, err, tt.answer)
				}
			})
		})
	}
}

func TestFallbacks_EntryChangesTheRequest(t *testing.T) {
	override := []jsonscan.Field{{Name: "temperature", Value: []byte("0")}}
	r := newRouter(t, options(func(o *Options) {
		o.Fallbacks = map[string][]Fallback{"a": {{Model: "b", Overrides: override}}}
		o.NumRetries = 0
	}), deployments("a", "b"))
	var seen []Target
	_, _, err := Call(t.Context(), r, chat("a"), func(_ context.Context, target Target) (string, error) {
		seen = append(seen, target)
		if target.ID == "a" {
			return "", failing(500)
		}
		return "", nil
	})
	if err != nil || len(seen) != 2 || seen[0].Overrides != nil || seen[0].Group != "a" || len(seen[1].Overrides) != 1 || seen[1].Group != "b" {
		t.Fatalf("%+v %v", seen, err)
	}
}

// BerriAI/litellm#35104: a fallback's deployment that fails cools like any other, for the configured time.
func TestFallbacks_FailedFallbackCools(t *testing.T) {
	bubble(t, func(t *testing.T) {
		u := &upstreams{script: map[string][]step{"a": fails(failing(404)), "b": fails(failing(401))}}
		r := newRouter(t, options(set("a:b")), deployments("a", "b"))
		_, _, err := Call(t.Context(), r, chat("a"), u.ask)
		wantError(t, err, 404, "Error doing the fallback: litellm.AuthenticationError")
		for _, s := range r.Status() {
			if s.Cooling != r.o.CooldownTime {
				t.Errorf("%s cools for %v, want %v", s.Deployment.ID, s.Cooling, r.o.CooldownTime)
			}
		}
	})
}

func TestHooks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var events []string
		o := options(set("a:bc"), func(o *Options) {
			o.Hooks = Hooks{
				Attempt:  func(a Attempt) { events = append(events, "attempt "+a.Deployment.ID) },
				Cooldown: func(d *Deployment, status int, _ time.Duration) { events = append(events, "cooldown "+d.ID) },
				Fallback: func(from, to string, err error) {
					events = append(events, map[bool]string{true: "answered ", false: "failed "}[err == nil]+from+to)
				},
			}
		})
		u := &upstreams{script: map[string][]step{"a": fails(failing(404)), "b": fails(failing(400))}}
		if _, _, err := Call(t.Context(), newRouter(t, o, deployments("a", "b", "c")), chat("a"), u.ask); err != nil {
			t.Fatal(err)
		}
		want := []string{"cooldown a", "attempt a", "attempt b", "failed ab", "attempt c", "answered ac"}
		if !slices.Equal(events, want) {
			t.Fatalf("%v, want %v", events, want)
		}
	})
}

// Lists are found by the alias that was asked, by the group behind it, and by the name without its provider.
func TestFallbacks_NamesOfAGroup(t *testing.T) {
	ds := deployments("chat/1", "oci/chat/2", "b", "c")
	ds[1].Alias, ds[1].ID = "oci/plain", "2"
	for name, tt := range map[string]struct{ alias, lists, answer string }{
		"alias":            {"gpt", "gpt:b chat:c", "b"},
		"group behind it":  {"gpt", "chat:c", "c"},
		"without provider": {"oci/plain", "plain:b", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				u := &upstreams{script: map[string][]step{"1": fails(failing(404)), "2": fails(failing(404))}}
				r := newRouter(t, options(set(tt.lists), func(o *Options) { o.GroupAliases = []GroupAlias{{Alias: "gpt", Group: "chat"}} }), ds)
				if answer, _, err := Call(t.Context(), r, chat(tt.alias), u.ask); err != nil || answer != tt.answer {
					t.Fatalf("%q %v, want %s", answer, err, tt.answer)
				}
			})
		})
	}
}
