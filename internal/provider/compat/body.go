package compat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"tollgate/internal/jsonscan"
	"tollgate/internal/provider"
)

const (
	// maxAnswer bounds an answer in one piece, in bytes. Two thousand float embeddings of 1536 dimensions are about
	// 60 MB as text.
	maxAnswer = 64 << 20
	// maxTrusted is the largest Content-Length that memory is set aside for before the bytes have come.
	maxTrusted = 1 << 20
	// maxPooled is the largest buffer kept for the next answer, so that one huge answer does not stay for ever.
	maxPooled = 1 << 20
)

// errTooLarge says that an answer passed maxAnswer.
var errTooLarge = errors.New("answer is too large")

// replay gives the body from its start again.
func replay(body jsonscan.Parts) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return body.Reader(), nil }
}

// readAnswer reads the body of a 2xx, which must be a JSON object that tells of no failure, and scans its top level.
func (c *Client) readAnswer(ctx context.Context, resp *http.Response) (text []byte, members []jsonscan.Member, err error) {
	text, err = c.buffers.read(resp, maxAnswer)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case errors.Is(err, errTooLarge):
		return nil, nil, c.broken(resp.Header, fmt.Sprintf("the upstream's answer is larger than %d bytes", maxAnswer), err)
	default:
		return nil, nil, provider.ErrorFromTransport(c.o.Provider, err)
	}
	members, err = jsonscan.Object(text, make([]jsonscan.Member, 0, 12))
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return nil, nil, c.broken(resp.Header, fmt.Sprintf("the upstream answered %d with an empty body", resp.StatusCode), err)
	case err != nil:
		return nil, nil, c.broken(resp.Header, fmt.Sprintf("the upstream answered %d with a body that is no JSON object: %v", resp.StatusCode, err), err)
	case holdsError(members):
		return nil, nil, c.failedInside(resp.Header, members, text)
	}
	return text, members, nil
}

// bufferPool holds buffers for answers of unknown length. The zero value is ready.
type bufferPool struct{ pool sync.Pool }

// read reads a whole body of at most limit bytes into memory of just its size.
func (p *bufferPool) read(resp *http.Response, limit int64) ([]byte, error) {
	n := resp.ContentLength
	if n > limit {
		return nil, errTooLarge
	}
	if n >= 0 && n <= maxTrusted {
		text := make([]byte, n)
		_, err := io.ReadFull(resp.Body, text)
		return text, err
	}
	buf, _ := p.pool.Get().(*bytes.Buffer)
	if buf == nil {
		buf = new(bytes.Buffer)
	}
	defer func() {
		if buf.Cap() <= maxPooled {
			buf.Reset()
			p.pool.Put(buf)
		}
	}()
	if _, err := buf.ReadFrom(io.LimitReader(resp.Body, limit+1)); err != nil {
		return nil, err
	}
	if int64(buf.Len()) > limit {
		return nil, errTooLarge
	}
	return bytes.Clone(buf.Bytes()), nil
}
