package main

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

const status = "Name:\ttollgate\nVmPeak:\t 1234567 kB\nVmHWM:\t   20480 kB\nVmRSS:\t   18432 kB\nRssAnon:\t 9000 kB\nThreads:\t8\n"

func TestParseStatus(t *testing.T) {
	got, err := parseStatus([]byte(status))
	if want := (memory{Resident: 18432 << 10, Peak: 20480 << 10}); err != nil || got != want {
		t.Errorf("parseStatus = %+v, %v; want %+v", got, err, want)
	}
	for name, text := range map[string]string{
		"a kernel thread has no memory": "Name:\tkthreadd\nThreads:\t1\n",
		"another unit":                  strings.Replace(status, "18432 kB", "18 MB", 1),
		"no number":                     strings.Replace(status, "18432", "many", 1),
		"cut off":                       status[:strings.Index(status, "VmRSS")],
	} {
		if m, err := parseStatus([]byte(text)); err == nil {
			t.Errorf("%s: parseStatus = %+v, want an error", name, m)
		}
	}
}

func TestMemoryOfThisProcess(t *testing.T) {
	m, err := memoryOf(os.Getpid())
	if err != nil || m.Resident < 1<<20 || m.Peak < m.Resident {
		t.Errorf("memoryOf = %+v, %v", m, err)
	}
}

func TestCPUTimeCountsWork(t *testing.T) {
	runtime.LockOSThread() // another thread has another account
	defer runtime.UnlockOSThread()
	pid := os.Getpid()
	before, err := cpuTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	worked := threadTime()
	for sum := 0; threadTime()-worked < 40*time.Millisecond; sum++ { // busy, by the thread's own account
	}
	after, err := cpuTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	if used := after - before; used < 20*time.Millisecond { // half: the two accounts are not kept in step
		t.Errorf("the process used %v of CPU for 40 ms of work", used)
	}
}

func TestCPUTimeOfNobody(t *testing.T) {
	if d, err := cpuTime(1 << 22); err == nil { // above the kernel's largest pid
		t.Errorf("cpuTime = %v, want an error", d)
	}
}
