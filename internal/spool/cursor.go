package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
)

// The cursor file has two slots that are written in turn, so that one is whole whatever dies while the other is written.
const (
	slotSize   = 64 // where the second one begins
	cursorSize = 36 // generation, segment, offset, sequence number, CRC
)

// cursorFile keeps what is acknowledged.
type cursorFile struct {
	f          *os.File
	generation uint64
}

// openCursor opens the cursor of a folder and returns the place that it holds; false when it holds none.
func openCursor(path string) (*cursorFile, place, bool, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, place{}, false, err
	}
	var b [slotSize + cursorSize]byte
	n, err := f.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, place{}, false, errors.Join(err, f.Close())
	}
	c := &cursorFile{f: f}
	var at place
	for _, slot := range [][]byte{b[:min(n, cursorSize)], b[min(n, slotSize):n]} {
		if generation, p, ok := readSlot(slot); ok && generation > c.generation {
			c.generation, at = generation, p
		}
	}
	return c, at, c.generation > 0, nil
}

// readSlot reads a slot, false when it is not whole.
func readSlot(b []byte) (generation uint64, at place, ok bool) {
	if len(b) < cursorSize || crc32.Checksum(b[:32], castagnoli) != binary.LittleEndian.Uint32(b[32:]) {
		return 0, place{}, false
	}
	return binary.LittleEndian.Uint64(b), place{
		segment: binary.LittleEndian.Uint64(b[8:]),
		offset:  int64(binary.LittleEndian.Uint64(b[16:])),
		seq:     binary.LittleEndian.Uint64(b[24:]),
	}, true
}

// write keeps a place. It is not forced onto the disk: after a power loss an older place makes records come again.
func (c *cursorFile) write(at place) error {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, cursorSize), c.generation+1)
	b = binary.LittleEndian.AppendUint64(b, at.segment)
	b = binary.LittleEndian.AppendUint64(b, uint64(at.offset))
	b = binary.LittleEndian.AppendUint64(b, at.seq)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	if _, err := c.f.WriteAt(b, int64(c.generation%2)*slotSize); err != nil {
		return err
	}
	c.generation++
	return nil
}

func (c *cursorFile) close() error { return c.f.Close() }
