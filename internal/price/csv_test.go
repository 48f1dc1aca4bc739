package price_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tollgate/internal/price"
)

const (
	head = "id,mode,input_cost_per_token,output_cost_per_token,cache_read_input_token_cost," +
		"cache_creation_input_token_cost,input_cost_per_character,output_cost_per_character," +
		"max_input_tokens,max_output_tokens,output_vector_size,caps,more,date,source\n"
	good = "oci/a,chat,1e-6,1e-6,,,,,1,1,,tools,output_cost_per_token_above_200k_tokens=2e-6 input_cost_per_image=0.1,2026-11-25,s\n"
)

func TestReadErrors(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", "EOF"},
		{"other header", "id,mode\n", "first line"},
		{"too few fields", head + "oci/a,chat\n", "wrong number of fields"},
		{"no provider", head + "a,chat,,,,,,,,,,,,,s\n", "line 2: id \"a\" has no provider"},
		{"empty provider", head + "/a,chat,,,,,,,,,,,,,s\n", "no provider"},
		{"blank in the id", head + "oci/a b,chat,,,,,,,,,,,,,s\n", "no id holds"},
		{"long id", head + "oci/" + strings.Repeat("a", 200) + ",chat,,,,,,,,,,,,,s\n", "too long"},
		{"mode", head + "oci/a,chats,,,,,,,,,,,,,s\n", "unknown mode"},
		{"no source", head + "oci/a,chat,,,,,,,,,,,,,\n", "source"},
		{"price", head + "oci/a,chat,x,,,,,,,,,,,,s\n", "not a decimal number"},
		{"negative price", head + "oci/a,chat,-1,,,,,,,,,,,,s\n", "negative"},
		{"price too fine", head + "oci/a,chat,1e-13,,,,,,,,,,,,s\n", "finer"},
		{"count", head + "oci/a,chat,,,,,,,many,,,,,,s\n", "many"},
		{"negative count", head + "oci/a,chat,,,,,,,-1,,,,,,s\n", "negative"},
		{"capability", head + "oci/a,chat,,,,,,,,,,flying,,,s\n", "flying"},
		{"more", head + "oci/a,chat,,,,,,,,,,,ocr_cost_per_page=1,,s\n", `no price is called "ocr_cost_per_page"`},
		{"price in more", head + "oci/a,chat,,,,,,,,,,,input_cost_per_image=cheap,,s\n", "cheap"},
		{"date", head + "oci/a,chat,,,,,,,,,,,,25.11.2026,s\n", "25.11.2026"},
		{"twice", head + good + "# a comment\n" + good, "line 4: oci/a stands twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := price.Read(strings.NewReader(tt.in))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Read = %v, want an error that says %q", err, tt.want)
			}
		})
	}
}

func TestNamesThatProvidersShare(t *testing.T) {
	line := func(id, cost string) string { return id + ",chat," + cost + "," + cost + ",,,,,1,1,,,,,s\n" }
	for name, tt := range map[string]struct {
		lines []string
		want  string // the id that "a" stands for
	}{
		"one":                     {[]string{"oci/a"}, "oci/a"},
		"two":                     {[]string{"oci/a", "xai/a"}, ""},
		"three":                   {[]string{"oci/a", "xai/a", "groq/a"}, ""},
		"OpenAI first":            {[]string{"openai/a", "azure/a"}, "openai/a"},
		"OpenAI last":             {[]string{"oci/a", "azure/a", "openai/a"}, "openai/a"},
		"another name, ends in a": {[]string{"groq/oci/a", "oci/a"}, "oci/a"},
	} {
		text := head
		for _, id := range tt.lines {
			text += line(id, "1e-6")
		}
		tab, err := price.Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := tab.Lookup("a"); e.ID != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: a is %q", name, e.ID)
		}
		for _, id := range tt.lines {
			if e, ok := tab.Lookup(id); !ok || e.ID != id {
				t.Errorf("%s: %s is %q", name, id, e.ID)
			}
		}
	}
}

// What is written is read as it was.
func TestWriteAndRead(t *testing.T) {
	for name, tab := range map[string]*price.Table{"built in": table(t), "small": read(t, head+good)} {
		var text bytes.Buffer
		if err := tab.Write(&text); err != nil {
			t.Fatal(err)
		}
		again := read(t, text.String())
		a, b := tab.Models(), again.Models()
		if len(a) != len(b) {
			t.Fatalf("%s: %d and %d models", name, len(a), len(b))
		}
		for i := range a {
			if !a[i].Equal(b[i].Rates) {
				t.Errorf("%s: %s costs something else", name, a[i].ID)
			}
			a[i].Rates, b[i].Rates = price.Rates{}, price.Rates{}
			if a[i] != b[i] {
				t.Errorf("%s: %+v became %+v", name, a[i], b[i])
			}
		}
	}
}

func read(t testing.TB, text string) *price.Table {
	t.Helper()
	tab, err := price.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func FuzzRead(f *testing.F) {
	f.Add(head + good)
	f.Add(head + "\"oci/a\nb\",chat,,,,,,,,,,,,,s\n")
	f.Fuzz(func(t *testing.T, text string) {
		tab, err := price.Read(strings.NewReader(text))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := tab.Write(&again); err != nil {
			t.Fatal(err)
		}
		second, err := price.Read(&again)
		if err != nil {
			t.Fatalf("what was written is not read: %v\n%s", err, text)
		}
		if d := price.Diff(tab, second); len(d) > 0 {
			t.Errorf("differences: %+v", d)
		}
	})
}

func TestDiff(t *testing.T) {
	before := read(t, head+good+"oci/gone,chat,,,,,,,,,,,,,s\noci/same,chat,1e-6,,,,,,,,,,,,s\n")
	next := read(t, head+"oci/same,chat,0.000001,,,,,,,,,,,,another source\n"+"oci/new,chat,,,,,,,,,,,,,s\n"+strings.Replace(good, "200k", "128k", 1))
	var got []string
	for _, d := range price.Diff(before, next) {
		got = append(got, d.Kind()+" "+d.ID)
	}
	if want := "added oci/new, changed oci/a, removed oci/gone"; strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if d := price.Diff(before, before); len(d) > 0 {
		t.Errorf("a table differs from itself: %v", d)
	}
}

func TestKeeping(t *testing.T) {
	mine := read(t, head+"oci/a,chat,1,1,,,,,,,,,,,mine\nxai/b,chat,1,1,,,,,,,,,,,mine\n")
	theirs := read(t, head+"xai/b,chat,2,2,,,,,,,,,,,theirs\noci/a,chat,2,2,,,,,,,,,,,theirs\noci/c,chat,2,2,,,,,,,,,,,theirs\n")
	var got []string
	for _, e := range theirs.Keeping(mine, "oci").Models() {
		got = append(got, e.ID+" "+e.Source)
	}
	if want := "oci/a mine, xai/b theirs"; strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoadAndSave(t *testing.T) {
	builtin := table(t)
	for _, dir := range []string{"", t.TempDir(), filepath.Join(t.TempDir(), "not there")} {
		tab, own, err := price.Load(dir)
		if err != nil || own || len(price.Diff(builtin, tab)) > 0 {
			t.Errorf("Load(%q): own %v, %v", dir, own, err)
		}
	}
	dir := filepath.Join(t.TempDir(), "made")
	if err := price.Save(dir, read(t, head+good)); err != nil {
		t.Fatal(err)
	}
	if err := price.Save(dir, read(t, head+good)); err != nil {
		t.Fatal(err)
	}
	tab, own, err := price.Load(dir)
	if err != nil || !own || len(tab.Models()) != 1 {
		t.Fatalf("own %v, %v", own, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("the folder holds %v", left)
	}
	file := filepath.Join(dir, price.FileName)
	if err := os.WriteFile(file, []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := price.Load(dir); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a broken file: %v", err)
	}
	if err := price.Save(file, tab); err == nil {
		t.Error("a file was taken for a folder")
	}
}
