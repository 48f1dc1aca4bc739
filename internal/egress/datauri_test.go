package egress_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"tollgate/internal/egress"
)

func TestParseDataURI(t *testing.T) {
	tests := []struct{ in, mediaType, data string }{
		{"data:image/png;base64,aGVsbG8=", "image/png", "hello"},
		{"data:image/png;base64,aGVsbG8", "image/png", "hello"},
		{"DATA:Image/PNG;BASE64,aGVsbG8=", "image/png", "hello"},
		{"data:image/svg+xml;charset=utf-8;base64,PHN2Zz4=", "image/svg+xml", "<svg>"},
		{"data:application/octet-stream;base64,-_-_", "application/octet-stream", "\xfb\xff\xbf"},
		{"data:application/octet-stream;base64,+/+/", "application/octet-stream", "\xfb\xff\xbf"},
		{"data:application/octet-stream;base64,%2B%2F%2B%2F", "application/octet-stream", "\xfb\xff\xbf"},
		{"data:image/png;base64,aGVs\nbG8=", "image/png", "hello"},
		{"data:,a%20b+c", "text/plain", "a b+c"},
		{"data:;charset=utf-8,x,y", "text/plain", "x,y"},
		{"data:;base64,aGVsbG8=", "text/plain", "hello"},
		{"data:text/plain,", "text/plain", ""},
	}
	for _, tt := range tests {
		mediaType, data, err := egress.ParseDataURI(tt.in, 0)
		if err != nil || mediaType != tt.mediaType || string(data) != tt.data {
			t.Errorf("ParseDataURI(%q) = %q, %q, %v; want %q, %q", tt.in, mediaType, data, err, tt.mediaType, tt.data)
		}
	}
}

func TestParseDataURIErrors(t *testing.T) {
	tests := []struct {
		in   string
		want egress.Kind
	}{
		{"", egress.BadURL},
		{"data", egress.BadURL},
		{"data:image/png;base64", egress.BadURL},
		{"https://example.com/a,b", egress.BadURL},
		{"data:png;base64,aGVsbG8=", egress.BadURL},
		{"data:image/;base64,aGVsbG8=", egress.BadURL},
		{"data:image/png;base64,aGVsbG8!", egress.BadURL},
		{"data:image/png;base64,aGVsb", egress.BadURL},
		{"data:image/png;base64,+_", egress.BadURL},
		{"data:text/plain,%zz", egress.BadURL},
		{"data:text/plain,12345678901", egress.TooLarge},
		{"data:image/png;base64," + base64.StdEncoding.EncodeToString(make([]byte, 11)), egress.TooLarge},
		{"data:image/png;base64," + strings.Repeat("A", 1000), egress.TooLarge},
	}
	for _, tt := range tests {
		mediaType, data, err := egress.ParseDataURI(tt.in, 10)
		if got := kindOf(t, err); got != tt.want || mediaType != "" || data != nil {
			t.Errorf("ParseDataURI(%.40q) = %q, %q, %v; want %s", tt.in, mediaType, data, err, tt.want)
		}
	}
}

// Whatever is taken is a data URI again, with the same data in it.
func FuzzParseDataURI(f *testing.F) {
	for _, s := range []string{"data:,x", "data:image/png;base64,aGVsbG8=", "data:a/b;c=d,%41", "data:;base64,", "data:a/b;base64,-_"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		mediaType, data, err := egress.ParseDataURI(s, 1<<16)
		if err != nil {
			kindOf(t, err)
			return
		}
		again := "data:" + mediaType + ";base64," + base64.StdEncoding.EncodeToString(data)
		if m, d, err := egress.ParseDataURI(again, 1<<16); err != nil || m != mediaType || !bytes.Equal(d, data) {
			t.Fatalf("ParseDataURI(%q) = %q, %q; read again as %q, %q, %v", s, mediaType, data, m, d, err)
		}
	})
}
