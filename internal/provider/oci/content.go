package oci

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"tollgate/internal/egress"
	"tollgate/internal/openai"
)

// appendTextPart writes GENERIC's and COHEREV2's form of a text.
func appendTextPart(o *jsonOut, t openai.Text) {
	o.open('{')
	o.strMember("type", "TEXT")
	o.textMember("text", t)
	o.close('}')
}

// joinedText joins the texts of a message, a line feed between two parts. Anything else among them is an error,
// because nothing in the fields that this fills can hold it. path is that of the content.
func joinedText(path string, parts []openai.Part, what string) (openai.Text, error) {
	if len(parts) == 1 && parts[0].Type == openai.PartText {
		return parts[0].Text, nil
	}
	out := []byte{'"'}
	for i, p := range parts {
		if p.Type == openai.PartThinking {
			continue
		}
		if p.Type != openai.PartText && p.Type != openai.PartRefusal {
			return nil, misplaced(path, i, p, what)
		}
		if len(out) > 1 {
			out = append(out, `\n`...)
		}
		out = append(out, p.Text.Inner()...)
	}
	return append(out, '"'), nil
}

func misplaced(path string, i int, p openai.Part, what string) error {
	at := path + "[" + strconv.Itoa(i) + "]"
	return &openai.ParseError{Param: at, Message: fmt.Sprintf("Invalid content part '%s': %s cannot hold a part of type '%s'.", at, what, clipWord(string(p.Type)))}
}

// media is a part that is no text, as OCI's parts hold it.
type media struct {
	kind   string      // IMAGE, DOCUMENT, VIDEO, AUDIO
	url    openai.Text // a data URI or an address
	detail string      // AUTO, LOW, HIGH or ""
}

// mediaOf reads a part into media; ok is false for texts and kinds unknown. path is that of the part.
func mediaOf(path string, p openai.Part) (m media, ok bool, err error) {
	switch p.Type {
	case openai.PartImage:
		return media{kind: "IMAGE", url: p.URL, detail: strings.ToUpper(p.Detail)}, true, nil
	case openai.PartVideo:
		return media{kind: "VIDEO", url: p.URL}, true, nil
	case openai.PartDocument:
		return media{kind: "DOCUMENT", url: p.URL}, true, nil
	case openai.PartAudioURL:
		return media{kind: "AUDIO", url: p.URL}, true, nil
	case openai.PartAudio:
		if p.Data.Empty() {
			return media{}, true, &openai.ParseError{Param: path + ".input_audio.data", Message: "Missing required parameter: '" + path + ".input_audio.data'."}
		}
		return media{kind: "AUDIO", url: dataURI("audio/"+audioSubtype(p.Format), p.Data)}, true, nil
	case openai.PartFile:
		if p.Data.Empty() {
			return media{}, true, &openai.ParseError{Param: path + ".file", Message: "Invalid value for '" + path + ".file': OCI has no uploaded files; send the content as 'file_data'."}
		}
		url := p.Data
		if !bytes.HasPrefix(url.Inner(), []byte("data:")) {
			url = dataURI("application/pdf", url)
		}
		return media{kind: "DOCUMENT", url: url}, true, nil
	}
	return media{}, false, nil
}

func audioSubtype(format string) string {
	switch format {
	case "", "wav":
		return "wav"
	case "mp3":
		return "mpeg"
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '+' {
			return r
		}
		return -1
	}, strings.ToLower(format))
}

// dataURI makes a text of base64 that is in a text already.
func dataURI(mediaType string, base64Text openai.Text) openai.Text {
	out := append([]byte(`"data:`), mediaType...)
	out = append(out, ";base64,"...)
	out = append(out, base64Text.Inner()...)
	return append(out, '"')
}

// clipWord bounds what of a caller's word goes into a message.
func clipWord(s string) string {
	const longest = 64
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "..."
	}
	return s
}

// fetched are the media types that a URL of a caller may lead to, by the kind of part.
var fetched = map[string][]string{
	"IMAGE": {"image/*"}, "VIDEO": {"video/*"}, "AUDIO": {"audio/*"}, "DOCUMENT": {"application/pdf", "text/*", "application/*"},
}

// appendMedia writes a part that is an address or a data URI: {type, member: {url, detail}}.
func (t *translation) appendMedia(ctx context.Context, path, kind, member string, m media) error {
	m, err := t.in.fetch(ctx, t.d, path, m)
	if err != nil {
		return err
	}
	o := &t.out
	o.open('{')
	o.strMember("type", kind)
	o.key(member)
	o.open('{')
	o.textMember("url", m.url)
	if m.detail != "" {
		o.strMember("detail", m.detail)
	}
	o.close('}')
	o.close('}')
	return nil
}

// maxFetches is how many addresses of one call are fetched: each may be as large as a fetch may be.
const maxFetches = 20

// fetch is inline for a part of a chat; it counts.
func (in *input) fetch(ctx context.Context, d *Deployment, path string, m media) (media, error) {
	out, err := d.inline(ctx, path, m)
	if err == nil && !bytes.Equal(out.url, m.url) {
		in.fetches++
	}
	if in.fetches > maxFetches {
		return m, tooManyFetches(path)
	}
	return out, err
}

func tooManyFetches(path string) error {
	return &openai.ParseError{Param: path, Message: fmt.Sprintf("Too many URLs: at most %d of one call are fetched; send the rest as data URIs.", maxFetches)}
}

// inline replaces an address by a data URI of what is behind it, when the operator lets callers' URLs be fetched;
// else the address goes to OCI as it is.
func (d *Deployment) inline(ctx context.Context, path string, m media) (media, error) {
	if !d.spec.AllowURLFetch || !(bytes.HasPrefix(m.url.Inner(), []byte("http://")) || bytes.HasPrefix(m.url.Inner(), []byte("https://"))) {
		return m, nil
	}
	got, err := d.spec.Egress.Fetch(ctx, m.url.String(), egress.FetchOptions{Types: fetched[m.kind]})
	if err != nil {
		if ctx.Err() != nil {
			return m, ctx.Err()
		}
		return m, &openai.ParseError{Param: path, Message: fmt.Sprintf("litellm.ImageFetchError: Unable to fetch the URL of '%s': %s", path, err)}
	}
	mediaType := got.MediaType
	if mediaType == "" {
		mediaType = "application/octet-stream"
	}
	m.url = dataURI(mediaType, openai.Text(`"`+base64.StdEncoding.EncodeToString(got.Body)+`"`))
	return m, nil
}
