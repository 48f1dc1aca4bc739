// Command recorders plays hosted services, each at an address of its own: those of internal/recorder, which are as strict about
// keys, signatures, shapes and limits as the real ones.
//
//	recorders KIND...
//
// Its first line is a JSON object: for each kind its url, the key that it takes and what else a client must know. Then, beside
// the service's own routes, each address answers
//
//	GET  /_recorder        what came: requests, refused (what the real service would have refused), taken
//	POST /_recorder/fail   {"status": 503, "times": 3, "retry_after": 1}: the next requests are answered so
//
// SIGTERM ends it, with status 1 when anything came that a real service would have refused; /_recorder/forgive (POST) forgets
// that where it is what a demonstration is about.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	refused, err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "recorders:", err)
		os.Exit(2)
	}
	if refused {
		os.Exit(1)
	}
}

// run serves the kinds until ctx ends, and reports whether one of them was asked something that it refused.
func run(ctx context.Context, kinds []string) (refused bool, err error) {
	services := make(map[string]*service, len(kinds))
	var servers []*http.Server
	defer func() {
		for _, s := range servers {
			_ = s.Close()
		}
	}()
	where := make(map[string]map[string]string, len(kinds))
	for _, kind := range kinds {
		open, known := playable[kind]
		if !known {
			return false, fmt.Errorf("there is no %q", kind)
		}
		s := open()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return false, err
		}
		server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second}
		servers = append(servers, server)
		go func() { _ = server.Serve(listener) }() // ends with Close
		services[kind] = s
		s.facts["url"] = "http://" + listener.Addr().String()
		where[kind] = s.facts
	}
	if err := json.NewEncoder(os.Stdout).Encode(where); err != nil {
		return false, err
	}
	<-ctx.Done()
	for kind, s := range services {
		for _, text := range s.refused() {
			fmt.Fprintf(os.Stderr, "%s would refuse: %s\n", kind, text)
			refused = true
		}
	}
	return refused, nil
}
