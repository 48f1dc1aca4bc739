package disk

import (
	"testing"
	"time"
)

// FuzzParse: of any bytes those alone are an entry that format has written for the key.
func FuzzParse(f *testing.F) {
	f.Add(format("k", []byte("v"), time.Unix(1.7e9, 5)), "k")
	f.Add(append(magic, make([]byte, head)...), "")
	f.Add([]byte("tollgate cache 1"), "k")
	f.Fuzz(func(t *testing.T, raw []byte, key string) {
		value, until, ok := parse(raw, key)
		if ok && string(format(key, value, until)) != string(raw) {
			t.Errorf("%q was taken for %q", raw, value)
		}
	})
}
