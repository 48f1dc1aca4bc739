package disk

import (
	"container/list"
	"io/fs"
	"slices"
	"sync"
	"time"
)

// files knows which files there are, how long they are, and which was asked for last. Safe for concurrent use.
type files struct {
	mu    sync.Mutex
	known map[string]*list.Element // of *file, by name
	order *list.List               // the one asked for last is in front
	bytes int64
}

type file struct {
	name string
	size int64
}

// found is a file of an earlier life of the process.
type found struct {
	file
	written time.Time
}

func foundFile(name string, info fs.FileInfo) found {
	return found{file{name, info.Size()}, info.ModTime()}
}

func newFiles() *files {
	f := &files{}
	f.clear()
	return f
}

func (f *files) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known, f.order, f.bytes = map[string]*list.Element{}, list.New(), 0
}

func (f *files) takeIn(list []found) {
	slices.SortFunc(list, func(a, b found) int { return a.written.Compare(b.written) })
	for _, one := range list {
		f.put(one.name, one.size)
	}
}

func (f *files) size() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bytes
}

// put notes a file that was written.
func (f *files) put(name string, size int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(name)
	f.known[name] = f.order.PushFront(&file{name, size})
	f.bytes += size
}

// touch notes that a file was asked for, which another process may have written.
func (f *files) touch(name string, size int64) {
	f.mu.Lock()
	at := f.known[name]
	if at != nil {
		f.order.MoveToFront(at)
	}
	f.mu.Unlock()
	if at == nil {
		f.put(name, size)
	}
}

func (f *files) forget(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(name)
}

// drop is called with mu held.
func (f *files) drop(name string) {
	if at := f.known[name]; at != nil {
		f.bytes -= f.order.Remove(at).(*file).size // every element is a file
		delete(f.known, name)
	}
}

// over takes out what was not asked for longest until no more than most bytes are left, and returns the names.
func (f *files) over(most int64) (names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.bytes > most {
		oldest := f.order.Back().Value.(*file) // bytes are of files
		f.drop(oldest.name)
		names = append(names, oldest.name)
	}
	return names
}
