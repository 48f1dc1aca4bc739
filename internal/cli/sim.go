package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tollgate/internal/ocisim"
)

type simOptions struct {
	host, dir, scenario, region string
	port                        int
	seed                        int64
	compartments, apiKeys       []string
}

func newSim(env *Environment) *cobra.Command {
	o := &simOptions{}
	cmd := &cobra.Command{
		Use: "sim", Short: "Run the OCI Generative AI simulator alone", Args: cobra.NoArgs,
		Long: `Run a simulator of OCI Generative AI's inference endpoint. It verifies signatures, knows the models with what their vendors refuse, and
answers plausibly. A credential for it is made in --dir: an API key and an OCI configuration file that Oracle's own clients read.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSim(cmd.Context(), env, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.host, "host", "127.0.0.1", "address to listen on")
	f.IntVar(&o.port, "port", 4100, "port to listen on, 0 for any")
	f.StringVar(&o.dir, "dir", "", "folder for the credential (a temporary one when not given)")
	f.StringVar(&o.scenario, "scenario", "", "file that says how to misbehave")
	f.StringVar(&o.region, "region", "us-chicago-1", "region in names")
	f.Int64Var(&o.seed, "seed", 1, "answers are the same for the same seed")
	f.StringSliceVar(&o.compartments, "compartment", nil, "compartment OCIDs that may be used (all when none is given)")
	f.StringSliceVar(&o.apiKeys, "api-key", nil, "further GenAI API keys for the OpenAI-compatible surface")
	return cmd
}

// simulator is a running simulator with a credential that it knows.
type simulator struct {
	url        string
	apiKey     string // a GenAI API key, for the OpenAI-compatible surface
	credential *ocisim.Credential
	server     *http.Server
	failed     chan error
}

// startSim listens and serves until close.
func startSim(o *simOptions) (*simulator, error) {
	var scenario *ocisim.Scenario
	if o.scenario != "" {
		s, err := ocisim.LoadScenario(o.scenario)
		if err != nil {
			return nil, err
		}
		scenario = s
	}
	apiKey := ocisim.GenerateAPIKey()
	sim, err := ocisim.New(ocisim.Options{
		Region: o.region, Seed: o.seed, Scenario: scenario, Compartments: o.compartments, APIKeys: append([]string{apiKey}, o.apiKeys...),
	})
	if err != nil {
		return nil, err
	}
	credential, err := ocisim.GenerateCredential(o.dir)
	if err != nil {
		return nil, err
	}
	if err := credential.WriteConfig(filepath.Join(o.dir, "config")); err != nil {
		return nil, err
	}
	sim.AddKey(credential.KeyID(), credential.Public())
	listener, err := net.Listen("tcp", net.JoinHostPort(o.host, strconv.Itoa(o.port)))
	if err != nil {
		return nil, fmt.Errorf("the simulator cannot listen: %w", err)
	}
	s := &simulator{
		apiKey: apiKey,
		url:    "http://" + listener.Addr().String(), credential: credential, failed: make(chan error, 1),
		server: &http.Server{Handler: sim.Handler(), ReadHeaderTimeout: 30 * time.Second},
	}
	go func() { s.failed <- s.server.Serve(listener) }()
	return s, nil
}

func (s *simulator) close() {
	_ = s.server.Close()
	<-s.failed
}

// environment is what a configuration of the sample's shape needs to reach the simulator.
func (s *simulator) environment() map[string]string {
	c := s.credential
	return map[string]string{
		"OCI_REGION": c.Region, "OCI_USER": c.UserOCID, "OCI_FINGERPRINT": c.Fingerprint, "OCI_TENANCY": c.TenancyOCID,
		"OCI_KEY_FILE": c.KeyFile, "OCI_COMPARTMENT_ID": c.CompartmentOCID, "OCI_ENDPOINT": s.url,
	}
}

func runSim(ctx context.Context, env *Environment, o *simOptions) error {
	if err := makeFolder(&o.dir); err != nil {
		return err
	}
	s, err := startSim(o)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(env.Stdout, "OCI simulator on %s\nOCI configuration file: %s\nGenAI API key: %s\n\n", s.url, filepath.Join(o.dir, "config"), s.apiKey); err != nil {
		return err
	}
	vars := s.environment()
	for _, name := range []string{"OCI_REGION", "OCI_USER", "OCI_FINGERPRINT", "OCI_TENANCY", "OCI_KEY_FILE", "OCI_COMPARTMENT_ID", "OCI_ENDPOINT"} {
		if _, err := fmt.Fprintf(env.Stdout, "export %s=%s\n", name, vars[name]); err != nil {
			return err
		}
	}
	select {
	case err := <-s.failed:
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	case <-ctx.Done():
		s.close()
		return nil
	}
}

// makeFolder makes *dir, or a temporary folder when none is named.
func makeFolder(dir *string) error {
	if *dir == "" {
		made, err := os.MkdirTemp("", "tollgate-")
		*dir = made
		return err
	}
	return os.MkdirAll(*dir, 0o700)
}
