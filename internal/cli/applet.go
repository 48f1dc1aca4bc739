package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// An image without a shell cannot run the health checks that were written for LiteLLM's image. In ours the programs that
// those checks call are links to the binary, which then serves a health check on this machine and nothing else: no file
// is written, no body is printed, no other machine is reached.

// The statuses of a shell that cannot run a command, of wget and of curl.
const (
	exitCannotRun   = 126
	exitWgetNetwork = 4
	exitWgetStatus  = 8
	exitCurlNetwork = 7
	exitCurlStatus  = 22
)

// check is one question about health, as one of the applets was asked for it.
type check struct {
	address        string
	timeout        time.Duration
	network        int // the exit status when there is no answer
	status         int // the exit status when the answer is an error; 0 when that is no failure
	orExit, silent bool
}

// applet reads the command line of the program name; false when the binary plays no program of that name.
func applet(name string) (read func(args []string) (check, error), ok bool) {
	switch name {
	case "wget":
		return readWget, true
	case "curl":
		return readCurl, true
	case "python3", "python":
		return readPython, true
	case "sh":
		return readShell, true
	}
	return nil, false
}

// runApplet runs the program name with args, and returns its exit status.
func runApplet(ctx context.Context, stderr io.Writer, name string, read func([]string) (check, error), args []string) int {
	c, err := read(args)
	if err == nil {
		err = c.allowed()
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "tollgate as %s: %v. This image has no shell and no programs; as %s the gateway's binary serves health checks of this machine only, as `tollgate healthcheck --help` tells.\n", name, err, name)
		return exitCannotRun
	}
	code, message := c.run(ctx)
	if message != "" && !c.silent {
		_, _ = fmt.Fprintf(stderr, "%s: %s\n", name, message)
	}
	if code != 0 && c.orExit {
		return 1
	}
	return code
}

func (c check) allowed() error {
	u, err := url.Parse(c.address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || !loopback(u) {
		return fmt.Errorf("%q is not an http or https address of localhost", c.address)
	}
	return nil
}

// run asks, and returns the program's exit status with what to say about a failure.
func (c check) run(ctx context.Context) (code int, message string) {
	status, err := askHealth(ctx, c.address, c.timeout)
	switch {
	case err != nil:
		return c.network, err.Error()
	case status >= http.StatusBadRequest && c.status != 0:
		return c.status, fmt.Sprintf("%s answers %d", c.address, status)
	}
	return 0, ""
}

// request is a command line of wget or curl: options, of which those that matter are noted, and one address.
func request(name string, args []string, define func(*pflag.FlagSet)) (address string, err error) {
	flags := pflag.NewFlagSet(name, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	define(flags)
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	if flags.NArg() != 1 {
		return "", fmt.Errorf("%d addresses were given, one is needed", flags.NArg())
	}
	address = flags.Arg(0)
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	return address, nil
}

// ignore defines options without an effect on a health check.
func ignore(flags *pflag.FlagSet, booleans, values []string) {
	for _, list := range []struct {
		names []string
		value bool
	}{{booleans, false}, {values, true}} {
		for _, name := range list.names {
			long, short, _ := strings.Cut(name, "/")
			if list.value {
				flags.StringP(long, short, "", "")
			} else {
				flags.BoolP(long, short, false, "")
			}
		}
	}
}

// nowhere takes only outputs that keep nothing.
func nowhere(output string) error {
	if output != "" && output != "-" && output != "/dev/null" {
		return fmt.Errorf("no file is written, not %q either", output)
	}
	return nil
}

// seconds reads a time of wget's or curl's; 0 stands for the default.
func seconds(value float64) time.Duration {
	if value <= 0 {
		return healthTimeout
	}
	return time.Duration(value * float64(time.Second))
}

func readWget(args []string) (check, error) {
	var output string
	var timeout float64
	var quiet bool
	address, err := request("wget", args, func(f *pflag.FlagSet) {
		f.BoolVarP(&quiet, "quiet", "q", false, "")
		f.StringVarP(&output, "output-document", "O", "", "")
		f.Float64VarP(&timeout, "timeout", "T", 0, "")
		// -nv is short for --no-verbose; read letter by letter it is -n -v.
		ignore(f, []string{"spider", "no-verbose", "n/n", "verbose/v", "server-response/S", "no-check-certificate"}, []string{"tries/t", "waitretry"})
	})
	if err == nil {
		err = nowhere(output)
	}
	return check{address: address, timeout: seconds(timeout), network: exitWgetNetwork, status: exitWgetStatus, silent: quiet}, err
}

func readCurl(args []string) (check, error) {
	var output string
	var timeout float64
	var fail, silent, showError bool
	address, err := request("curl", args, func(f *pflag.FlagSet) {
		f.BoolVarP(&fail, "fail", "f", false, "")
		f.BoolVarP(&silent, "silent", "s", false, "")
		f.BoolVarP(&showError, "show-error", "S", false, "")
		f.StringVarP(&output, "output", "o", "", "")
		f.Float64VarP(&timeout, "max-time", "m", 0, "")
		ignore(f, []string{"insecure/k", "location/L", "head/I"}, []string{"connect-timeout", "retry"})
	})
	if err == nil {
		err = nowhere(output)
	}
	c := check{address: address, timeout: seconds(timeout), network: exitCurlNetwork, silent: silent && !showError}
	if fail {
		c.status = exitCurlStatus
	}
	return c, err
}

// openURL is the one program in Python that is known: LiteLLM's documented health check.
var openURL = regexp.MustCompile(`^\s*import urllib\.request;\s*urllib\.request\.urlopen\((?:'([^'\\]*)'|"([^"\\]*)")(?:,\s*timeout=([0-9.]+))?\)\s*;?\s*$`)

func readPython(args []string) (check, error) {
	if len(args) != 2 || args[0] != "-c" {
		return check{}, errors.New("only -c with a health check is known")
	}
	found := openURL.FindStringSubmatch(args[1])
	if found == nil {
		return check{}, errors.New("only import urllib.request; urllib.request.urlopen('http://localhost...') is known")
	}
	timeout, _ := strconv.ParseFloat("0"+found[3], 64) // absent, it is the default
	return check{address: found[1] + found[2], timeout: seconds(timeout), network: exitFailed, status: exitFailed}, nil
}

func readShell(args []string) (check, error) {
	if len(args) != 2 || args[0] != "-c" {
		return check{}, errors.New("only -c with a health check is known")
	}
	words, err := splitWords(args[1])
	if err != nil {
		return check{}, err
	}
	words, orExit := cutFallback(words)
	words = slices.DeleteFunc(words, func(w string) bool { return slices.Contains(redirections, w) })
	if len(words) == 0 {
		return check{}, fmt.Errorf("%q is no health check", args[1])
	}
	name := filepath.Base(words[0])
	read, ok := applet(name)
	if !ok || name == "sh" {
		return check{}, fmt.Errorf("there is no program %q", words[0])
	}
	c, err := read(words[1:])
	c.orExit = orExit
	return c, err
}

// redirections send the output of a health check away; ours prints none but reasons, which Docker shows.
var redirections = []string{">/dev/null", "1>/dev/null", "2>/dev/null", "2>&1"}

// cutFallback takes `|| exit 1` or `|| false` off the end of a command.
func cutFallback(words []string) (rest []string, found bool) {
	i := slices.Index(words, "||")
	if i < 0 {
		return words, false
	}
	if tail := strings.Join(words[i+1:], " "); tail == "exit 1" || tail == "false" {
		return words[:i], true
	}
	return nil, false
}

// splitWords splits a command line into words as a shell does: blanks, quotes, a backslash in double quotes. Whatever else
// means something to a shell is refused, but `||` and redirections as words of their own.
func splitWords(command string) ([]string, error) {
	var words []string
	var word strings.Builder
	open := false // a word has begun
	end := func() {
		if open {
			words = append(words, word.String())
		}
		word.Reset()
		open = false
	}
	for rest := strings.TrimSpace(command); rest != ""; {
		if operator, ok := leadingOperator(rest); ok && !open {
			words = append(words, strings.ReplaceAll(operator, " ", ""))
			rest = rest[len(operator):]
			continue
		}
		switch c := rest[0]; {
		case c == ' ' || c == '\t':
			end()
			rest = rest[1:]
		case c == '\'' || c == '"':
			text, n, err := quoted(rest)
			if err != nil {
				return nil, err
			}
			word.WriteString(text)
			open, rest = true, rest[n:]
		case strings.IndexByte("|&;<>()$`\\*?[]#~{}!\n\r", c) >= 0:
			return nil, fmt.Errorf("%q needs a shell: it holds %q", command, string(c))
		default:
			word.WriteByte(c)
			open, rest = true, rest[1:]
		}
	}
	end()
	return words, nil
}

// operators are `||` and the redirections, with or without a blank, that end at a blank or with the command.
var operators = regexp.MustCompile(`^(?:\|\||[12]?> ?/dev/null|2>&1)(?:[ \t]|$)`)

func leadingOperator(text string) (string, bool) {
	found := strings.TrimRight(operators.FindString(text), " \t")
	return found, found != ""
}

// quoted reads the quoted text at the beginning of rest, and returns it with the number of bytes that it takes there.
func quoted(rest string) (text string, length int, err error) {
	var b strings.Builder
	quote := rest[0]
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == quote:
			return b.String(), i + 1, nil
		case quote == '"' && (c == '$' || c == '`'):
			return "", 0, fmt.Errorf("%q holds %q, which needs a shell", rest, string(c))
		case quote == '"' && c == '\\' && i+1 < len(rest) && strings.IndexByte("\"\\", rest[i+1]) >= 0:
			i++
			b.WriteByte(rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, fmt.Errorf("%q: the quote is not closed", rest)
}
