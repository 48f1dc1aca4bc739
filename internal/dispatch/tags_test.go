package dispatch

import (
	"net/http"
	"testing"
)

func TestTags(t *testing.T) {
	agent := func(s string) http.Header { return http.Header{"User-Agent": {s}} }
	tests := []struct {
		name   string
		tags   []string
		header http.Header
		all    bool
		drop   int // of the deployments below, from the end
		want   string
	}{
		{name: "one of them", tags: []string{"free"}, want: "free"},
		{name: "any", tags: []string{"paid", "nobody"}, want: "paid"},
		{name: "all of them", tags: []string{"paid", "eu"}, all: true, want: "paid"},
		{name: "not all of them", tags: []string{"paid", "us"}, all: true, want: "default"},
		{name: "both", tags: []string{"paid&eu"}, want: "paid"},
		{name: "not both", tags: []string{"paid&us"}, want: "default"},
		{name: "without", tags: []string{"eu", "!paid"}, want: "free"},
		{name: "no tag goes to default", want: "default"},
		{name: "an unknown tag goes to default", tags: []string{"x"}, want: "default"},
		{name: "header", header: agent("claude-code/1.2"), want: "agent"},
		{name: "another header", header: agent("curl/8"), want: "default"},
		{name: "no tag and no default goes to the untagged", drop: 1, want: "untagged"},
		{name: "a miss", tags: []string{"x"}, drop: 1, want: ""},
		{name: "a miss without a default or untagged ones", tags: []string{"x"}, drop: 2, want: ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ds := deployments("a/free", "a/paid", "a/agent", "a/untagged", "a/default")
			ds[0].Tags, ds[1].Tags, ds[4].Tags = []string{"free", "eu"}, []string{"paid", "eu"}, []string{"default"}
			ds[2].TagRegex = []string{`^User-Agent:\s*claude-code\/`}
			r := newRouter(t, options(func(o *Options) { o.EnableTagFiltering = true; o.TagMatchAll = tt.all }), ds[:len(ds)-tt.drop])
			q := chat("a")
			q.Tags, q.Header = tt.tags, tt.header
			if tt.want == "" {
				_, _, err := Call(t.Context(), r, q, (&upstreams{}).ask)
				wantError(t, err, 401, "Not allowed to access model due to tags configuration")
				return
			}
			if got := shares(t, r, 10, q); got[tt.want] != 10 {
				t.Fatalf("%v, want %s", got, tt.want)
			}
		})
	}
}

func TestTags_WithoutAnyGoAnywhereWhereAllHaveSome(t *testing.T) {
	ds := deployments("a/1", "a/2")
	ds[0].Tags, ds[1].Tags = []string{"free"}, []string{"paid"}
	r := newRouter(t, options(func(o *Options) { o.EnableTagFiltering = true }), ds)
	if got := shares(t, r, 10, chat("a")); got["1"]+got["2"] != 10 {
		t.Errorf("%v, want ten answers", got)
	}
}

func TestTags_AreIgnoredUnlessEnabled(t *testing.T) {
	ds := deployments("a")
	ds[0].Tags = []string{"paid"}
	q := chat("a")
	q.Tags = []string{"free"}
	if _, _, err := Call(t.Context(), newRouter(t, options(), ds), q, (&upstreams{}).ask); err != nil {
		t.Fatal(err)
	}
}
