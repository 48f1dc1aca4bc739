package oci

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/oracle/oci-go-sdk/v65/generativeaiinference"

	"tollgate/internal/openai"
)

// Oracle's own types read every body that the golden cases send and lose nothing of it: no field is misspelt, none
// is in the wrong place.
func TestTranslate_OraclesTypesKnowEveryField(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		c := readCase(t, file)
		if c["reply"] == "" && c["stream"] == "" {
			continue
		}
		_, streamed := c["stream"]
		d := openDeployment(t, c["params"], nil)
		in, err := d.readChat(parseRequest(t, c["request"]))
		if err != nil {
			t.Fatal(err)
		}
		out, err := d.translate(t.Context(), in, streamed)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var details generativeaiinference.ChatDetails
		if err := json.Unmarshal(out.body, &details); err != nil {
			t.Errorf("%s: %v\n%s", file, err, out.body)
			continue
		}
		back, err := json.Marshal(details)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(loose(t, out.body), loose(t, back)); diff != "" {
			t.Errorf("%s (-sent +understood):\n%s", file, diff)
		}
		seen++
	}
	if seen < 60 {
		t.Errorf("only %d bodies", seen)
	}
}

// loose decodes JSON without the members that hold nothing: Oracle's types write
// lists that were never set as null or empty.
func loose(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return withoutEmpty(v)
}

func withoutEmpty(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if list, ok := value.([]any); value == nil || (ok && len(list) == 0) {
				delete(v, name)
				continue
			}
			v[name] = withoutEmpty(value)
		}
	case []any:
		for i := range v {
			v[i] = withoutEmpty(v[i])
		}
	}
	return v
}

// The embedding and rerank bodies, likewise.
func TestEmbedAndRerank_OraclesTypesKnowEveryField(t *testing.T) {
	d := openDeployment(t, "model: oci/cohere.embed-v4.0", nil)
	r, err := openai.ParseRequest(openai.OpEmbedding, []byte(`{"input":["t",{"type":"image_url","image_url":"data:image/png;base64,AA"}],"dimensions":256,"input_type":"clustering"}`))
	if err != nil {
		t.Fatal(err)
	}
	req, err := d.readEmbed(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	body := d.embedBody(req, req.inputs)
	var embed generativeaiinference.EmbedTextDetails
	roundTrip(t, body, &embed)

	r, err = openai.ParseRequest(openai.OpRerank, []byte(`{"query":"q","documents":["a"],"top_n":1,"max_tokens_per_doc":5,"max_chunks_per_doc":6}`))
	if err != nil {
		t.Fatal(err)
	}
	ranks, err := d.readRerank(r)
	if err != nil {
		t.Fatal(err)
	}
	var rerank generativeaiinference.RerankTextDetails
	roundTrip(t, d.rerankBody(ranks), &rerank)
}

func roundTrip(t *testing.T, body []byte, details any) {
	t.Helper()
	if err := json.Unmarshal(body, details); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	back, err := json.Marshal(details)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(loose(t, body), loose(t, back)); diff != "" {
		t.Errorf("(-sent +understood):\n%s", diff)
	}
}
