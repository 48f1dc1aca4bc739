package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tollgate/internal/ocisim"
)

type simOptions struct {
	host, dir, scenario, region string
	port                        int
	seed                        int64
	compartments, apiKeys       []string
	identity                    simIdentity
}

// simIdentity is what the identity services are told.
type simIdentity struct {
	dir                        string
	tokenLife, sessionLife     time.Duration
	cluster                    string
	namespace, account         string
	okeAddress                 string
	okeNames                   []string
	okeCert, okeKey, okeIssuer string
	okeTrustAll, okeBasic      bool
}

func newSim(env *Environment) *cobra.Command {
	o := &simOptions{}
	cmd := &cobra.Command{
		Use: "sim", Short: "Run the OCI Generative AI simulator alone", Args: cobra.NoArgs,
		Long: `Run a simulator of OCI Generative AI's inference endpoint and of the identity services around it. It verifies signatures, knows the
models with what their vendors refuse, and answers plausibly. A credential for it is made in --dir: an API key and an OCI configuration
file that Oracle's own clients read. Session tokens, instance principals, resource principals and OKE workload identity are there too:
the folder --identity-dir holds their files, and for each way a file of environment variables that points Oracle's SDKs at the simulator.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSim(cmd.Context(), env, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.host, "host", "127.0.0.1", "address to listen on")
	f.IntVar(&o.port, "port", 4100, "port to listen on, 0 for any")
	f.StringVar(&o.dir, "dir", "", "folder for the credential (a temporary one when not given)")
	f.StringVar(&o.scenario, "scenario", "", "file that says how to misbehave and which principals may call")
	f.StringVar(&o.region, "region", "us-chicago-1", "region in names")
	f.Int64Var(&o.seed, "seed", 1, "answers are the same for the same seed")
	f.StringSliceVar(&o.compartments, "compartment", nil, "compartment OCIDs that may be used (all when none is given)")
	f.StringSliceVar(&o.apiKeys, "api-key", nil, "further GenAI API keys for the OpenAI-compatible surface")
	o.identity.flags(f)
	return cmd
}

func (i *simIdentity) flags(f *pflag.FlagSet) {
	f.StringVar(&i.dir, "identity-dir", "", "folder for the files of principals (principals in --dir when not given)")
	f.DurationVar(&i.tokenLife, "token-life", 20*time.Minute, "how long tokens of instances, resources and workloads are good; files are renewed after half of it")
	f.DurationVar(&i.sessionLife, "session-life", time.Hour, "how long session tokens and service account tokens are good")
	f.StringVar(&i.cluster, "cluster", "", "OCID of the OKE cluster (made up when not given)")
	f.StringVar(&i.namespace, "namespace", "tollgate", "Kubernetes namespace of the service account token in --identity-dir")
	f.StringVar(&i.account, "service-account", "gateway", "service account of that token")
	f.StringVar(&i.okeAddress, "oke-address", "", "address of the OKE cluster's token endpoint, such as 127.0.0.1:12250 (none when not given)")
	f.StringSliceVar(&i.okeNames, "oke-name", nil, "further names and addresses in the certificate of that endpoint")
	f.StringVar(&i.okeCert, "oke-tls-cert", "", "PEM file of another certificate for that endpoint, with --oke-tls-key")
	f.StringVar(&i.okeKey, "oke-tls-key", "", "PEM file of its key")
	f.StringVar(&i.okeIssuer, "oke-issuer-keys", "", "file with the public keys of a real API server's service account tokens: a JSON Web Key Set or PEM")
	f.BoolVar(&i.okeTrustAll, "oke-trust-all", false, "take service account tokens whatever their signature")
	f.BoolVar(&i.okeBasic, "oke-basic", false, "the cluster is not an enhanced one: its endpoint answers 403")
}

// simulator is a running simulator with a credential that it knows.
type simulator struct {
	url        string
	apiKey     string // a GenAI API key, for the OpenAI-compatible surface
	credential *ocisim.Credential
	listening  *ocisim.Listening
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
	credential, err := ocisim.GenerateCredential(o.dir)
	if err != nil {
		return nil, err
	}
	credential.Region = o.region
	if err := credential.WriteConfig(filepath.Join(o.dir, "config")); err != nil {
		return nil, err
	}
	who, err := o.identity.options(credential)
	if err != nil {
		return nil, err
	}
	where, err := o.identity.listen(net.JoinHostPort(o.host, strconv.Itoa(o.port)))
	if err != nil {
		return nil, err
	}
	apiKey := ocisim.GenerateAPIKey()
	listening, err := ocisim.Listen(ocisim.Options{
		Region: o.region, Seed: o.seed, Scenario: scenario, Compartments: o.compartments,
		APIKeys: append([]string{apiKey}, o.apiKeys...), Identity: who,
	}, where)
	if err != nil {
		return nil, fmt.Errorf("the simulator cannot start: %w", err)
	}
	listening.AddKey(credential.KeyID(), credential.Public())
	return &simulator{url: listening.URL, apiKey: apiKey, credential: credential, listening: listening}, nil
}

// options describe the principals: of the tenancy, the user and the compartment that the API key belongs to.
func (i *simIdentity) options(c *ocisim.Credential) (ocisim.IdentityOptions, error) {
	o := ocisim.IdentityOptions{
		Tenancy: c.TenancyOCID, Compartment: c.CompartmentOCID, User: c.UserOCID, Cluster: i.cluster,
		TokenLife: i.tokenLife, SessionLife: i.sessionLife, TrustAll: i.okeTrustAll, BasicCluster: i.okeBasic,
	}
	if i.okeIssuer == "" {
		return o, nil
	}
	keys, err := ocisim.LoadClusterKeys(i.okeIssuer)
	o.ClusterKeys = keys
	return o, err
}

// listen says where the simulator listens.
func (i *simIdentity) listen(address string) (ocisim.ListenOptions, error) {
	o := ocisim.ListenOptions{
		Address: address, ClusterAddress: i.okeAddress, ClusterNames: i.okeNames,
		Dir: i.dir, Namespace: i.namespace, ServiceAccount: i.account,
	}
	if i.okeAddress == "" {
		o.ClusterAddress = ocisim.NoCluster
	}
	if i.okeCert == "" && i.okeKey == "" {
		return o, nil
	}
	pair, err := tls.LoadX509KeyPair(i.okeCert, i.okeKey)
	if err != nil {
		return o, fmt.Errorf("--oke-tls-cert: %w", err)
	}
	o.ClusterTLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	return o, nil
}

func (s *simulator) close() { s.listening.Close() }

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
	if o.identity.dir == "" {
		o.identity.dir = filepath.Join(o.dir, "principals")
	}
	if o.identity.tokenLife < time.Second || o.identity.sessionLife < time.Second {
		return errors.New("--token-life and --session-life are a second or more")
	}
	s, err := startSim(o)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.writeEnvironments(); err != nil {
		return err
	}
	if err := s.announce(env.Stdout, o); err != nil {
		return err
	}
	renewal := time.NewTicker(o.identity.tokenLife / 2)
	defer renewal.Stop()
	for {
		select {
		case err := <-s.listening.Failed():
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			return err
		case <-renewal.C:
			if err := s.listening.Identity().Renew(); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// writeEnvironments writes a file of NAME=value lines for each way of proving who one is, for a shell to read or a
// container to be given.
func (s *simulator) writeEnvironments() error {
	for _, way := range ocisim.Ways() {
		if way == ocisim.WayWorkload && s.listening.ClusterAddress == "" {
			continue
		}
		vars := s.listening.Environment(way)
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(vars)) {
			fmt.Fprintf(&b, "%s=%s\n", name, vars[name])
		}
		if err := os.WriteFile(filepath.Join(s.listening.Dir, string(way)+".env"), []byte(b.String()), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// announce prints where everything is; the exports are those of the API key.
func (s *simulator) announce(w io.Writer, o *simOptions) error {
	var b strings.Builder
	fmt.Fprintf(&b, "OCI simulator on %s\nOCI configuration file: %s\nGenAI API key: %s\n", s.url, filepath.Join(o.dir, "config"), s.apiKey)
	fmt.Fprintf(&b, "Other principals: %s\n", filepath.Join(s.listening.Dir, "*.env"))
	if s.listening.ClusterAddress != "" {
		fmt.Fprintf(&b, "OKE token endpoint: https://%s\n", s.listening.ClusterAddress)
	}
	b.WriteByte('\n')
	vars := s.environment()
	for _, name := range []string{"OCI_REGION", "OCI_USER", "OCI_FINGERPRINT", "OCI_TENANCY", "OCI_KEY_FILE", "OCI_COMPARTMENT_ID", "OCI_ENDPOINT"} {
		fmt.Fprintf(&b, "export %s=%s\n", name, vars[name])
	}
	_, err := io.WriteString(w, b.String())
	return err
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
