package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"

	"tollgate/internal/cli"
)

// masterKey is what callers of the gateway send. It lives as long as the run and opens nothing else.
const masterKey = "sk-bench"

// ociModels are the upstream ids that speak a shape.
var ociModels = map[string]string{"generic": "oci/meta.llama-3.3-70b-instruct", "cohere": "oci/cohere.command-a-03-2025"}

// writeConfig writes the gateway's configuration: one deployment per script, all on the upstream, as an operator would
// write it and with nothing switched off. keyFile names the file of an OCI key by its bits.
func writeConfig(dir, upstream string, scripts []script, keyFile func(bits int) string) (string, error) {
	var b strings.Builder
	b.WriteString("general_settings:\n  master_key: " + masterKey + "\nmodel_list:\n")
	for _, s := range scripts {
		fmt.Fprintf(&b, "  - model_name: %s\n    litellm_params:\n", s.alias())
		if model := ociModels[s.shape]; model != "" {
			fmt.Fprintf(&b, "      model: %s\n      api_base: %s%s\n      oci_surface: actions\n      oci_region: us-chicago-1\n", model, upstream, s.path())
			fmt.Fprintf(&b, "      oci_tenancy: ocid1.tenancy.oc1..bench\n      oci_user: ocid1.user.oc1..bench\n      oci_compartment_id: ocid1.compartment.oc1..bench\n")
			bits := longKey
			if s.short {
				bits = shortKey
			}
			fmt.Fprintf(&b, "      oci_key_file: %s\n", keyFile(bits))
		} else {
			fmt.Fprintf(&b, "      model: openai/bench-model\n      api_base: %s%s/v1\n      api_key: sk-upstream\n", upstream, s.path())
		}
		b.WriteString("      input_cost_per_token: 0.0000025\n      output_cost_per_token: 0.00001\n")
	}
	file := filepath.Join(dir, "config.yaml")
	return file, os.WriteFile(file, []byte(b.String()), 0o600)
}

// serveProfiled is the product's own main with profiles around it, written to the folder that the first argument names
// when the process is told to stop. The other arguments are the product's.
func serveProfiled(args []string) error {
	if len(args) == 0 {
		return errors.New("gateway: expected the profiles' folder, then the gateway's arguments")
	}
	dir := args[0]
	file, err := os.Create(filepath.Join(dir, "cpu.pprof"))
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	status := cli.Run(args[1:])
	pprof.StopCPUProfile()
	if status != 0 {
		return fmt.Errorf("the gateway ended with status %d", status)
	}
	if err := file.Close(); err != nil {
		return err
	}
	if file, err = os.Create(filepath.Join(dir, "allocs.pprof")); err != nil {
		return err
	}
	if err := pprof.Lookup("allocs").WriteTo(file, 0); err != nil {
		return err
	}
	return file.Close()
}
