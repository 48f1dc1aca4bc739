// Command tollgate is the AI gateway; see the package tollgate/internal/cli.
package main

import (
	"os"

	"tollgate/internal/cli"
)

func main() { os.Exit(cli.Run(os.Args[1:])) }
