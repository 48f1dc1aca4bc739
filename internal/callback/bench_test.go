package callback_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"tollgate/internal/callback"
)

// taker is a backend that takes everything.
type taker struct{}

func (taker) Deliver(context.Context, []*callback.Event) error { return nil }
func (taker) Ping(context.Context) error                       { return nil }

// BenchmarkEmit is what a call pays for its callbacks on its caller's way: the hand-over, whatever their number.
func BenchmarkEmit(b *testing.B) {
	for _, n := range []int{0, 1, 5} {
		b.Run(fmt.Sprintf("callbacks=%d", n), func(b *testing.B) {
			var s callback.Settings
			for i := range n {
				s.Callbacks = append(s.Callbacks, callback.Configured{Name: fmt.Sprint("c", i), Events: callback.Both, Callback: taker{}})
			}
			h := open(b, callback.Options{Dir: b.TempDir()}, s)
			c := base(b)
			for i := range n { // nobody hears of it in the end: else the queues would be measured
				c.Logging.Disabled = append(c.Logging.Disabled, fmt.Sprint("c", i))
			}
			b.ReportAllocs()
			for b.Loop() {
				h.Emit(&c)
			}
			b.StopTimer()
			closeHub(b, h)
		})
	}
}

// BenchmarkNewEvent makes and encodes the event of a call whose prompt and answer have so many kB.
func BenchmarkNewEvent(b *testing.B) {
	for _, kb := range []int{1, 32, 400} {
		for _, redact := range []bool{false, true} {
			b.Run(fmt.Sprintf("kB=%d/redacted=%v", kb, redact), func(b *testing.B) {
				c := base(b)
				text := strings.Repeat("All work and no play. ", kb*1000/22/2)
				c.Request = []byte(`{"model":"gpt","messages":[{"role":"user","content":"` + text + `"}]}`)
				c.Response = []byte(`{"id":"chatcmpl-1","choices":[{"index":0,"message":{"role":"assistant","content":"` + text + `"}}]}`)
				b.SetBytes(int64(len(c.Request) + len(c.Response)))
				b.ReportAllocs()
				for b.Loop() {
					e := callback.NewEvent(&c, callback.Rules{Redact: redact})
					if _, err := e.Payload.JSON(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkHub takes calls all the way, through the queue on the disk, to a backend that takes everything.
func BenchmarkHub(b *testing.B) {
	h := open(b, callback.Options{Dir: b.TempDir()}, one("a", taker{}))
	c := base(b)
	emitted := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		for emitted-h.Stats()[0].Delivered > 3000 {
			runtime.Gosched()
		}
		h.Emit(&c)
		emitted++
	}
	closeHub(b, h)
}
