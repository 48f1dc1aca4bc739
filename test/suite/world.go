package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// world is what the clients of other languages meet: the built program, and a simulator that it runs.
type world struct {
	dir         string
	binary      string
	environment []string
	simulator   *exec.Cmd // nil when it does not run
}

// buildWorld builds the program, which TOLLGATE_BIN names to the tests, and shows what the compiler says.
func buildWorld(ctx context.Context, show io.Writer) (*world, error) {
	dir, err := os.MkdirTemp("", "tollgate-suite-")
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir, binary: filepath.Join(dir, "tollgate"), environment: os.Environ()}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", w.binary, "./cmd/tollgate")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stdout, build.Stderr = show, show
	if err := build.Run(); err != nil {
		w.close()
		return nil, fmt.Errorf("go build: %w", err)
	}
	w.set("TOLLGATE_BIN", w.binary)
	return w, nil
}

// startSimulator runs a simulator and says in the environment where it is and who may call it.
func (w *world) startSimulator(ctx context.Context, show io.Writer) error {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	apiKey := "sk-" + hex.EncodeToString(b)
	folder := filepath.Join(w.dir, "sim")
	cmd := exec.CommandContext(ctx, w.binary, "sim", "--port=0", "--dir="+folder, "--api-key="+apiKey)
	cmd.Stderr = show
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	w.simulator = cmd
	exported, err := exports(out, "OCI_ENDPOINT")
	if err != nil {
		return fmt.Errorf("tollgate sim: %w", err)
	}
	w.set("TOLLGATE_SIM_URL", exported["OCI_ENDPOINT"])
	w.set("TOLLGATE_SIM_COMPARTMENT", exported["OCI_COMPARTMENT_ID"])
	w.set("TOLLGATE_SIM_OCI_CONFIG", filepath.Join(folder, "config"))
	w.set("TOLLGATE_SIM_API_KEY", apiKey)
	return nil
}

// exports reads `export NAME=value` lines up to the one that is named last.
func exports(text io.Reader, last string) (map[string]string, error) {
	line := regexp.MustCompile(`^export (\w+)=(.*)$`)
	found := map[string]string{}
	lines := bufio.NewScanner(text)
	for found[last] == "" && lines.Scan() {
		if m := line.FindStringSubmatch(strings.TrimSpace(lines.Text())); m != nil {
			found[m[1]] = m[2]
		}
	}
	if found[last] == "" {
		return nil, fmt.Errorf("it ended before it named %s: %w", last, lines.Err())
	}
	return found, nil
}

func (w *world) set(name, value string) { w.environment = append(w.environment, name+"="+value) }

// close stops the simulator and removes what was built.
func (w *world) close() {
	if w.simulator != nil {
		_ = w.simulator.Process.Signal(syscall.SIGTERM)
		_ = w.simulator.Wait()
	}
	_ = os.RemoveAll(w.dir)
}
