// Package cli is the command line: one file per command. Run is the whole program.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// Environment is what a command may touch of the world outside.
type Environment struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	LookupEnv      func(string) (string, bool)
}

// exitError ends the program with a status and without a further message.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// Main executes a command line, the program's name first, and returns the exit status. By the name of one of the programs
// that health checks call, it serves that check; by any other it is Run.
func Main(argv []string) int {
	if len(argv) == 0 {
		return Run(nil)
	}
	name := filepath.Base(argv[0])
	if read, ok := applet(name); ok {
		return runApplet(context.Background(), os.Stderr, name, read, argv[1:])
	}
	return Run(argv[1:])
}

// Run executes the command line args (without the program's name) and returns the exit status.
func Run(args []string) int {
	// SIGHUP is not among these: it reloads the configuration.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return execute(ctx, &Environment{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, LookupEnv: os.LookupEnv}, args)
}

// execute runs a command line in a world of its own.
func execute(ctx context.Context, env *Environment, args []string) int {
	root := newRoot(env)
	root.SetArgs(args)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(ctx)
	var exit exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	}
	_, _ = fmt.Fprintln(env.Stderr, "tollgate:", err)
	return status(err)
}

// newRoot is the program: LiteLLM's own command line without a subcommand, or one of ours.
func newRoot(env *Environment) *cobra.Command {
	o, showVersion := &serveOptions{host: "0.0.0.0"}, new(bool)
	root := &cobra.Command{
		Use:   "tollgate",
		Short: "The AI gateway in front of Oracle OCI Generative AI",
		Long: `Tollgate is an AI gateway in front of Oracle OCI Generative AI. It reads LiteLLM's config.yaml and serves LiteLLM's HTTP API.

Without a command it takes LiteLLM's own options and serves on 0.0.0.0, so that an image or a chart made for LiteLLM starts it unchanged.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if *showVersion {
				return printVersion(env)
			}
			return serve(cmd.Context(), env, o, cmd.Flags())
		},
	}
	o.addFlags(root.Flags())
	o.addLiteLLMFlags(root.Flags())
	root.Flags().BoolVarP(showVersion, "version", "v", false, "print the version")
	root.AddCommand(newServe(env), newValidate(env), newCheck(env), newConfig(env), newSim(env), newDemo(env), newVersion(env), newDocs(env), newPrices(env), newHealthcheck(env))
	for _, group := range []*cobra.Command{newLogin(env), newKeys(env), newTeams(env), newUsers(env), newBudgets(env), newModels(env), newSpend(env), newImport(env), newMigrate(env), newLedger(env), newRotate(env)} {
		strictUsage(group)
		root.AddCommand(group)
	}
	return root
}

// buildVersion is set by the linker (-X tollgate/internal/cli.buildVersion=...).
var buildVersion string

// version is the release, else what the Go toolchain knows of the build.
func version() string {
	if buildVersion != "" {
		return buildVersion
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "0.1.0-dev"
}

func newVersion(env *Environment) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return printVersion(env) },
	}
}

func printVersion(env *Environment) error {
	_, err := fmt.Fprintln(env.Stdout, "tollgate", version())
	return err
}
