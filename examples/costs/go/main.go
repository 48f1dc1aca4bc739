// Command costs is the cost companion: two teams with a virtual key each, and what their calls cost.
//
// The program knows the gateway's address and a key that may manage keys. It holds no cloud credential. The keys that it
// makes end after an hour, may spend 5 dollars, and are deleted when it ends.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const banner = `Cost companion: two teams, their keys, and what their calls cost.

  costs  -- master key -->   gateway: makes the keys, reads the ledger
         -- virtual keys --> gateway  -- signed by OCI's rules -->  OCI Generative AI

  LITELLM_GATEWAY_URL      %s
  LITELLM_MASTER_KEY       %s
  LITELLM_GATEWAY_MODEL    %s
  LITELLM_GATEWAY_MODEL_B  %s

`

const howTo = `Not set: %s. Nothing was called. For example:

  export LITELLM_GATEWAY_URL=http://127.0.0.1:4000
  export LITELLM_MASTER_KEY=sk-...    # or the key of an administrator; LITELLM_GATEWAY_KEY is read too
`

func main() { os.Exit(status()) }

// status runs the example and says by a number how it went: 0, 1 for a failure, 130 for an interruption.
func status() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := start(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "costs:", err)
	if ctx.Err() != nil {
		return 130
	}
	return 1
}

// start prints the wiring and, where there is a gateway, runs the example. Its keys are deleted whatever happens.
func start(ctx context.Context) (err error) {
	url := strings.TrimRight(os.Getenv("LITELLM_GATEWAY_URL"), "/")
	key := cmp.Or(os.Getenv("LITELLM_MASTER_KEY"), os.Getenv("LITELLM_GATEWAY_KEY"))
	a := cmp.Or(os.Getenv("LITELLM_GATEWAY_MODEL"), "oci-cohere-command")
	b := cmp.Or(os.Getenv("LITELLM_GATEWAY_MODEL_B"), "oci-llama-4-maverick")
	var missing []string
	keyState := "set"
	if url == "" {
		missing = append(missing, "LITELLM_GATEWAY_URL")
	}
	if key == "" {
		missing, keyState = append(missing, "LITELLM_MASTER_KEY"), "not set"
	}
	fmt.Printf(banner, cmp.Or(url, "not set"), keyState, a, b)
	if len(missing) > 0 {
		fmt.Printf(howTo, strings.Join(missing, ", "))
		return nil
	}
	g := newGateway(url, key)
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		err = errors.Join(err, g.deleteKeys(context.WithoutCancel(ctx)))
	}()
	return run(ctx, g, a, b)
}
