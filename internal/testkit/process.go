//go:build unix

package testkit

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

//go:embed supervise.sh
var supervisor string

// startWithin bounds how long a server may take until it answers, on a machine that is busy with other tests.
const startWithin = 60 * time.Second

// process is a server below its supervisor. Its methods may be called from several goroutines.
type process struct {
	folder string // the server's own, owned by the user it runs as
	ready  func() error

	mu      sync.Mutex
	shell   *exec.Cmd
	orders  *os.File
	answers *bufio.Reader
	pid     int // 0 while the server is stopped
}

// supervise starts a supervisor for the command in folder, not yet the server. crash is the signal that ends the server
// at once, which must not be one that a shell lets its background processes ignore (INT, QUIT) unless the server
// handles it. ready answers nil once the server serves.
func supervise(folder, crash string, command []string, ready func() error) (*process, error) {
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	return superviseAs(who, folder, crash, command, ready)
}

// superviseAs is supervise for a server that runs as who, nil = the user of the tests.
func superviseAs(who *syscall.Credential, folder, crash string, command []string, ready func() error) (*process, error) {
	ordersIn, orders, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ordersIn.Close()
	answers, answersOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer answersOut.Close()
	arguments := append([]string{"-c", supervisor, "supervise", folder, crash}, command...)
	shell := exec.CommandContext(context.Background(), "/bin/sh", arguments...) //nolint:gosec // programs of the machine, found by find
	shell.Dir = folder
	shell.Stdin, shell.Stdout = ordersIn, answersOut
	// A session of its own: what is sent to the tests' process group (an interrupt, a kill) leaves the supervisor to
	// its work.
	shell.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setsid: true}
	if err := shell.Start(); err != nil {
		return nil, err
	}
	return &process{folder: folder, ready: ready, shell: shell, orders: orders, answers: bufio.NewReader(answers)}, nil
}

// order tells the supervisor what to do and takes the process id from its answer.
func (p *process) order(text string) error {
	if _, err := p.orders.WriteString(text + "\n"); err != nil {
		return err
	}
	line, err := p.answers.ReadString('\n')
	if err != nil {
		return fmt.Errorf("the supervisor of %s is gone: %w", p.folder, err)
	}
	p.pid, _ = strconv.Atoi(strings.TrimSpace(line)) // empty: none
	return nil
}

// start starts the server and waits until it serves.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid != 0 {
		return errors.New("the server runs already")
	}
	if err := p.order("start"); err != nil {
		return err
	}
	deadline := time.Now().Add(startWithin)
	for {
		err := p.ready()
		ended := gone(p.pid)
		if err == nil && !ended {
			return nil
		}
		if ended || time.Now().After(deadline) { // the port may have been taken: another may have answered
			p.pid = 0
			log, _ := os.ReadFile(filepath.Join(p.folder, "log"))
			return fmt.Errorf("the server does not answer: %w\n%s", err, log)
		}
		time.Sleep(5 * time.Millisecond) // between two tries to connect
	}
}

// stop ends the server with a signal ("TERM") and waits for its end. A stopped server stays stopped.
func (p *process) stop(signal string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.order("stop " + signal)
}

// signal sends a signal to the server and to the processes that it has started.
func (p *process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid == 0 {
		return errors.New("the server does not run")
	}
	out, err := exec.CommandContext(context.Background(), "ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return err
	}
	if err := syscall.Kill(p.pid, s); err != nil {
		return err
	}
	for line := range strings.Lines(string(out)) {
		ids := strings.Fields(line)
		if len(ids) == 2 && ids[1] == strconv.Itoa(p.pid) {
			child, err := strconv.Atoi(ids[0])
			if err != nil {
				return err
			}
			_ = syscall.Kill(child, s) // gone since it was listed
		}
	}
	return nil
}

// close ends the server and its supervisor and waits until the folder is gone.
func (p *process) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.orders.Close()
	p.pid = 0
	return p.shell.Wait()
}

// gone reports whether a process has ended. The supervisor has not waited for it yet, so it is a zombie then.
func gone(pid int) bool {
	out, err := exec.CommandContext(context.Background(), "ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output() //nolint:gosec // a number
	return err != nil || strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}

// unprivileged is who servers run as: nil, the user of the tests, unless that is root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("servers do not run as root, and this machine has neither a user postgres nor nobody")
}

// newFolder makes a folder for a server that belongs to the user it runs as.
func newFolder(name string) (string, error) {
	folder, err := os.MkdirTemp("", "tollgate-"+name+"-")
	if err != nil {
		return "", err
	}
	who, err := unprivileged()
	if err == nil && who != nil {
		err = os.Chown(folder, int(who.Uid), int(who.Gid))
	}
	if err != nil {
		_ = os.RemoveAll(folder)
		return "", err
	}
	return folder, nil
}

// writeFile writes a file for a server into its folder.
func writeFile(folder, name, text string) (path string, err error) {
	path = filepath.Join(folder, name)
	who, err := unprivileged()
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", err
	}
	if who != nil {
		return path, os.Chown(path, int(who.Uid), int(who.Gid))
	}
	return path, nil
}

// freePort finds a port of 127.0.0.1 that nobody listens on. Another process may be faster to use it: starts are tried
// again.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// starts is how often a server is started on another port, where the first was taken in between.
const starts = 3

// find returns the path of a program in PATH, or in the folders that patterns match, the newest version first. What is
// missing is an error that names the package of Debian.
func find(program, debian string, patterns ...string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	patterns = append(patterns, "/usr/bin", "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin")
	for _, pattern := range patterns {
		paths, _ := filepath.Glob(filepath.Join(pattern, program)) // the patterns are well formed
		slices.SortFunc(paths, func(a, b string) int { return version(b) - version(a) })
		if len(paths) > 0 {
			return paths[0], nil
		}
	}
	return "", fmt.Errorf("this test needs %s, which is not installed. On Debian, as root:  "+
		"apt-get update && apt-get install -y --no-install-recommends %s", program, debian)
}

// version is the number in a path such as /usr/lib/postgresql/15/bin/initdb, 0 when there is none.
func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}
