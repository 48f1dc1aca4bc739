package oci

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
	"tollgate/internal/provider/oci/auth"
)

const (
	// maxInputs is how many inputs OCI takes in one call.
	maxInputs = 96
	// maxParallelBatches is how many calls one request makes at a time.
	maxParallelBatches = 4
)

// embedParams are the parameters of an embedding request besides input and encoding_format.
var embedParams = []param{
	{"dimensions outputDimensions", "outputDimensions", integer, ""},
	{"input_type inputType", "inputType", enum, ""},
	{"truncate", "truncate", enum, ""},
}

// maxRequested is OpenAI's bound on the inputs of one request.
const maxRequested = 2048

// embedRequest is an embedding request, read.
type embedRequest struct {
	inputs  []embedInput
	base64  bool
	fields  []jsonscan.Field
	dropped []string
	tokens  int // estimate of all inputs, for models that count none
}

// Embed implements provider.Embedder. Requests with more inputs than OCI takes are split, sent side by side and put
// together in order.
func (d *Deployment) Embed(ctx context.Context, r *openai.Request) (*openai.Response, error) {
	req, err := d.readEmbed(ctx, r)
	if err != nil {
		return nil, badRequest(err)
	}
	batches := d.batches(req.inputs)
	answers := make([]embedAnswer, len(batches))
	headers := make([]openai.Meta, len(batches))
	var answered atomic.Bool
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxParallelBatches)
	for i, batch := range batches {
		group.Go(func() (err error) {
			defer func() {
				if p := recover(); p != nil { // here it would end the process
					err = fmt.Errorf("oci: panic in an embedding batch: %v", p)
				}
			}()
			if answers[i], headers[i], err = d.embedBatch(ctx, req, batch); err == nil {
				answered.Store(true)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		var failed *provider.UpstreamError
		if answered.Load() && errors.As(err, &failed) {
			failed.Billed = provider.MaybeBilled // the other batches were
		}
		return nil, err
	}
	body, err := req.response(d.spec.Model, answers)
	if err != nil {
		return nil, d.broken(headers[0].Header, err.Error(), err)
	}
	return &openai.Response{Meta: openai.Meta{Header: headers[0].Header, Dropped: req.dropped}, Body: body}, nil
}

func (d *Deployment) readEmbed(ctx context.Context, r *openai.Request) (*embedRequest, error) {
	members, omitted, err := d.members(r)
	if err != nil {
		return nil, err
	}
	req := &embedRequest{}
	var rest []jsonscan.Field
	var input []byte
	for _, m := range members {
		switch {
		case string(m.Value) == "null":
		case m.Name == "input":
			input = m.Value
		case m.Name == "encoding_format":
			switch openai.Text(m.Value).String() {
			case "float":
			case "base64":
				req.base64 = true
			default:
				return nil, &openai.ParseError{Param: m.Name, Message: "Invalid value for 'encoding_format'. Supported values are: 'float' and 'base64'."}
			}
		default:
			rest = append(rest, m)
		}
	}
	if input == nil {
		return nil, &openai.ParseError{Param: "input", Message: "Missing required parameter: 'input'."}
	}
	params, err := d.sortFields(r, rest, embedParams)
	if err != nil {
		return nil, err
	}
	req.fields, req.dropped = params.fields, sortedNames(slices.Concat(omitted, params.refused))
	if req.inputs, err = readInputs(input); err != nil {
		return nil, err
	}
	if n := len(req.inputs); n > maxRequested {
		return nil, &openai.ParseError{Param: "input", Message: fmt.Sprintf("Invalid 'input': array too long. Expected an array with maximum length %d, but got an array with length %d instead.", maxRequested, n)}
	}
	images := 0
	for i := range req.inputs {
		req.tokens += req.inputs[i].tokens
		if req.inputs[i].image {
			images++
		}
		if images > maxFetches && d.spec.AllowURLFetch {
			return nil, tooManyFetches(fmt.Sprintf("input[%d]", i))
		}
		if err := d.inlineInput(ctx, i, &req.inputs[i]); err != nil {
			return nil, err
		}
	}
	return req, nil
}

// inlineInput fetches the image behind an address where callers' addresses may be fetched.
func (d *Deployment) inlineInput(ctx context.Context, i int, in *embedInput) error {
	if !in.image {
		return nil
	}
	m, err := d.inline(ctx, fmt.Sprintf("input[%d]", i), media{kind: "IMAGE", url: in.text})
	in.text = m.url
	return err
}

// sortFields decides on the parameters of the operations that have a table of their own: it gives OCI's fields and
// the parameters that were left out, or refuses those.
func (d *Deployment) sortFields(r *openai.Request, members []jsonscan.Field, table []param) (paramSet, error) {
	var s paramSet
	for _, m := range members {
		if swallowed[m.Name] || string(m.Value) == "null" {
			continue
		}
		p, known := find(table, m.Name)
		if !known || (p.field == "outputDimensions" && strings.Contains(d.spec.Model, "-v3")) {
			s.refused = append(s.refused, m.Name)
			continue
		}
		if err := s.take(p, m); err != nil {
			return s, err
		}
	}
	if len(s.refused) > 0 && !d.dropParams(r) {
		return s, unsupported(d.spec.Model, s.refused)
	}
	s.refused = sortedNames(s.refused)
	return s, nil
}

// batches splits inputs for calls. Models before v4 take one image and nothing else in a call; a v4 call with an
// image among its inputs describes every one of them.
func (d *Deployment) batches(inputs []embedInput) [][]embedInput {
	alone := !strings.Contains(d.spec.Model, "embed-v4")
	var out [][]embedInput
	start := 0
	for i := range inputs {
		full := i-start == maxInputs
		if full || (i > start && alone && (inputs[i].image || inputs[i-1].image)) {
			out, start = append(out, inputs[start:i]), i
		}
	}
	return append(out, inputs[start:])
}

// embedAnswer is OCI's.
type embedAnswer struct {
	Embeddings []json.RawMessage `json:"embeddings"`
	Usage      *wireUsage        `json:"usage"`
}

func (d *Deployment) embedBatch(ctx context.Context, req *embedRequest, batch []embedInput) (embedAnswer, openai.Meta, error) {
	body := d.embedBody(req, batch)
	resp, err := d.post(ctx, "embedText", body, auth.HashBody(body))
	if err != nil {
		return embedAnswer{}, openai.Meta{}, err
	}
	meta := openai.Meta{Header: resp.Header}
	text, err := d.readAnswer(ctx, resp)
	if err != nil {
		return embedAnswer{}, meta, err
	}
	var a embedAnswer
	if err := json.Unmarshal(text, &a); err != nil {
		return a, meta, d.broken(meta.Header, "OCI's embeddings are not in its own shape: "+err.Error(), err)
	}
	if len(a.Embeddings) != len(batch) {
		return a, meta, d.broken(meta.Header, fmt.Sprintf("OCI answered %d embeddings for %d inputs", len(a.Embeddings), len(batch)), nil)
	}
	return a, meta, nil
}

// embedBody writes an embedText request.
func (d *Deployment) embedBody(req *embedRequest, batch []embedInput) []byte {
	images := false
	for _, in := range batch {
		images = images || in.image
	}
	described := images && strings.Contains(d.spec.Model, "embed-v4")
	var o jsonOut
	o.open('{')
	o.b = append(o.b, d.target...)
	if described {
		o.key("embedContents")
	} else {
		o.key("inputs")
	}
	o.open('[')
	for _, in := range batch {
		switch {
		case !described:
			o.raw(in.text)
		case in.image:
			o.open('{')
			o.strMember("type", "IMAGE")
			o.key("imageUrl")
			o.open('{')
			o.textMember("url", in.text)
			o.close('}')
			o.close('}')
		default:
			appendTextPart(&o, in.text)
		}
	}
	o.close(']')
	kind, truncate := []byte(`"SEARCH_DOCUMENT"`), []byte(`"END"`)
	if images && !described {
		kind = []byte(`"IMAGE"`)
	}
	for _, f := range req.fields {
		switch f.Name {
		case "inputType":
			kind = f.Value
		case "truncate":
			truncate = f.Value
		default:
			o.rawMember(f.Name, f.Value)
		}
	}
	o.rawMember("inputType", kind)
	o.rawMember("truncate", truncate)
	o.close('}')
	return o.b
}

// response puts the answers of all batches together.
func (r *embedRequest) response(model string, answers []embedAnswer) ([]byte, error) {
	var o jsonOut
	o.open('{')
	o.strMember("object", "list")
	o.key("data")
	o.open('[')
	index, tokens, counted := 0, 0, true
	for _, a := range answers {
		for _, vector := range a.Embeddings {
			o.open('{')
			o.strMember("object", "embedding")
			o.numMember("index", index)
			o.key("embedding")
			if err := r.vector(&o, vector); err != nil {
				return nil, err
			}
			o.close('}')
			index++
		}
		if a.Usage == nil {
			counted = false
			continue
		}
		tokens += max(a.Usage.Prompt, a.Usage.Total-a.Usage.Completion)
	}
	o.close(']')
	o.strMember("model", model)
	if !counted {
		tokens = r.tokens
	}
	o.key("usage")
	o.open('{')
	o.numMember("prompt_tokens", tokens)
	o.numMember("total_tokens", tokens)
	o.close('}')
	o.close('}')
	return o.b, nil
}

// vector writes an embedding as it came, or as base64 of little-endian float32s, which OpenAI's SDKs ask for.
func (r *embedRequest) vector(o *jsonOut, raw []byte) error {
	if !r.base64 {
		o.raw(raw)
		return nil
	}
	var floats []float32
	if err := json.Unmarshal(raw, &floats); err != nil {
		return fmt.Errorf("OCI's embedding is no list of numbers: %w", err)
	}
	packed := make([]byte, 0, 4*len(floats))
	for _, f := range floats {
		packed = binary.LittleEndian.AppendUint32(packed, math.Float32bits(f))
	}
	o.comma()
	o.b = append(o.b, '"')
	o.b = base64.StdEncoding.AppendEncode(o.b, packed)
	o.b = append(o.b, '"')
	return nil
}
