package otlp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // one of the encodings that a call may name
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"tollgate/internal/callback"
	"tollgate/internal/callback/post"
)

// GRPC sends one signal by OTLP/gRPC. Its connection is made when it is first needed and closed when nobody has the GRPC any
// more, as after a reload.
type GRPC struct {
	e    Endpoint
	conn *grpc.ClientConn
	meta metadata.MD
}

// Dial makes a connection for senders of several signals. secure is nil for one without TLS.
func Dial(address string, secure *tls.Config) (*grpc.ClientConn, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, errors.New("must be http:// or https://, a host and a port")
	}
	how := insecure.NewCredentials()
	if secure != nil {
		how = credentials.NewTLS(secure)
	}
	return grpc.NewClient(u.Host, grpc.WithTransportCredentials(how), grpc.WithDisableServiceConfig(), grpc.WithDisableRetry())
}

// NewGRPC makes a sender on a connection. The connection is closed with the last of its senders.
func NewGRPC(e Endpoint, conn *grpc.ClientConn) *GRPC {
	g := &GRPC{e: e, conn: conn, meta: metadata.MD{}}
	for name, values := range e.Header {
		g.meta[strings.ToLower(name)] = values
	}
	return g
}

// CloseWith closes a connection once owner is not used any more: callbacks are not closed when a reload replaces them.
func CloseWith[T any](owner *T, conn *grpc.ClientConn) {
	runtime.AddCleanup(owner, func(c *grpc.ClientConn) { _ = c.Close() }, conn)
}

// Send implements Sender.
func (g *GRPC) Send(ctx context.Context, body []byte) error {
	timeout := g.e.Timeout
	if timeout <= 0 {
		timeout = callback.Timeout
	}
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(ctx, g.meta), timeout)
	defer cancel()
	options := []grpc.CallOption{grpc.ForceCodec(encoded{})}
	if g.e.Gzip {
		options = append(options, grpc.UseCompressor("gzip"))
	}
	var answer []byte
	if err := g.conn.Invoke(ctx, g.e.Signal.method(), &body, &answer, options...); err != nil {
		return judge(err, body)
	}
	g.e.told(answer, body)
	return nil
}

// judge turns an error of gRPC into one of callbacks.
func judge(err error, sent []byte) error {
	s := status.Convert(err)
	text := fmt.Sprintf("%s: %s", s.Code(), post.Quotable([]byte(s.Message()), sent))
	for _, detail := range s.Details() {
		if retry, ok := detail.(*errdetails.RetryInfo); ok && retry.GetRetryDelay().AsDuration() > 0 {
			return &callback.RetryAfter{After: min(retry.GetRetryDelay().AsDuration(), 24*time.Hour), Err: errors.New(text)}
		}
	}
	switch s.Code() {
	case codes.InvalidArgument:
		return &post.Refused{Status: http.StatusBadRequest, Text: text}
	case codes.ResourceExhausted: // without a delay: the body is too large, and its halves may not be
		return &post.Refused{Status: http.StatusRequestEntityTooLarge, Text: text}
	}
	return errors.New(text)
}

// encoded is the codec of messages that are encoded already.
type encoded struct{}

// Marshal implements encoding.Codec.
func (encoded) Marshal(v any) ([]byte, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("otlp: a %T is not encoded", v)
	}
	return *b, nil
}

// Unmarshal implements encoding.Codec.
func (encoded) Unmarshal(data []byte, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("otlp: a %T does not stay encoded", v)
	}
	*b = bytes.Clone(data)
	return nil
}

// Name implements encoding.Codec.
func (encoded) Name() string { return "proto" }
