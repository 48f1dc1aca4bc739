package cli

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tollgate/internal/app"
	"tollgate/internal/builtin"
	"tollgate/internal/client"
	"tollgate/internal/telemetry"
)

//go:embed demo.yaml
var demoConfig []byte

//go:embed demo.txt
var demoText string

type demoOptions struct {
	host, dir string
	port      int
	check     bool
}

func newDemo(env *Environment) *cobra.Command {
	o := &demoOptions{}
	cmd := &cobra.Command{
		Use: "demo", Short: "Run the gateway in front of the simulator: six models, no cloud account", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return demo(cmd.Context(), env, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.host, "host", "127.0.0.1", "address to listen on")
	f.IntVar(&o.port, "port", 4000, "port to listen on, 0 for any")
	f.StringVar(&o.dir, "data-dir", "", "folder for the demo's configuration and key (a temporary one when not given)")
	f.BoolVar(&o.check, "check", false, "ask the first question, print the answer and stop")
	return cmd
}

// demo serves until ctx ends, or until the first chat is answered.
func demo(ctx context.Context, env *Environment, o *demoOptions) error {
	temporary := o.dir == ""
	if err := makeFolder(&o.dir); err != nil {
		return err
	}
	if temporary {
		defer func() { _ = os.RemoveAll(o.dir) }()
	}
	sim, err := startSim(&simOptions{host: "127.0.0.1", dir: o.dir, region: "us-chicago-1", seed: 1})
	if err != nil {
		return err
	}
	defer sim.close()

	key := masterKey(env)
	a, err := openDemo(ctx, env, o, sim, key)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(o.host, strconv.Itoa(o.port)))
	if err != nil {
		return fmt.Errorf("cannot listen: %w; choose another port with --port", err)
	}
	server := &http.Server{Handler: corsHandler(env, a.Handler()), ReadHeaderTimeout: 30 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	base := "http://" + listener.Addr().String()
	if err := announce(env, base, key, filepath.Join(o.dir, "config.yaml")); err != nil {
		return err
	}
	if o.check {
		err = firstChat(ctx, env, base, key)
	} else {
		select {
		case err = <-done:
			return err
		case <-ctx.Done():
		}
	}
	drained, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if server.Shutdown(drained) != nil {
		_ = server.Close()
	}
	<-done
	closing, cancelClosing := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancelClosing()
	if closed := a.Close(closing); err == nil {
		err = closed
	}
	return err
}

// masterKey is the operator's, else a new one.
func masterKey(env *Environment) string {
	if key, ok := env.LookupEnv("LITELLM_MASTER_KEY"); ok && key != "" {
		return key
	}
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails; it ends the program where the system has no randomness
	return "sk-" + hex.EncodeToString(b)
}

func openDemo(ctx context.Context, env *Environment, o *demoOptions, sim *simulator, key string) (*app.App, error) {
	file := filepath.Join(o.dir, "config.yaml")
	if err := os.WriteFile(file, demoConfig, 0o600); err != nil {
		return nil, err
	}
	vars := sim.environment()
	vars["LITELLM_MASTER_KEY"] = key
	lookup := func(name string) (string, bool) {
		if value, ok := vars[name]; ok {
			return value, true
		}
		return env.LookupEnv(name)
	}
	a, found, err := app.Open(ctx, app.Options{DataDir: o.dir, ConfigPath: file, Env: lookup, Providers: builtin.Providers, Integrations: integrations(), Version: version(), NewLog: newLog(env, false), Metrics: telemetry.NewMetrics()})
	if err != nil {
		return nil, fmt.Errorf("%w:\n%s", err, found.Error())
	}
	return a, nil
}

// announce prints what the newcomer needs: the key first, then lines to copy.
func announce(env *Environment, base, key, config string) error {
	values := map[string]string{"base": base, "key": key, "config": config}
	_, err := io.WriteString(env.Stdout, os.Expand(demoText, func(name string) string { return values[name] }))
	return err
}

func firstChat(ctx context.Context, env *Environment, base, key string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	const question = "What is the capital of Italy?"
	answer, err := client.New(base, key).Chat(ctx, "oci-cohere-command", question)
	if err != nil {
		return fmt.Errorf("the first chat failed: %w", err)
	}
	if !strings.Contains(answer, "Rome") {
		return fmt.Errorf("the first chat was answered with %q", answer)
	}
	_, err = fmt.Fprintf(env.Stdout, "\n%s\noci-cohere-command: %s\n", question, answer)
	return err
}
