package gateway

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"tollgate/internal/dispatch"
)

// A provider that panics is an unhealthy deployment, not the end of the process.
func TestProbe_Panic(t *testing.T) {
	var log strings.Builder
	s := &Snapshot{Models: &Models{}, Health: Health{Timeout: time.Minute, Details: true}}
	healthy, unhealthy := s.probe(t.Context(), []*dispatch.Deployment{
		{ID: "bad", Chatter: chats(func(context.Context, string) error { panic(secretValue) })},
		{ID: "good", Chatter: chats(func(context.Context, string) error { return nil })},
		{ID: "down", Chatter: chats(func(context.Context, string) error { return io.ErrUnexpectedEOF })},
	}, slog.New(slog.NewTextHandler(&log, nil)))
	if len(healthy) != 1 || healthy[0]["model_id"] != "good" || len(unhealthy) != 2 || unhealthy[0]["model_id"] != "bad" {
		t.Fatalf("healthy %v, unhealthy %v", healthy, unhealthy)
	}
	if text, _ := unhealthy[0]["error"].(string); !strings.HasPrefix(text, "Internal server error.") {
		t.Errorf("the answer says %q", text)
	}
	if got := log.String(); !strings.Contains(got, "deployment=bad") || !strings.Contains(got, "health_test.go") || strings.Contains(got, secretValue) {
		t.Errorf("logged: %s", got)
	}
}
