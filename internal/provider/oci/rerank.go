package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/provider/oci/auth"
)

// rerankParams are the parameters of a rerank request besides query, documents and return_documents. OCI does not
// rank by fields, so rank_fields is not among them.
var rerankParams = []param{
	{"top_n topN", "topN", integer, ""},
	{"max_tokens_per_doc maxTokensPerDocument max_tokens_per_document", "maxTokensPerDocument", integer, ""},
	{"max_chunks_per_doc maxChunksPerDocument", "maxChunksPerDocument", integer, ""},
}

// rerankRequest is a rerank request in the shape that Cohere and Jina share.
type rerankRequest struct {
	query     openai.Text
	documents []openai.Text
	give      bool // the documents come back with their ranks
	fields    []jsonscan.Field
	dropped   []string
}

// Rerank implements provider.Reranker.
func (d *Deployment) Rerank(ctx context.Context, r *openai.Request) (*openai.Response, error) {
	req, err := d.readRerank(r)
	if err != nil {
		return nil, badRequest(err)
	}
	body := d.rerankBody(req)
	resp, err := d.post(ctx, "rerankText", body, auth.HashBody(body))
	if err != nil {
		return nil, err
	}
	text, err := d.readAnswer(ctx, resp)
	if err != nil {
		return nil, err
	}
	out, err := req.response(d.o.NewID(), text)
	if err != nil {
		return nil, d.broken(resp.Header, "OCI's ranks are not in its own shape: "+err.Error(), err)
	}
	return &openai.Response{Meta: openai.Meta{Header: resp.Header, Dropped: req.dropped}, Body: out}, nil
}

func (d *Deployment) readRerank(r *openai.Request) (*rerankRequest, error) {
	members, omitted, err := d.members(r)
	if err != nil {
		return nil, err
	}
	req := &rerankRequest{}
	var rest []jsonscan.Field
	for _, m := range members {
		switch {
		case string(m.Value) == "null":
		case m.Name == "query" && m.Value[0] == '"':
			req.query = openai.Text(m.Value)
		case m.Name == "documents":
			if req.documents, err = readDocuments(m.Value); err != nil {
				return nil, err
			}
		case m.Name == "return_documents" || m.Name == "isEcho":
			req.give = string(m.Value) == "true"
		default:
			rest = append(rest, m)
		}
	}
	if req.query == nil {
		return nil, &openai.ParseError{Param: "query", Message: "Missing required parameter: 'query'."}
	}
	if len(req.documents) == 0 {
		return nil, &openai.ParseError{Param: "documents", Message: "Missing required parameter: 'documents'."}
	}
	params, err := d.sortFields(r, rest, rerankParams)
	req.fields, req.dropped = params.fields, sortedNames(slices.Concat(omitted, params.refused))
	return req, err
}

// readDocuments takes texts and objects with a text.
func readDocuments(raw []byte) ([]openai.Text, error) {
	elements, err := jsonscan.Array(raw, nil)
	if err != nil {
		return nil, &openai.ParseError{Param: "documents", Message: "Invalid type for 'documents': expected an array."}
	}
	out := make([]openai.Text, 0, len(elements))
	for i, e := range elements {
		text := openai.Text(e)
		if e[0] == '{' {
			members, err := jsonscan.Object(e, nil)
			if err == nil {
				text = textValue(members, "text")
			}
		}
		if len(text) == 0 || text[0] != '"' {
			path := fmt.Sprintf("documents[%d]", i)
			return nil, &openai.ParseError{Param: path, Message: "Invalid type for '" + path + "': expected a string or an object with 'text'."}
		}
		out = append(out, text)
	}
	return out, nil
}

func (d *Deployment) rerankBody(req *rerankRequest) []byte {
	var o jsonOut
	o.open('{')
	o.b = append(o.b, d.target...)
	o.textMember("input", req.query)
	o.key("documents")
	o.open('[')
	for _, t := range req.documents {
		o.raw(t)
	}
	o.close(']')
	for _, f := range req.fields {
		o.rawMember(f.Name, f.Value)
	}
	o.close('}')
	return o.b
}

// response translates OCI's ranks. The documents are the caller's own, so OCI is not asked to repeat them. A call
// counts as one search unit, Cohere's measure; OCI gives none.
func (r *rerankRequest) response(id string, body []byte) ([]byte, error) {
	var in struct {
		Ranks []struct {
			Index int             `json:"index"`
			Score json.RawMessage `json:"relevanceScore"`
		} `json:"documentRanks"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	if in.Ranks == nil {
		return nil, fmt.Errorf("no documentRanks")
	}
	var o jsonOut
	o.open('{')
	o.strMember("id", "rerank-"+id)
	o.key("results")
	o.open('[')
	for _, rank := range in.Ranks {
		if rank.Index < 0 || rank.Index >= len(r.documents) || len(rank.Score) == 0 {
			return nil, fmt.Errorf("rank of document %d", rank.Index)
		}
		o.open('{')
		o.numMember("index", rank.Index)
		o.rawMember("relevance_score", rank.Score)
		if r.give {
			o.key("document")
			o.open('{')
			o.textMember("text", r.documents[rank.Index])
			o.close('}')
		}
		o.close('}')
	}
	o.close(']')
	o.rawMember("meta", []byte(`{"billed_units":{"search_units":1}}`))
	o.close('}')
	return o.b, nil
}
