package ocisim

import (
	"encoding/binary"
	"strings"
)

// offersZstd reports whether this reply goes out in zstd: on the OpenAI-compatible surface, to callers that offer it.
func (x *exchange) offersZstd() bool {
	if x.op != opOpenAIChat || !x.variants.ZstdCompat || x.rule.GarbageAfter != nil {
		return false
	}
	for _, coding := range strings.Split(x.r.Header.Get("Accept-Encoding"), ",") {
		if name, _, _ := strings.Cut(strings.TrimSpace(coding), ";"); strings.EqualFold(name, "zstd") {
			return true
		}
	}
	return false
}

// zstdBlock is the largest block of a zstd frame.
const zstdBlock = 128 << 10

// zstdFrame wraps data in a complete zstd frame of raw blocks (RFC 8878, section 3.1.1): nothing is compressed, yet a
// reader that does not know zstd sees noise, and one that stops after the first frame misses the rest of a stream.
func zstdFrame(data []byte) []byte {
	out := []byte{0x28, 0xB5, 0x2F, 0xFD, 0xA0} // magic; single segment, content size in four bytes
	out = binary.LittleEndian.AppendUint32(out, uint32(len(data)))
	for {
		n := min(len(data), zstdBlock)
		header := uint32(n) << 3 // type 0 is a raw block
		if n == len(data) {
			header |= 1 // the last block
		}
		out = append(out, byte(header), byte(header>>8), byte(header>>16))
		out = append(out, data[:n]...)
		if data = data[n:]; len(data) == 0 {
			return out
		}
	}
}
