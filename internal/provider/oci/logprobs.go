package oci

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// wireLogprobs is OCI's form, the one of OpenAI's older completions. The numbers of the alternatives come as texts.
type wireLogprobs struct {
	Tokens []string                     `json:"tokens"`
	Chosen []float64                    `json:"tokenLogprobs"`
	Top    []map[string]json.RawMessage `json:"topLogprobs"`
}

type tokenLogprob struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

// chatLogprobs is OpenAI's logprobs object for OCI's; nil when there is nothing in it.
func chatLogprobs(raw []byte) []byte {
	var in wireLogprobs
	if raw == nil || json.Unmarshal(raw, &in) != nil || len(in.Tokens) == 0 || len(in.Chosen) < len(in.Tokens) {
		return nil
	}
	type entry struct {
		tokenLogprob
		Top []tokenLogprob `json:"top_logprobs"`
	}
	out := struct {
		Content []entry   `json:"content"`
		Refusal *struct{} `json:"refusal"`
	}{}
	for i, token := range in.Tokens {
		e := entry{tokenLogprob: newLogprob(token, in.Chosen[i]), Top: []tokenLogprob{}}
		if i < len(in.Top) {
			for alternative, number := range in.Top[i] {
				if p, err := strconv.ParseFloat(trimQuotes(number), 64); err == nil {
					e.Top = append(e.Top, newLogprob(alternative, p))
				}
			}
			slices.SortFunc(e.Top, func(a, b tokenLogprob) int {
				return cmp.Or(cmp.Compare(b.Logprob, a.Logprob), strings.Compare(a.Token, b.Token))
			})
		}
		out.Content = append(out.Content, e)
	}
	return mustJSON(out)
}

func newLogprob(token string, p float64) tokenLogprob {
	l := tokenLogprob{Token: token, Logprob: p, Bytes: make([]int, len(token))}
	for i := range len(token) {
		l.Bytes[i] = int(token[i])
	}
	return l
}

func trimQuotes(raw []byte) string {
	if len(raw) >= 2 && raw[0] == '"' {
		raw = raw[1 : len(raw)-1]
	}
	return string(raw)
}
