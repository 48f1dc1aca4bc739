package oci

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"tollgate/internal/apierr"
	"tollgate/internal/openai"
)

// embedder answers embedText with one vector for each input: the input's number in the whole request.
type embedder struct {
	mu     sync.Mutex
	bodies []map[string]any
	usage  string
}

func (e *embedder) RoundTrip(r *http.Request) (*http.Response, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var body map[string]any
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, err
	}
	if !strings.HasSuffix(r.URL.Path, "/20231130/actions/embedText") {
		return refusal(404, `{}`), nil
	}
	e.mu.Lock()
	e.bodies = append(e.bodies, body)
	e.mu.Unlock()
	inputs, _ := body["inputs"].([]any)
	contents, _ := body["embedContents"].([]any)
	vectors := make([]string, 0, len(inputs))
	for _, in := range inputs {
		vectors = append(vectors, fmt.Sprintf("[%d,-8.4949343E-4]", len(in.(string))))
	}
	for range contents {
		vectors = append(vectors, "[0.5]")
	}
	return answer(200, `{"id":"A/B/C","embeddings":[`+strings.Join(vectors, ",")+`],"modelId":"m","modelVersion":"4.0"`+e.usage+`}`, false), nil
}

func embed(t *testing.T, params, body string, e *embedder) (string, []string, error) {
	t.Helper()
	r, err := openai.ParseRequest(openai.OpEmbedding, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := openDeployment(t, params, e).Embed(t.Context(), r)
	if err != nil {
		return "", nil, err
	}
	return string(resp.Body), resp.Dropped, nil
}

// oci-wire 4.8: the request, the answer as captured, floats in E notation.
func TestEmbed(t *testing.T) {
	const usage = `,"usage":{"completionTokens":0,"promptTokens":16,"totalTokens":16}`
	tests := []struct{ name, model, body, usage, oci, want string }{
		{"text", "cohere.embed-v4.0", `{"model":"a","input":"abc"}`, usage,
			`{"inputs":["abc"],"inputType":"SEARCH_DOCUMENT","truncate":"END"}`,
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[3,-8.4949343E-4]}],"model":"cohere.embed-v4.0","usage":{"prompt_tokens":16,"total_tokens":16}}`},
		{"everything", "cohere.embed-v4.0", `{"model":"a","input":["a","bc"],"dimensions":256,"input_type":"search_query","truncate":"start","encoding_format":"float","user":"u"}`, usage,
			`{"inputs":["a","bc"],"outputDimensions":256,"inputType":"SEARCH_QUERY","truncate":"START"}`,
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,-8.4949343E-4]},{"object":"embedding","index":1,"embedding":[2,-8.4949343E-4]}],"model":"cohere.embed-v4.0","usage":{"prompt_tokens":16,"total_tokens":16}}`},
		{"tokens", "cohere.embed-v4.0", `{"model":"a","input":[15339,1917]}`, "",
			`{"inputs":["hello world"],"inputType":"SEARCH_DOCUMENT","truncate":"END"}`,
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[11,-8.4949343E-4]}],"model":"cohere.embed-v4.0","usage":{"prompt_tokens":2,"total_tokens":2}}`},
		{"lists of tokens, usage estimated", "cohere.embed-v4.0", `{"model":"a","input":[[15339],[1917],"12345"]}`, "",
			`{"inputs":["hello"," world","12345"],"inputType":"SEARCH_DOCUMENT","truncate":"END"}`,
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[5,-8.4949343E-4]},{"object":"embedding","index":1,"embedding":[6,-8.4949343E-4]},{"object":"embedding","index":2,"embedding":[5,-8.4949343E-4]}],"model":"cohere.embed-v4.0","usage":{"prompt_tokens":4,"total_tokens":4}}`},
		{"image on v4", "cohere.embed-v4.0", `{"model":"a","input":["t",{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]}`, usage,
			`{"embedContents":[{"type":"TEXT","text":"t"},{"type":"IMAGE","imageUrl":{"url":"data:image/png;base64,AA"}}],"inputType":"SEARCH_DOCUMENT","truncate":"END"}`,
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]},{"object":"embedding","index":1,"embedding":[0.5]}],"model":"cohere.embed-v4.0","usage":{"prompt_tokens":16,"total_tokens":16}}`},
		{"image on v3", "cohere.embed-english-image-v3.0", `{"model":"a","input":"data:image/png;base64,AA"}`, usage,
			`{"inputs":["data:image/png;base64,AA"],"inputType":"IMAGE","truncate":"END"}`,
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[24,-8.4949343E-4]}],"model":"cohere.embed-english-image-v3.0","usage":{"prompt_tokens":16,"total_tokens":16}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := &embedder{usage: tt.usage}
			got, _, err := embed(t, "model: oci/"+tt.model, tt.body, e)
			if err != nil {
				t.Fatal(err)
			}
			compareJSON(t, "answer", got, tt.want)
			sent := e.bodies[0]
			delete(sent, "compartmentId")
			delete(sent, "servingMode")
			compareJSON(t, "OCI's body", string(mustJSON(sent)), tt.oci)
		})
	}
}

// OpenAI's SDKs ask for base64: little-endian float32.
func TestEmbed_Base64(t *testing.T) {
	got, _, err := embed(t, "model: oci/cohere.embed-v4.0", `{"model":"a","input":"abc","encoding_format":"base64"}`, &embedder{})
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Data []struct {
			Embedding string `json:"embedding"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(got), &answer); err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(answer.Data[0].Embedding)
	if err != nil || len(raw) != 8 {
		t.Fatalf("%d bytes, %v", len(raw), err)
	}
	for i, want := range []float32{3, -8.4949343e-4} {
		if got := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])); got != want {
			t.Errorf("%d: %v, want %v", i, got, want)
		}
	}
}

// OCI takes 96 inputs a call; a request with more keeps its order, and the usage adds up.
func TestEmbed_Batches(t *testing.T) {
	const n = 96*5 + 7
	inputs := make([]string, n)
	for i := range inputs {
		inputs[i] = strings.Repeat("x", i+1)
	}
	e := &embedder{usage: `,"usage":{"promptTokens":10,"totalTokens":10}`}
	got, _, err := embed(t, "model: oci/cohere.embed-v4.0", `{"model":"a","input":`+string(mustJSON(inputs))+`}`, e)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Data []struct {
			Index     int       `json:"index"`
			Embedding []float64 `json:"embedding"`
		} `json:"data"`
		Usage struct {
			Total int `json:"total_tokens"`
		} `json:"usage"`
	}
	if err := json.Unmarshal([]byte(got), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Data) != n || answer.Usage.Total != 60 || len(e.bodies) != 6 {
		t.Fatalf("%d vectors, %d tokens, %d calls", len(answer.Data), answer.Usage.Total, len(e.bodies))
	}
	for i, v := range answer.Data {
		if v.Index != i || v.Embedding[0] != float64(i+1) {
			t.Fatalf("vector %d is %d %v", i, v.Index, v.Embedding)
		}
	}
	for _, body := range e.bodies {
		if len(body["inputs"].([]any)) > 96 {
			t.Errorf("%d inputs in one call", len(body["inputs"].([]any)))
		}
	}
}

func TestEmbed_Refusals(t *testing.T) {
	tests := []struct{ model, body, want string }{
		{"cohere.embed-v4.0", `{"model":"a"}`, "400 input: Missing required parameter: 'input'."},
		{"cohere.embed-v4.0", `{"model":"a","input":[]}`, "400 input: Invalid 'input': empty array. Expected an array with minimum length 1, but got an empty array instead."},
		{"cohere.embed-v4.0", `{"model":"a","input":5}`, "400 input: Invalid type for 'input': expected a string, an array of strings, or arrays of tokens."},
		{"cohere.embed-v4.0", `{"model":"a","input":["a",5]}`, "400 input[1]: Invalid type for 'input[1]': expected a string or an array of tokens."},
		{"cohere.embed-v4.0", `{"model":"a","input":[[100256]]}`, "400 input[0]: Invalid value for 'input[0]': 100256 is not a cl100k_base token; send the text itself."},
		{"cohere.embed-v4.0", `{"model":"a","input":"a","encoding_format":"int8"}`, "400 encoding_format: Invalid value for 'encoding_format'. Supported values are: 'float' and 'base64'."},
		{"cohere.embed-english-v3.0", `{"model":"a","input":"a","dimensions":256}`, "400 dimensions: litellm.UnsupportedParamsError: oci does not support parameters: ['dimensions'], for model=cohere.embed-english-v3.0. To drop these, set `litellm.drop_params=True` or for proxy: `litellm_settings: drop_params: true`"},
	}
	for _, tt := range tests {
		_, _, err := embed(t, "model: oci/"+tt.model, tt.body, &embedder{})
		if err == nil || errorText(err) != tt.want {
			t.Errorf("%s:\n got %v\nwant %s", tt.body, err, tt.want)
		}
	}
	_, dropped, err := embed(t, "model: oci/cohere.embed-english-v3.0\ndrop_params: true", `{"model":"a","input":"a","dimensions":256,"foo":1}`, &embedder{})
	if err != nil || !slices.Equal(dropped, []string{"dimensions", "foo"}) {
		t.Errorf("dropped %q, %v", dropped, err)
	}
}

// oci-wire 4.9: the request and the answer as captured; Cohere's and Jina's common shape around them.
func TestRerank(t *testing.T) {
	oci := &fakeOCI{answer: func(*http.Request, []byte) *http.Response {
		return answer(200, `{"id":"A/B/C","modelId":"cohere.rerank-v4.0-fast","documentRanks":[{"index":1,"relevanceScore":0.93},{"index":0,"relevanceScore":1.2E-4}]}`, false)
	}}
	d := openDeployment(t, "model: oci/cohere.rerank-v4.0-fast", oci)
	r, err := openai.ParseRequest(openai.OpRerank, []byte(`{"model":"a","query":"tide?","documents":["one",{"text":"two","x":1}],"top_n":2,"return_documents":true,"max_tokens_per_doc":100}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := d.Rerank(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	compareJSON(t, "answer", string(resp.Body), `{"id":"rerank-x","results":[{"index":1,"relevance_score":0.93,"document":{"text":"two"}},{"index":0,"relevance_score":1.2E-4,"document":{"text":"one"}}],"meta":{"billed_units":{"search_units":1}}}`)
	compareJSON(t, "OCI's body", string(oci.body), `{"compartmentId":"ocid1.compartment.oc1..test","servingMode":{"servingType":"ON_DEMAND","modelId":"cohere.rerank-v4.0-fast"},"input":"tide?","documents":["one","two"],"topN":2,"maxTokensPerDocument":100}`)
	if !strings.HasSuffix(oci.last.URL.Path, "/20231130/actions/rerankText") {
		t.Errorf("called %s", oci.last.URL)
	}
}

func TestRerank_Refusals(t *testing.T) {
	tests := []struct{ body, reply, want string }{
		{`{"documents":["a"]}`, "", "400 query: Missing required parameter: 'query'."},
		{`{"query":"q","documents":[]}`, "", "400 documents: Missing required parameter: 'documents'."},
		{`{"query":"q","documents":[1]}`, "", "400 documents[0]: Invalid type for 'documents[0]': expected a string or an object with 'text'."},
		{`{"query":"q","documents":["a"],"rank_fields":["t"]}`, "", "400 rank_fields: litellm.UnsupportedParamsError: oci does not support parameters: ['rank_fields'], for model=m. To drop these, set `litellm.drop_params=True` or for proxy: `litellm_settings: drop_params: true`"},
		{`{"query":"q","documents":["a"]}`, `{"documentRanks":[{"index":7,"relevanceScore":1}]}`, "litellm.BadGatewayError: OCIException - OCI's ranks are not in its own shape: rank of document 7"},
		{`{"query":"q","documents":["a"]}`, `{}`, "litellm.BadGatewayError: OCIException - OCI's ranks are not in its own shape: no documentRanks"},
	}
	for _, tt := range tests {
		oci := &fakeOCI{answer: func(*http.Request, []byte) *http.Response { return answer(200, tt.reply, false) }}
		r, err := openai.ParseRequest(openai.OpRerank, []byte(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := openDeployment(t, "model: oci/m", oci).Rerank(t.Context(), r); err == nil || errorText(err) != tt.want {
			t.Errorf("%s:\n got %v\nwant %s", tt.body, err, tt.want)
		}
	}
}

// What additional_drop_params leaves out is named here as in chat.
func TestEmbed_NamesOmitted(t *testing.T) {
	e := &embedder{}
	_, dropped, err := embed(t, "model: oci/cohere.embed-v4.0\nadditional_drop_params: [dimensions]", `{"input":"a","dimensions":512}`, e)
	if err != nil || !slices.Equal(dropped, []string{"dimensions"}) || e.bodies[0]["outputDimensions"] != nil {
		t.Errorf("dropped %q of %v, %v", dropped, e.bodies, err)
	}
}

// OpenAI's bound holds here too: without one a small body could cause hundreds of calls.
func TestEmbed_TooManyInputs(t *testing.T) {
	oci := &fakeOCI{answer: func(*http.Request, []byte) *http.Response {
		t.Error("OCI was asked")
		return refusal(400, `{}`)
	}}
	d := openDeployment(t, "model: oci/cohere.embed-v4.0", oci)
	r, err := openai.ParseRequest(openai.OpEmbedding, []byte(`{"model":"alias","input":["`+strings.Repeat(`a","`, 2048)+`a"]}`))
	if err != nil {
		t.Fatal(err)
	}
	var refused *apierr.Error
	if _, err = d.Embed(t.Context(), r); !errors.As(err, &refused) || refused.Status != 400 || !strings.Contains(refused.Message, "maximum length 2048, but got an array with length 2049") {
		t.Errorf("%v", err)
	}
}
