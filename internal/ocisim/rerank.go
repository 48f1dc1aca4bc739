package ocisim

import (
	"math"
	"sort"

	"tollgate/internal/ocisim/answer"
	"tollgate/internal/ocisim/hashembed"
)

// rerankDims is the size of the vectors that a rerank compares.
const rerankDims = 1024

type rerankRequest struct {
	Input         string      `json:"input"`
	CompartmentID string      `json:"compartmentId"`
	ServingMode   servingMode `json:"servingMode"`
	Documents     []string    `json:"documents"`
	TopN          int         `json:"topN"`
	IsEcho        bool        `json:"isEcho"`
}

// rerankResult has no usage; the capture shows no modelVersion either.
type rerankResult struct {
	ID            string         `json:"id"`
	ModelID       string         `json:"modelId"`
	DocumentRanks []documentRank `json:"documentRanks"`
}

type documentRank struct {
	Index          int         `json:"index"`
	RelevanceScore float64     `json:"relevanceScore"`
	Document       *rankedText `json:"document,omitempty"`
}

type rankedText struct {
	Text string `json:"text"`
}

// rerankText is POST /actions/rerankText.
func (x *exchange) rerankText() error {
	var q rerankRequest
	if err := x.decode(rerankDetails, &q); err != nil {
		return err
	}
	if err := x.s.authorize(q.CompartmentID); err != nil {
		return err
	}
	t, err := x.s.resolve(q.ServingMode, capabilityRerank)
	if err != nil {
		return err
	}
	x.announce(t.Model)
	switch {
	case q.Input == "":
		return badParameter("input must not be empty")
	case len(q.Documents) == 0:
		return badParameter("documents must not be empty")
	}
	ranks := rank(t.ID, q.Input, q.Documents)
	if q.TopN > 0 {
		ranks = ranks[:min(q.TopN, len(ranks))]
	}
	if q.IsEcho {
		for i := range ranks {
			ranks[i].Document = &rankedText{q.Documents[ranks[i].Index]}
		}
	}
	tokens := answer.Count(q.Input)
	for _, d := range q.Documents {
		tokens += answer.Count(d)
	}
	x.bill(usage{prompt: tokens})
	return x.reply(rerankResult{x.requestID, t.asked, ranks})
}

// rank sorts documents by nearness to the query, best first; equal ones keep their order.
func rank(model, query string, documents []string) []documentRank {
	want := hashembed.Vector(model, query, rerankDims)
	ranks := make([]documentRank, len(documents))
	for i, d := range documents {
		near := hashembed.Cosine(want, hashembed.Vector(model, d, rerankDims))
		ranks[i] = documentRank{Index: i, RelevanceScore: relevance(near)}
	}
	sort.SliceStable(ranks, func(i, j int) bool { return ranks[i].RelevanceScore > ranks[j].RelevanceScore })
	return ranks
}

// relevance spreads a cosine over 0..1 as rerankers do: what shares nothing is near 0, what shares much near 1.
func relevance(cosine float64) float64 {
	score := 1 / (1 + math.Exp(-12*(cosine-0.3)))
	return math.Round(score*1e6) / 1e6
}
