package oci

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
	"tollgate/internal/provider/compat"
	"tollgate/internal/provider/oci/auth"
)

// openCompat makes the client of OCI's OpenAI-shaped surface, nil for a deployment that never goes there.
func (d *Deployment) openCompat() (*compat.Client, error) {
	if d.settings.surface == surfaceActions || (d.settings.surface == surfaceAuto && d.fam.format != Generic) {
		return nil, nil
	}
	if d.settings.surface == surfaceOpenAI && strings.HasPrefix(strings.ToLower(d.spec.Model), "cohere.command-r") {
		return nil, errors.New("oci: litellm_params.oci_surface: OCI's OpenAI surface does not serve Cohere's R models; use actions")
	}
	if d.spec.Egress == nil {
		return nil, nil
	}
	o := compat.Options{Provider: providerName, BaseURL: d.settings.openaiURL, Egress: d.spec.Egress, Now: d.o.Now, LineEvents: true}
	o.Header = http.Header{}
	for name, value := range d.spec.Params.ExtraHeaders {
		o.Header.Set(name, value.Reveal())
	}
	if !d.settings.apiKey.Empty() {
		bearer := "Bearer " + d.settings.apiKey.Reveal()
		o.Authorize = func(req *http.Request, _ jsonscan.Parts) error {
			req.Header.Set("Authorization", bearer)
			return nil
		}
	} else {
		o.Authorize = func(req *http.Request, body jsonscan.Parts) error {
			req.Header.Set("Opc-Compartment-Id", d.settings.compartment)
			return d.sign(req.Context(), req, auth.HashBody(body...))
		}
		o.Refresh = d.principal.Refresh
	}
	return compat.NewClient(o)
}

// prefersOpenAI reports whether a chat call goes by OCI's OpenAI-shaped surface. Configuration decides first. On auto
// a GenAI API key leads there for the models that it serves, which saves the signature, and so do parts that the
// native surface does not take of OpenAI's models.
func (d *Deployment) prefersOpenAI(in *input) bool {
	switch {
	case d.settings.surface == surfaceOpenAI:
		return true
	case d.compat == nil:
		return false
	case d.fam.textAndImages && hasOtherMedia(in.chat):
		return true
	case d.principal == nil:
		return true // signing is impossible
	case d.settings.apiKey.Empty() || !d.fam.onOpenAI || d.settings.endpoint != "":
		return false
	}
	return !d.needsFold(in.chat)
}

// needsFold reports whether the OpenAI-shaped surface would refuse a call because a system message leads it: Llama
// does so beside tools (vercel/ai#21153).
func (d *Deployment) needsFold(chat *openai.Chat) bool {
	return d.fam.vendor == "meta" && len(chat.Tools) > 0 && isSystem(chat.Messages[0])
}

// hasOtherMedia reports whether a call sends or wants more than texts and images.
func hasOtherMedia(chat *openai.Chat) bool {
	if slices.ContainsFunc(chat.Params, func(f jsonscan.Field) bool { return f.Name == "audio" }) {
		return true
	}
	return slices.ContainsFunc(chat.Messages, func(m openai.Message) bool {
		return slices.ContainsFunc(m.Content, func(p openai.Part) bool {
			switch p.Type {
			case openai.PartAudio, openai.PartAudioURL, openai.PartFile, openai.PartDocument, openai.PartVideo:
				return true
			}
			return false
		})
	})
}

func (d *Deployment) chatOpenAI(ctx context.Context, r *openai.Request, in *input) (*openai.Response, error) {
	body, dropped, err := d.outgoingOpenAI(r, in, false)
	if err != nil {
		return nil, badRequest(err)
	}
	resp, err := d.compat.Post(ctx, "/chat/completions", body, r.Header)
	if err != nil {
		return nil, d.advisedError(err)
	}
	resp.Dropped = dropped
	return resp, nil
}

func (d *Deployment) streamOpenAI(ctx context.Context, r *openai.Request, in *input) (openai.Stream, error) {
	body, dropped, err := d.outgoingOpenAI(r, in, true)
	if err != nil {
		return nil, badRequest(err)
	}
	s, err := d.compat.Stream(ctx, "/chat/completions", body, r.Header)
	if err != nil {
		return nil, d.advisedError(err)
	}
	if len(dropped) == 0 {
		return s, nil
	}
	return provider.WithDropped(s, dropped), nil
}

// advisedError is advised for errors of the OpenAI-shaped surface.
func (d *Deployment) advisedError(err error) error {
	var e *provider.UpstreamError
	if errors.As(err, &e) && e.Header != nil {
		return d.advised(e, d.o.Now())
	}
	return err
}
