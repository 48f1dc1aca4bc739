package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tollgate/internal/app"
	"tollgate/internal/builtin"
	"tollgate/internal/config"
	"tollgate/internal/telemetry"
)

// serveOptions are the options of serve, and of LiteLLM's own command line.
type serveOptions struct {
	config  string
	host    string
	port    int
	dataDir string
	noStore bool
	tlsKey  string
	tlsCert string
	drain   time.Duration
	debug   bool
	lite    liteLLMOptions
}

func (o *serveOptions) addFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.config, "config", "c", "", "configuration file (LiteLLM's config.yaml) [CONFIG_FILE_PATH]")
	f.StringVar(&o.host, "host", o.host, "address to listen on [HOST]")
	f.IntVar(&o.port, "port", 4000, "port to listen on [PORT]")
	f.StringVar(&o.dataDir, "data-dir", "", "folder for what must outlive the process: the database file without DATABASE_URL, and calls on their way to the ledger (default ~/.local/state/tollgate) [TOLLGATE_DATA_DIR]")
	f.BoolVar(&o.noStore, "no-database", false, "store nothing, as LiteLLM without a database: the master key alone, no ledger")
	f.StringVar(&o.tlsKey, "ssl_keyfile_path", "", "PEM file of the TLS key [SSL_KEYFILE_PATH]")
	f.StringVar(&o.tlsCert, "ssl_certfile_path", "", "PEM file of the TLS certificate chain; a renewed file is taken up by itself [SSL_CERTFILE_PATH]")
	f.DurationVar(&o.drain, "shutdown-timeout", 60*time.Second, "how long calls under way may take to end when the process is told to stop")
	f.BoolVar(&o.debug, "debug", false, "log more [DEBUG]")
}

// environmentNames are the environment variables that stand for a flag which was not given, as LiteLLM's do.
var environmentNames = map[string]string{
	"config": "CONFIG_FILE_PATH", "host": "HOST", "port": "PORT", "data-dir": "TOLLGATE_DATA_DIR", "ssl_keyfile_path": "SSL_KEYFILE_PATH",
	"ssl_certfile_path": "SSL_CERTFILE_PATH", "debug": "DEBUG", "detailed_debug": "DETAILED_DEBUG", "num_workers": "NUM_WORKERS", "keepalive_timeout": "KEEPALIVE_TIMEOUT",
}

// applyEnvironment sets the flags that were not given from their environment variables.
func applyEnvironment(f *pflag.FlagSet, env *Environment) error {
	var failed error
	f.VisitAll(func(flag *pflag.Flag) {
		name, known := environmentNames[flag.Name]
		if !known || flag.Changed || failed != nil {
			return
		}
		if value, ok := env.LookupEnv(name); ok && value != "" {
			if err := flag.Value.Set(value); err != nil {
				failed = fmt.Errorf("the environment variable %s: %w", name, err)
			}
		}
	})
	return failed
}

func newServe(env *Environment) *cobra.Command {
	o := &serveOptions{host: "127.0.0.1"}
	cmd := &cobra.Command{
		Use: "serve", Short: "Serve the gateway", Args: cobra.NoArgs,
		Long: "Serve the gateway. SIGHUP, or a change of the file, reloads the configuration; SIGTERM lets calls under way end and stops.",
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), env, o, cmd.Flags()) },
	}
	o.addFlags(cmd.Flags())
	return cmd
}

// serve runs until ctx ends.
func serve(ctx context.Context, env *Environment, o *serveOptions, flags *pflag.FlagSet) error {
	if err := applyEnvironment(flags, env); err != nil {
		return err
	}
	inline, err := o.lite.config(o.config)
	if err != nil {
		return err
	}
	documents, err := o.lite.documents()
	if err != nil {
		return err
	}
	dir, remedy := "", ""
	if !o.noStore {
		if dir, remedy, err = dataDir(env, o.dataDir); err != nil {
			return err
		}
	}
	a, found, err := app.Open(ctx, app.Options{
		DataDir: dir, NoDatabase: o.noStore,
		ConfigPath: o.config, Config: inline, Documents: documents, Model: o.lite.forcedModel(inline), Env: env.LookupEnv, Providers: builtin.Providers, Integrations: integrations(), Version: version(),
		RootPath: rootPath(env), NewLog: newLog(env, o.debug || o.lite.detailedDebug), Metrics: telemetry.NewMetrics(),
	})
	if err != nil {
		if printErr := printFound(env.Stderr, found); printErr != nil {
			return printErr
		}
		if errors.Is(err, app.ErrConfig) {
			return fmt.Errorf("%w and is not served; `tollgate validate` says the same without starting", err)
		}
		return err
	}
	log := a.Log()
	logFound(log, found)
	if ignored := o.lite.ignored(flags); len(ignored) > 0 {
		log.Info("options of LiteLLM that have no effect here", "options", ignored)
	}
	if o.lite.skipServer {
		return a.Close(ctx)
	}
	if !o.noStore {
		warnForgetful(log, remedy, !a.Config().General.DatabaseURL.Empty())
	}
	return listenAndServe(ctx, env, o, a, log)
}

// newLog follows LiteLLM's switches: --debug or set_verbose, LITELLM_LOG for the level, JSON_LOGS or json_logs for the form.
func newLog(env *Environment, debug bool) func(asJSON, verbose bool) (*slog.Logger, slog.Level) {
	return func(asJSON, verbose bool) (*slog.Logger, slog.Level) {
		level := slog.LevelInfo
		if text, ok := env.LookupEnv("LITELLM_LOG"); ok {
			_ = level.UnmarshalText([]byte(text)) // an unknown word leaves INFO
		}
		if debug || verbose {
			level = slog.LevelDebug
		}
		return telemetry.NewLogger(env.Stderr, level, asJSON), level
	}
}

func rootPath(env *Environment) string {
	root, _ := env.LookupEnv("SERVER_ROOT_PATH")
	root = strings.TrimRight(root, "/")
	if root != "" && !strings.HasPrefix(root, "/") {
		root = "/" + root
	}
	return root
}

func logFound(log *slog.Logger, found config.Diagnostics) {
	for _, d := range found {
		level := slog.LevelInfo
		switch d.Severity {
		case config.Error:
			level = slog.LevelError
		case config.Warning:
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, "configuration: "+d.String())
	}
}

// closeTimeout is how long what is not in the ledger yet may take to get there, once the calls have ended.
const closeTimeout = 15 * time.Second

// listenAndServe serves until ctx ends, then lets the calls under way end.
func listenAndServe(ctx context.Context, env *Environment, o *serveOptions, a *app.App, log *slog.Logger) error {
	listener, err := net.Listen("tcp", net.JoinHostPort(o.host, strconv.Itoa(o.port)))
	if err != nil {
		return fmt.Errorf("cannot listen: %w; choose another --port, or stop what uses this one", err)
	}
	server := &http.Server{
		Handler:           corsHandler(env, a.Handler()),
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       max(o.lite.keepalive(), 90*time.Second),
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	scheme := "http"
	if o.tlsCert != "" || o.tlsKey != "" {
		if server.TLSConfig, err = tlsConfig(o.tlsCert, o.tlsKey); err != nil {
			_ = listener.Close()
			return err
		}
		scheme = "https"
	}
	stopWatching := watch(ctx, a, log)
	defer stopWatching()
	if a.Config().General.MasterKey.Empty() {
		log.Warn("no master key is set: only callers on this machine are served, and the management API is closed; set general_settings.master_key or LITELLM_MASTER_KEY")
	}
	log.Info("serving", "address", scheme+"://"+listener.Addr().String(), "version", version())

	spareCollections(env)
	done := make(chan error, 1)
	go func() {
		if scheme == "https" {
			done <- server.ServeTLS(listener, "", "")
			return
		}
		done <- server.Serve(listener)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping: no new calls; those under way may end", "within", o.drain)
	drained, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.drain)
	defer cancel()
	err = server.Shutdown(drained)
	if err != nil {
		_ = server.Close()
		log.Warn("calls were cut", "error", err)
	}
	<-done
	closing, cancelClosing := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancelClosing()
	err = a.Close(closing)
	log.Info("stopped")
	return err
}

// watch reloads the configuration on SIGHUP and when its files change, until the function that it returns is called.
func watch(ctx context.Context, a *app.App, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	changes := make(chan struct{}, 1)
	closeWatcher := watchFiles(ctx, a, log, changes)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangup:
				reload(a, log, "SIGHUP")
			case <-changes:
				reload(a, log, "the file changed")
			}
		}
	}()
	return func() {
		signal.Stop(hangup)
		cancel()
		closeWatcher()
		<-ended
	}
}

func reload(a *app.App, log *slog.Logger, why string) {
	found, err := a.Reload()
	logFound(log, found)
	if err != nil {
		log.Error("the configuration was not reloaded: the one before stays in force", "why", why, "error", err)
		return
	}
	log.Info("the configuration was reloaded", "why", why)
}
