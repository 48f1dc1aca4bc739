package spool

import "sync"

// memory keeps the records of a pod without a disk.
type memory struct {
	mu      sync.Mutex
	max     int64
	bytes   int64
	records [][]byte // not acknowledged
	read    int      // how many of them Next has returned
	last    uint64   // sequence number of the last one appended
	closed  bool
}

// overhead is what a record costs beside its bytes, about.
const overhead = 48

func (m *memory) append(record []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	size := int64(len(record)) + overhead
	if m.bytes+size > m.max {
		return ErrFull
	}
	m.records = append(m.records, append([]byte(nil), record...))
	m.bytes += size
	m.last++
	return nil
}

func (m *memory) next(limit int) (Batch, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := min(limit, len(m.records)-m.read)
	if n <= 0 {
		return Batch{}, false, nil
	}
	b := Batch{Records: m.records[m.read : m.read+n : m.read+n]}
	m.read += n
	b.Last = m.first() + uint64(m.read) - 1
	return b, true, nil
}

func (m *memory) ack(b Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := int(b.Last + 1 - m.first())
	for _, record := range m.records[:n] {
		m.bytes -= int64(len(record)) + overhead
	}
	clear(m.records[:n]) // what is still appended to lives in the same array
	m.records = m.records[n:]
	m.read -= n
	return nil
}

// first is the sequence number of the oldest record. m.mu is held.
func (m *memory) first() uint64 { return m.last + 1 - uint64(len(m.records)) }

func (m *memory) seq() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

func (m *memory) stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Stats{Bytes: m.bytes, Pending: int64(len(m.records))}
}

func (m *memory) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
