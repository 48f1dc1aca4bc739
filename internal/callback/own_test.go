package callback_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/callback"
	"tollgate/internal/record"
)

// bank opens accounts and keeps one sink for each secret.
type bank struct {
	mu    sync.Mutex
	sinks map[string]*sink
	fails map[string]func(int, []*callback.Event) error
}

func (b *bank) open(name string, vars map[string]string) (callback.Callback, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	secret := vars["secret"]
	if secret == "" {
		return nil, errors.New("no secret")
	}
	if b.sinks == nil {
		b.sinks = map[string]*sink{}
	}
	if b.sinks[secret] == nil {
		b.sinks[secret] = &sink{answer: b.fails[secret]}
	}
	return b.sinks[secret], nil
}

func (b *bank) got(secret string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sinks[secret] == nil {
		return nil
	}
	return b.sinks[secret].got()
}

func ownCall(id, ref, secret string) *record.Call {
	c := call(id)
	c.Logging.Own = []record.OwnCallback{{Ref: ref, Name: "langfuse", On: "success_and_failure", Vars: map[string]string{"secret": secret}}}
	return c
}

func TestOwn_EachTenantGetsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bank{}
		global := &sink{}
		h := open(t, callback.Options{Dir: t.TempDir(), Open: b.open}, one("langfuse", global))
		h.Emit(ownCall("1", "key:a", "alpha"))
		h.Emit(ownCall("2", "team:b", "beta"))
		h.Emit(ownCall("3", "key:a", "alpha"))
		h.Emit(call("4"))
		synctest.Wait()
		closeHub(t, h)
		if got := [][]string{b.got("alpha"), b.got("beta"), global.got()}; cmp.Diff([][]string{{"1", "3"}, {"2"}, {"4"}}, got) != "" {
			t.Errorf("got %v", got)
		}
	})
}

func TestOwn_ChangedCredentialsCountForWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bank{fails: map[string]func(int, []*callback.Event) error{"old": func(int, []*callback.Event) error { return errAway }}}
		h := open(t, callback.Options{Dir: t.TempDir(), Open: b.open}, callback.Settings{})
		h.Emit(ownCall("1", "key:a", "old"))
		synctest.Wait()
		h.Emit(ownCall("2", "key:a", "new"))
		time.Sleep(time.Minute)
		synctest.Wait()
		closeHub(t, h)
		if got := b.got("new"); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestOwn_AfterARestartTheAccountIsLookedUp(t *testing.T) {
	for name, c := range map[string]struct {
		resolve func(context.Context, string, string) (map[string]string, bool, error)
		want    []string
		gone    int
	}{
		"there": {func(_ context.Context, ref, name string) (map[string]string, bool, error) {
			if ref != "key:a" || name != "langfuse" {
				return nil, false, fmt.Errorf("asked for %s of %s", name, ref)
			}
			return map[string]string{"secret": "alpha"}, true, nil
		}, []string{"1", "2"}, 0},
		"gone":  {func(context.Context, string, string) (map[string]string, bool, error) { return nil, false, nil }, nil, 2},
		"later": {laterResolve(), []string{"1", "2"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				away := &bank{fails: map[string]func(int, []*callback.Event) error{"alpha": func(int, []*callback.Event) error { return errAway }}}
				h := open(t, callback.Options{Dir: dir, Open: away.open}, callback.Settings{})
				h.Emit(ownCall("1", "key:a", "alpha"))
				h.Emit(ownCall("2", "key:a", "alpha"))
				synctest.Wait()
				closeHub(t, h)
				holdsNo(t, dir, "alpha")
				b, seen := &bank{}, &counts{}
				h = open(t, callback.Options{Dir: dir, Open: b.open, Resolve: c.resolve, Observer: seen}, callback.Settings{})
				time.Sleep(time.Minute)
				synctest.Wait()
				closeHub(t, h)
				if got := b.got("alpha"); !slices.Equal(got, c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
				if n := seen.lost("langfuse/own gone"); n != c.gone {
					t.Errorf("%d were counted as gone", n)
				}
			})
		})
	}
}

// laterResolve is a store that is away at first.
func laterResolve() func(context.Context, string, string) (map[string]string, bool, error) {
	n := 0
	return func(context.Context, string, string) (map[string]string, bool, error) {
		if n++; n < 3 {
			return nil, false, errAway
		}
		return map[string]string{"secret": "alpha"}, true, nil
	}
}

// holdsNo fails when a file below dir holds a text.
func holdsNo(t *testing.T, dir, text string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), text) {
			t.Errorf("%s holds %q", path, text)
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files were looked at: %v", files, err)
	}
}

func TestOwn_NotAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := func(int, []*callback.Event) error { return errAway }
		b := &bank{fails: map[string]func(int, []*callback.Event) error{"s0": stuck, "s1": stuck}}
		seen := &counts{}
		dir := t.TempDir()
		h := open(t, callback.Options{Dir: dir, Open: b.open, MaxOwn: 3, Observer: seen}, callback.Settings{})
		for i := range 20 {
			h.Emit(ownCall(fmt.Sprint(i), fmt.Sprintf("key:%d", i), fmt.Sprintf("s%d", i)))
			synctest.Wait()
			time.Sleep(time.Second)
		}
		for i := 2; i < 20; i++ {
			if got := b.got(fmt.Sprintf("s%d", i)); !slices.Equal(got, []string{fmt.Sprint(i)}) {
				t.Errorf("account %d got %v", i, got)
			}
		}
		if n := len(h.Stats()); n != 3 {
			t.Errorf("%d accounts are open", n)
		}
		if entries, err := os.ReadDir(filepath.Join(dir, "callbacks", ".own")); err != nil || len(entries) != 3 {
			t.Errorf("%d folders are left: %v", len(entries), err)
		}
		b.mu.Lock()
		b.sinks["s19"].answer = stuck
		b.mu.Unlock()
		h.Emit(ownCall("more", "key:19", "s19"))
		synctest.Wait()
		h.Emit(ownCall("too many", "key:20", "s20")) // all three have something waiting, and cannot deliver it
		synctest.Wait()
		if n := seen.lost("langfuse/own limit"); n != 1 || !slices.Equal(b.got("s20"), []string{"too many"}) {
			t.Errorf("%d of one that cannot deliver gave place; the new one got %v", n, b.got("s20"))
		}
		for i := range 100 { // names that open nothing take no place
			c := ownCall("odd", fmt.Sprintf("key:odd%d", i), "")
			c.Logging.Own[0].Name = fmt.Sprintf("odd%d", i)
			h.Emit(c)
		}
		synctest.Wait()
		if n := seen.lost("own unusable"); n != 100 || len(h.Stats()) != 3 {
			t.Errorf("%d were counted, %d accounts are open", n, len(h.Stats()))
		}
		closeHub(t, h)
	})
}

// A call that breaks what tells it is counted, and the next one is told.
func TestHub_PanicWhileTelling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen, global := &counts{}, &sink{}
		h := open(t, callback.Options{Open: func(string, map[string]string) (callback.Callback, error) { panic("odd") }, Observer: seen}, one("langfuse", global))
		h.Emit(ownCall("1", "key:a", "alpha"))
		h.Emit(call("2"))
		synctest.Wait()
		closeHub(t, h)
		if n := seen.lost("all damaged"); n != 1 || !slices.Equal(global.got(), []string{"2"}) {
			t.Errorf("%d were counted, and %v told", n, global.got())
		}
	})
}

func TestOwned(t *testing.T) {
	env := func(name string) string { return "value of " + name }
	entry := func(vars map[string]any) map[string]any {
		return map[string]any{"logging": []any{map[string]any{"callback_name": "langfuse", "callback_type": "success", "callback_vars": vars}}}
	}
	want := func(vars map[string]string) []record.OwnCallback {
		return []record.OwnCallback{{Ref: "key:1", Name: "langfuse", On: "success", Vars: vars}}
	}
	for name, c := range map[string]struct {
		metadata map[string]any
		want     []record.OwnCallback
	}{
		"none":     {nil, nil},
		"as given": {entry(map[string]any{"langfuse_secret_key": "s", "langfuse_host": "https://h"}), want(map[string]string{"langfuse_secret_key": "s", "langfuse_host": "https://h"})},
		"from the environment": {entry(map[string]any{"langfuse_secret_key": "os.environ/LANGFUSE_SECRET_KEY_2"}),
			want(map[string]string{"langfuse_secret_key": "value of LANGFUSE_SECRET_KEY_2"})},
		"of another's variables": {entry(map[string]any{"langfuse_secret_key": "os.environ/LITELLM_MASTER_KEY"}), want(map[string]string{"langfuse_secret_key": ""})},
		"to a host of its own": {entry(map[string]any{"langfuse_secret_key": "os.environ/LANGFUSE_SECRET_KEY", "langfuse_host": "https://evil"}),
			want(map[string]string{"langfuse_secret_key": "", "langfuse_host": "https://evil"})},
		"to another callback's address": {entry(map[string]any{"helicone_api_key": "os.environ/HELICONE_API_KEY", "helicone_api_base": "https://evil"}),
			want(map[string]string{"helicone_api_key": "", "helicone_api_base": "https://evil"})},
		"a switch": {entry(map[string]any{"turn_off_message_logging": true}), want(map[string]string{"turn_off_message_logging": "true"})},
		"a team's lists": {map[string]any{"callback_settings": map[string]any{"success_callback": []any{"langfuse", "datadog"}, "failure_callback": []any{"datadog", "otel"}, "callback_vars": map[string]any{"dd_site": "x"}}},
			[]record.OwnCallback{
				{Ref: "key:1", Name: "langfuse", On: "success", Vars: map[string]string{"dd_site": "x"}}, {Ref: "key:1", Name: "datadog", On: "success_and_failure", Vars: map[string]string{"dd_site": "x"}},
				{Ref: "key:1", Name: "otel", On: "failure", Vars: map[string]string{"dd_site": "x"}},
			}},
		"rubbish": {map[string]any{"logging": []any{1, map[string]any{"callback_name": 2}}, "callback_settings": 3}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, callback.Owned(c.metadata, "key:1", callback.Vars{Getenv: env})); d != "" {
				t.Error(d)
			}
		})
	}
}

// What is sealed for one address opens for no other, whichever of a callback's variables says where that is.
func TestDestination(t *testing.T) {
	account := map[string]any{"dd_api_key": "k", "dd_site": "datadoghq.eu"}
	was := callback.Destination(account)
	for _, name := range []string{"dd_base_url", "dd_agent_host", "dd_agent_port", "helicone_api_base"} {
		moved := maps.Clone(account)
		moved[name] = "evil.example"
		if callback.Destination(moved) == was || callback.Confidential(name, "evil.example") {
			t.Errorf("%s does not count as an address", name)
		}
	}
	if !callback.Confidential("dd_api_key", "k") {
		t.Error("a key does not count as confidential")
	}
}

func TestSwitchedOff(t *testing.T) {
	off := map[string]any{"callback_settings": map[string]any{"success_callback": []any{}, "failure_callback": []string{}, "callback_vars": map[string]any{}}}
	if !callback.SwitchedOff(off) {
		t.Error("a team whose logging is disabled is not switched off")
	}
	for _, m := range []map[string]any{nil, {"callback_settings": map[string]any{}}, {"callback_settings": map[string]any{"success_callback": []any{"langfuse"}, "failure_callback": []any{}}}} {
		if callback.SwitchedOff(m) {
			t.Errorf("%v is switched off", m)
		}
	}
}

func TestTeamDefaults(t *testing.T) {
	got, err := callback.TeamDefaults([]any{map[string]any{
		"team_id": "t1", "success_callback": []any{"langfuse"}, "langfuse_secret": "os.environ/ANY", "langfuse_host": "https://h",
	}}, func(name string) string { return "value of " + name })
	want := map[string][]record.OwnCallback{"t1": {{Ref: "team:t1", Name: "langfuse", On: "success", Vars: map[string]string{"success_callback": "", "langfuse_secret": "value of ANY", "langfuse_host": "https://h"}}}}
	delete(want["t1"][0].Vars, "success_callback")
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(err, d)
	}
	for _, bad := range []any{"x", []any{map[string]any{"success_callback": []any{"langfuse"}}}} {
		if _, err := callback.TeamDefaults(bad, nil); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}
