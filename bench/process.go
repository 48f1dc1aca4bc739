package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// process is a server that the driver started.
type process struct {
	cmd     *exec.Cmd
	address string // host:port
	log     string // file of its output
	exited  chan error
	started time.Time
}

// startProcess starts a server that listens on address and does not wait for it. Its output goes to a file, as a
// container runtime takes it.
func startProcess(dir, name, address string, argv ...string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), address: address, log: log.Name(), exited: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.exited <- p.cmd.Wait() }()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) url() string { return "http://" + p.address }

// awaitListening returns once the process takes connections.
func (p *process) awaitListening(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", p.address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case err := <-p.exited:
			p.exited <- err
			return p.broken(fmt.Errorf("it ended: %w", err))
		case <-ctx.Done():
			return p.broken(ctx.Err())
		}
	}
}

// broken adds the end of the process's output to an error.
func (p *process) broken(err error) error {
	text, readErr := os.ReadFile(p.log)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	const tail = 2 << 10
	return fmt.Errorf("%s: %w; its output ends with\n%s", p.cmd.Path, err, text[max(len(text)-tail, 0):])
}

// stop asks the process to end and waits for it; after five seconds it is killed.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt) // one that has ended already is fine
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// freeAddress returns a loopback address that nobody listens on at the moment.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// buildGateway builds the binary as it is released and returns its path.
func buildGateway(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "tollgate")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "tollgate/cmd/tollgate")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("building the gateway: %w", err)
	}
	return binary, nil
}
