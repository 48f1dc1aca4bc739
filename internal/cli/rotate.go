package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tollgate/internal/app"
)

func newRotate(env *Environment) *cobra.Command {
	return offlineGroup("rotate", "Encrypt stored secrets with another key", newRotateKey(env, saltRotation()), newRotateKey(env, masterRotation()))
}

// rotation is one of the two keys that secrets are sealed with.
type rotation struct {
	use, short, long        string
	oldVariable, nextSource string
	next                    func(o *app.Offline) string
	idle                    func(o *app.Offline) bool // nothing is sealed with this key
}

const rotationLong = `

Stored models, credentials and stored settings are opened with the old key and sealed with the new one, each in a transaction of its own. It may be ended
and run again: each object tells by itself with which key it opens. Stop the gateways before and start them with the new key after; while they run with the
old key they cannot open what is sealed with the new one.

Keys come from variables or files: other users of the machine can see options.`

// saltRotation is from one salt key to another.
func saltRotation() rotation {
	return rotation{
		use: "salt-key", short: "Encrypt stored secrets with a new salt key",
		long:        "Encrypt stored secrets with the salt key that LITELLM_SALT_KEY holds now, from the one that TOLLGATE_OLD_SALT_KEY holds. Where there was no salt key before, the old key is the master key." + rotationLong,
		oldVariable: "TOLLGATE_OLD_SALT_KEY", nextSource: "LITELLM_SALT_KEY",
		next: func(o *app.Offline) string { return o.SaltKey.Reveal() },
		idle: func(*app.Offline) bool { return false },
	}
}

// masterRotation is from one master key to another.
func masterRotation() rotation {
	return rotation{
		use: "master-key", short: "Encrypt stored secrets with a new master key, where it is what they are sealed with",
		long:        "Encrypt stored secrets with the master key that LITELLM_MASTER_KEY or the configuration holds now, from the one that TOLLGATE_OLD_MASTER_KEY holds. Where LITELLM_SALT_KEY is set nothing is sealed with the master key, and there is nothing to do." + rotationLong,
		oldVariable: "TOLLGATE_OLD_MASTER_KEY", nextSource: "LITELLM_MASTER_KEY, or general_settings.master_key of --config",
		next: func(o *app.Offline) string { return o.MasterKey.Reveal() },
		idle: func(o *app.Offline) bool { return !o.SaltKey.Empty() },
	}
}

func newRotateKey(env *Environment, r rotation) *cobra.Command {
	s := &storeFlags{}
	var oldFile, newFile string
	asJSON := false
	cmd := &cobra.Command{Use: r.use, Short: r.short, Long: r.long, Args: cobra.NoArgs}
	cmd.RunE = onStore(env, s, func(ctx context.Context, o *app.Offline) error {
		if r.idle(o) && newFile == "" {
			_, err := fmt.Fprintln(env.Stdout, "LITELLM_SALT_KEY is set: nothing is sealed with the master key, so it may be changed as it is")
			return err
		}
		old, err := secretFrom(env, oldFile, r.oldVariable)
		if err != nil {
			return err
		}
		next, err := secretFrom(env, newFile)
		if err != nil {
			return err
		}
		next = firstOf(next, r.next(o))
		switch {
		case old == "":
			return usagef("there is no old key: set %s, or name a file with --old-key-file", r.oldVariable)
		case next == "":
			return usagef("there is no new key: set %s, or name a file with --new-key-file", r.nextSource)
		case old == next:
			return usagef("the old and the new key are the same")
		}
		return rotate(ctx, env, o, old, next, asJSON)
	})
	s.add(cmd.Flags())
	f := cmd.Flags()
	f.StringVar(&oldFile, "old-key-file", "", "file with the old key ["+r.oldVariable+"]")
	f.StringVar(&newFile, "new-key-file", "", "file with the new key; "+r.nextSource+" when not given")
	f.BoolVar(&asJSON, "json", false, "print the result as JSON")
	return cmd
}

func rotate(ctx context.Context, env *Environment, o *app.Offline, old, next string, asJSON bool) error {
	bar := newProgressBar(env.Stderr)
	result, err := o.Rekey(ctx, old, next, func(done, all int) { bar.show("objects", int64(done), int64(all)) })
	bar.end()
	if err != nil {
		return fmt.Errorf("%w; %d objects are sealed with the new key, and another run goes on", err, result.Changed)
	}
	if asJSON {
		err = printedJSON(env.Stdout, result)
	} else {
		_, err = fmt.Fprintf(env.Stdout, "%d of %d objects were sealed with the old key and are with the new one now\n", result.Changed, result.Objects)
	}
	if err == nil && len(result.Unopened) > 0 {
		err = fmt.Errorf("neither key opens %s: they stay as they are", printable(strings.Join(result.Unopened, ", ")))
	}
	return err
}
