// Package azurecontentsafety is the guardrails `azure/prompt_shield` and `azure/text_moderations`: two calls of Azure AI Content
// Safety.
package azurecontentsafety

import (
	"context"
	"net/http"
	"net/url"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/remote"
	"tollgate/internal/secret"
)

const (
	standardVersion = "2024-09-01"
	// longest bounds a text of one call, in characters; overlap is what neighbouring pieces of a longer one have in common.
	longest, overlap = 10_000, 200
)

// service is one resource of Azure AI Content Safety.
type service struct {
	client  *remote.Client
	base    string
	version string
	key     secret.String
}

func open(spec *guardrail.Spec) service {
	s := service{
		base: remote.Base(spec, "api_base", "", "AZURE_GUARDRAIL_API_BASE"), key: spec.Settings.NeedSecret("api_key", "AZURE_GUARDRAIL_API_KEY"),
		version: spec.Settings.Text("api_version"),
	}
	if s.version == "" {
		s.version = standardVersion
	}
	s.client = remote.New("Azure Content Safety", spec, s.key)
	return s
}

func (s *service) call(ctx context.Context, action string, body any, judged []string, reply any) error {
	return s.client.Do(ctx, remote.Call{
		URL:    s.base + "/contentsafety/" + action + "?api-version=" + url.QueryEscape(s.version),
		Header: http.Header{"Ocp-Apim-Subscription-Key": {s.key.Reveal()}}, Body: body, Judged: judged,
	}, reply)
}

// pieces are the texts that wanted keeps, cut to what one call takes.
func pieces(texts []content.Text, wanted func(*content.Text) bool) []string {
	var out []string
	for i := range texts {
		if !wanted(&texts[i]) {
			continue
		}
		for _, p := range remote.Cut(texts[i].Value, longest, overlap, remote.Characters) {
			out = append(out, p.Text)
		}
	}
	return out
}
