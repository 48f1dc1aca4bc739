package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime returns the CPU that all threads of a process have used so far, in user and system mode.
// It is what utime and stime in /proc/PID/stat count, read from the process's own clock, which has nanoseconds: a round
// at a low rate costs fewer of stat's 10 ms ticks than would tell two processes apart.
func cpuTime(pid int) (time.Duration, error) {
	const schedClock = 2 // CPUCLOCK_SCHED of linux/posix-timers: a process's clock is (^pid << 3) | 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedClock), &t); err != nil {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// memory is what a process holds of the machine, in bytes.
type memory struct {
	Resident int64 // VmRSS
	Peak     int64 // VmHWM: the highest VmRSS so far
}

// memoryOf reads the memory of a process.
func memoryOf(pid int) (memory, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return memory{}, err
	}
	return parseStatus(text)
}

// parseStatus reads the two lines out of /proc/PID/status. The kernel writes them as "VmRSS:\t   12345 kB".
func parseStatus(text []byte) (memory, error) {
	var m memory
	for _, want := range []struct {
		name string
		to   *int64
	}{{"VmRSS:", &m.Resident}, {"VmHWM:", &m.Peak}} {
		i := bytes.Index(text, []byte("\n"+want.name))
		if i < 0 {
			return memory{}, fmt.Errorf("process status has no %s", want.name)
		}
		line, _, _ := bytes.Cut(text[i+1+len(want.name):], []byte("\n"))
		fields := bytes.Fields(line)
		if len(fields) != 2 || string(fields[1]) != "kB" {
			return memory{}, fmt.Errorf("process status: %s has the value %q", want.name, line)
		}
		kb, err := strconv.ParseInt(string(fields[0]), 10, 64)
		if err != nil {
			return memory{}, fmt.Errorf("process status: %s: %w", want.name, err)
		}
		*want.to = kb << 10
	}
	return m, nil
}
