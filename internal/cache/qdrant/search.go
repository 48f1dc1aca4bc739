package qdrant

import (
	"context"
	"errors"
	"net/http"
)

// filter is Qdrant's, as far as it is used here.
type filter struct {
	Must    []condition `json:"must,omitempty"`
	MustNot []condition `json:"must_not,omitempty"`
}

type condition struct {
	Key   string `json:"key"`
	Match *match `json:"match,omitempty"`
	Range *span  `json:"range,omitempty"`
}

type match struct {
	Value string `json:"value"`
}

type span struct {
	LTE int64 `json:"lte"`
}

// hit is a point that was found.
type hit struct {
	Score   float64 `json:"score"`
	Payload payload `json:"payload"`
}

// search finds the most similar living point of a scope, nil when none is similar enough. A server that does not know
// /points/query (before 1.10) is asked by /points/search, which newer ones no longer promise.
func (v *Vectors) search(ctx context.Context, scope string, vector []float32, threshold float64) (*hit, error) {
	question := map[string]any{
		"filter": filter{
			Must: []condition{{Key: "namespace", Match: &match{v.namespace}}, {Key: "scope", Match: &match{scope}}},
			// A point that has no expires_at is out of every range: it lives for ever.
			MustNot: []condition{{Key: "expires_at", Range: &span{LTE: v.now().UnixMilli()}}},
		},
		"limit": 1, "with_payload": true, "score_threshold": threshold,
	}
	if v.quantized != nil {
		// The candidates of the coarse vectors are compared again by the exact ones.
		question["params"] = map[string]any{"quantization": map[string]any{"ignore": false, "rescore": true, "oversampling": 3.0}}
	}
	if !v.oldSearch.Load() {
		question["query"] = vector
		var found struct {
			Points []hit `json:"points"`
		}
		err := v.rest.call(ctx, http.MethodPost, v.path("/points/query"), question, &found)
		if !noRoute(err) {
			return first(found.Points), err
		}
		delete(question, "query")
	}
	question["vector"] = vector
	var found []hit
	err := v.rest.call(ctx, http.MethodPost, v.path("/points/search"), question, &found)
	if err == nil {
		v.oldSearch.Store(true)
	}
	return first(found), err
}

func first(hits []hit) *hit {
	if len(hits) == 0 {
		return nil
	}
	return &hits[0]
}

// noRoute reports whether an error says that the server does not know the route: a 404 without a text of Qdrant's.
func noRoute(err error) bool {
	var answer *Error
	return errors.As(err, &answer) && answer.Status == http.StatusNotFound && answer.Message == ""
}
