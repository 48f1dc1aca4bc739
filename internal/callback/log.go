package callback

import (
	"log/slog"
	"sync"
	"time"
)

// log tells of what goes on going wrong once in a while, with how often it has since it was told last.
type log struct {
	to  *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	told map[string]*telling // by message; guarded by mu
}

// telling is one message of a log.
type telling struct {
	at    time.Time
	since int // how often it was not told since
}

// warn notes that something has happened to some events.
func (l *log) warn(message string, events int, args ...any) {
	l.mu.Lock()
	if l.told == nil {
		l.told = map[string]*telling{}
	}
	t := l.told[message]
	if t == nil {
		t = &telling{}
		l.told[message] = t
	}
	t.since += events
	now := l.now()
	if !t.at.IsZero() && now.Sub(t.at) < quiet {
		l.mu.Unlock()
		return
	}
	count := t.since
	t.at, t.since = now, 0
	l.mu.Unlock()
	l.to.Warn(message, append(args, "count", count)...)
}
