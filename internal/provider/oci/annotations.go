package oci

import (
	"encoding/json"
	"strconv"

	"tollgate/internal/jsonscan"
)

// annotation is a place of the answer and where it is from.
type annotation struct {
	start, end int
	title, url string
}

// appendAnnotations writes what a piece tells of its sources: OpenAI's annotations, and for Cohere its own citations
// and documents under provider_specific_fields, where LiteLLM's clients look for them.
func appendAnnotations(o *jsonOut, p piece) {
	list := urlCitations(p.notes)
	list = append(list, groundingCitations(p.grounding)...)
	list = append(list, cohereCitations(p.citations, p.documents)...)
	if len(list) > 0 {
		o.key("annotations")
		o.open('[')
		for _, a := range list {
			o.open('{')
			o.strMember("type", "url_citation")
			o.key("url_citation")
			o.open('{')
			o.numMember("start_index", a.start)
			o.numMember("end_index", a.end)
			o.strMember("title", a.title)
			o.strMember("url", a.url)
			o.close('}')
			o.close('}')
		}
		o.close(']')
	}
	fields := []jsonscan.Field{{Name: "citations", Value: p.citations}, {Name: "documents", Value: p.documents}, {Name: "search_queries", Value: p.queries}}
	open := false
	for _, f := range fields {
		if !hasElements(f.Value) {
			continue
		}
		if !open {
			o.key("provider_specific_fields")
			o.open('{')
			open = true
		}
		o.rawMember(f.Name, f.Value)
	}
	if open {
		o.close('}')
	}
}

// hasSources reports whether appendAnnotations would write anything of a piece.
func (p *piece) hasSources() bool {
	return hasElements(p.notes) || hasElements(p.citations) || hasElements(p.documents) || hasElements(p.queries) || p.grounding != nil
}

func hasElements(raw []byte) bool { return len(raw) > 2 && raw[0] == '[' }

// urlCitations reads GENERIC's annotations.
func urlCitations(raw []byte) []annotation {
	var in []struct {
		Citation struct {
			Start int    `json:"startIndex"`
			End   int    `json:"endIndex"`
			Title string `json:"title"`
			URL   string `json:"url"`
		} `json:"urlCitation"`
	}
	if !hasElements(raw) || json.Unmarshal(raw, &in) != nil {
		return nil
	}
	out := make([]annotation, 0, len(in))
	for _, a := range in {
		out = append(out, annotation{a.Citation.Start, a.Citation.End, a.Citation.Title, a.Citation.URL})
	}
	return out
}

// groundingCitations reads Gemini's grounding: each supported segment cites the chunks that support it.
func groundingCitations(raw []byte) []annotation {
	var in struct {
		Chunks []struct {
			Web struct {
				URI   string `json:"uri"`
				Title string `json:"title"`
			} `json:"web"`
		} `json:"groundingChunks"`
		Supports []struct {
			Segment struct {
				Start int `json:"startIndex"`
				End   int `json:"endIndex"`
			} `json:"segment"`
			Chunks []int `json:"groundingChunkIndices"`
		} `json:"groundingSupports"`
	}
	if raw == nil || json.Unmarshal(raw, &in) != nil {
		return nil
	}
	var out []annotation
	for _, s := range in.Supports {
		for _, i := range s.Chunks {
			if i >= 0 && i < len(in.Chunks) {
				out = append(out, annotation{s.Segment.Start, s.Segment.End, in.Chunks[i].Web.Title, in.Chunks[i].Web.URI})
			}
		}
	}
	return out
}

// cohereCitations reads COHERE's and COHEREV2's citations of documents. One without an address gets its id as one,
// since OpenAI's form knows addresses only.
func cohereCitations(raw, documents []byte) []annotation {
	type document map[string]any
	var in []struct {
		Start, End  int
		DocumentIDs []string `json:"documentIds"`
		Sources     []struct {
			Document struct {
				ID       string   `json:"id"`
				Document document `json:"document"`
			} `json:"document"`
			Tool struct {
				ID string `json:"id"`
			} `json:"tool"`
		} `json:"sources"`
	}
	if !hasElements(raw) || json.Unmarshal(raw, &in) != nil {
		return nil
	}
	byID := map[string]document{}
	var listed []document
	if hasElements(documents) && json.Unmarshal(documents, &listed) == nil {
		for i, d := range listed {
			id, ok := d["id"].(string)
			if !ok {
				id = "doc_" + strconv.Itoa(i) // Cohere numbers documents without one
			}
			byID[id] = d
		}
	}
	var out []annotation
	cite := func(start, end int, id string, d document) {
		if id == "" {
			return
		}
		a := annotation{start: start, end: end, title: id, url: "document:" + id}
		data, _ := d["data"].(map[string]any) // where Cohere's own form of a document has its members
		for _, members := range []map[string]any{data, d} {
			if title, ok := members["title"].(string); ok && title != "" {
				a.title = title
			}
			if url, ok := members["url"].(string); ok && url != "" {
				a.url = url
			}
		}
		out = append(out, a)
	}
	for _, c := range in {
		for _, id := range c.DocumentIDs {
			cite(c.Start, c.End, id, byID[id])
		}
		for _, s := range c.Sources {
			cite(c.Start, c.End, s.Document.ID, s.Document.Document)
			cite(c.Start, c.End, s.Tool.ID, nil)
		}
	}
	return out
}
