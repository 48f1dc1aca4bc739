package disk

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// An entry's file is a line that names the format, the sum of what follows (32 bytes), when it is over (8 bytes, nanoseconds
// since 1970), the length of the key (4 bytes), the key and the value. The sum tells a file that a crash has cut, or that a
// disk has damaged, from one that is whole.
var magic = []byte("tollgate cache 1\n")

const head = sha256.Size + 8 + 4

func format(key string, value []byte, until time.Time) []byte {
	out := make([]byte, 0, len(magic)+head+len(key)+len(value))
	out = append(append(out, magic...), make([]byte, sha256.Size)...)
	out = binary.BigEndian.AppendUint64(out, uint64(until.UnixNano()))
	out = binary.BigEndian.AppendUint32(out, uint32(len(key)))
	out = append(append(out, key...), value...)
	sum := sha256.Sum256(out[len(magic)+sha256.Size:])
	copy(out[len(magic):], sum[:])
	return out
}

// parse reads a file; ok is false where it is not whole, or another key's.
func parse(raw []byte, key string) (value []byte, until time.Time, ok bool) {
	rest, ok := bytes.CutPrefix(raw, magic)
	if !ok || len(rest) < head {
		return nil, time.Time{}, false
	}
	sum := sha256.Sum256(rest[sha256.Size:])
	if !bytes.Equal(sum[:], rest[:sha256.Size]) {
		return nil, time.Time{}, false
	}
	rest = rest[sha256.Size:]
	until = time.Unix(0, int64(binary.BigEndian.Uint64(rest)))
	n := binary.BigEndian.Uint32(rest[8:])
	rest = rest[12:]
	if uint64(n) > uint64(len(rest)) || string(rest[:n]) != key {
		return nil, time.Time{}, false
	}
	return rest[n:], until, true
}
