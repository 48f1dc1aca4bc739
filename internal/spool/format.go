package spool

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// The format of segments; docs/reference/spool-format.md says it in words.
const (
	magic      = "TGSPOOL1"
	headerSize = 32 // magic, number, first sequence number, CRC, four bytes of zero
	frameSize  = 20 // marker, CRC, length, sequence number
)

// marker begins every record, so that the next one can be found behind damage.
var marker = []byte{0xF3, 'r', 'e', 0xC5}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// place is a position in the spool: where a record begins, or where the next one will.
type place struct {
	segment uint64
	offset  int64
	seq     uint64 // of the last record before it
}

// appendHeader appends the header of a segment whose first record will have the sequence number first.
func appendHeader(dst []byte, number, first uint64) []byte {
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint64(dst, number)
	dst = binary.LittleEndian.AppendUint64(dst, first)
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[len(dst)-24:], castagnoli))
	return append(dst, 0, 0, 0, 0)
}

// readHeader returns the first sequence number of a segment, and whether the header is whole and the segment's own.
func readHeader(b []byte, number uint64) (first uint64, whole bool) {
	if len(b) < headerSize || string(b[:8]) != magic || binary.LittleEndian.Uint64(b[8:]) != number {
		return 0, false
	}
	first = binary.LittleEndian.Uint64(b[16:])
	return first, first > 0 && crc32.Checksum(b[:24], castagnoli) == binary.LittleEndian.Uint32(b[24:])
}

// appendFrame appends a record as it stands in a segment, at a place.
func appendFrame(dst []byte, at place, record []byte) []byte {
	begin := len(dst)
	dst = append(dst, marker...)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(record)))
	dst = binary.LittleEndian.AppendUint64(dst, at.seq+1)
	dst = append(dst, record...)
	binary.LittleEndian.PutUint32(dst[begin+4:], checksum(at, dst[begin+8:]))
	return dst
}

// checksum begins with where a record stands: what is a part of another record's text, or left over from another
// segment, is no record.
func checksum(at place, lengthOn []byte) uint32 {
	return crc32.Update(uint32(at.segment)*2654435761^uint32(at.offset), castagnoli, lengthOn)
}

// frame is what parseFrame finds.
type frame struct {
	record []byte // a part of the bytes given
	seq    uint64
	size   int64 // of the frame: where it ends, or how many bytes are needed to say more
	state  frameState
}

type frameState int

const (
	frameWhole frameState = iota
	frameShort            // b ends before the frame, the segment does not: size bytes are needed
	frameBad              // no record begins here
)

// parseFrame reads the record at a place from b, the bytes from there on; rest is how many the segment holds from there
// on, len(b) or more.
func parseFrame(b []byte, at place, rest int64) frame {
	if rest < frameSize {
		return frame{state: frameBad}
	}
	if len(b) < frameSize {
		return frame{state: frameShort, size: frameSize}
	}
	length := int64(binary.LittleEndian.Uint32(b[8:]))
	size := frameSize + length
	if !bytes.Equal(b[:4], marker) || length > MaxRecord || size > rest {
		return frame{state: frameBad}
	}
	if int64(len(b)) < size {
		return frame{state: frameShort, size: size}
	}
	if checksum(at, b[8:size]) != binary.LittleEndian.Uint32(b[4:]) {
		return frame{state: frameBad}
	}
	return frame{record: b[frameSize:size], seq: binary.LittleEndian.Uint64(b[12:]), size: size}
}

// resync returns how many bytes to skip from a place where no record begins to the next that does, len(b) when there is
// none. b is the whole rest of the segment.
func resync(b []byte, at place) int64 {
	for skip := int64(1); ; skip++ {
		i := bytes.Index(b[min(skip, int64(len(b))):], marker)
		if i < 0 {
			return int64(len(b))
		}
		skip += int64(i)
		here := place{segment: at.segment, offset: at.offset + skip}
		if parseFrame(b[skip:], here, int64(len(b))-skip).state == frameWhole {
			return skip
		}
	}
}
