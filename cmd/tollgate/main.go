// Command tollgate is the AI gateway; see the package tollgate/internal/cli.
package main

import (
	"os"
	_ "time/tzdata" // days of reports and ends of budget periods follow time zones, and an image from scratch has none

	_ "golang.org/x/crypto/x509roots/fallback" // an image from scratch has no roots of trust; the system's come first

	"tollgate/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args)) }
