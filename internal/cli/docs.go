package cli

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// introductions are the written parts of the generated pages: one file per page, its head.
//
//go:embed reference/*.md
var introductions embed.FS

// generatedMark stands at the top of each generated page.
const generatedMark = "<!-- Written by `make docs-reference`. The text is in internal/cli/reference, the tables come from the code. -->\n\n"

func newDocs(env *Environment) *cobra.Command {
	return &cobra.Command{
		Use: "docs DIR", Short: "Write the generated pages of the reference", Args: cobra.ExactArgs(1), Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error { return writeDocs(env, cmd.Root(), args[0]) },
	}
}

// writeDocs writes every generated page into a folder.
func writeDocs(env *Environment, root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // pages for everyone to read
		return err
	}
	for _, page := range []struct {
		name   string
		tables func() (string, error)
	}{
		{"command-line", func() (string, error) { return commandTables(root), nil }},
		{"configuration", configurationTables},
		{"http-api", routeTables},
		{"metrics", metricTable},
		{"models-and-prices", modelTables},
	} {
		intro, err := introductions.ReadFile("reference/" + page.name + ".md")
		if err != nil {
			return err
		}
		tables, err := page.tables()
		if err != nil {
			return fmt.Errorf("the page %s: %w", page.name, err)
		}
		text := generatedMark + string(intro) + "\n" + strings.TrimSpace(tables) + "\n"
		file := filepath.Join(dir, page.name+".md")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil { //nolint:gosec // the same
			return err
		}
		if _, err := fmt.Fprintln(env.Stderr, "wrote", file); err != nil {
			return err
		}
	}
	return nil
}

// table is a Markdown table in the making.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// String is the table after a blank line, nothing when it has no rows.
func (t *table) String() string {
	if len(t.rows) == 0 {
		return ""
	}
	var b strings.Builder
	line := func(cells []string) {
		b.WriteString("|")
		for _, c := range cells {
			b.WriteString(" " + strings.ReplaceAll(strings.Join(strings.Fields(c), " "), "|", `\|`) + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	line(t.head)
	b.WriteString("|" + strings.Repeat(" --- |", len(t.head)) + "\n")
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}

// prose keeps a text that holds angle brackets from being read as HTML.
func prose(text string) string { return strings.ReplaceAll(text, "<", `\<`) }

// code sets a text as code; the empty text stays empty.
func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}
