package main

import (
	"context"
	"flag"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
)

// serveFloor is the process that the gateway is compared with: httputil.ReverseProxy as its documentation shows it.
// Only the pool of idle connections is larger than net/http's two, else it would measure handshakes.
func serveFloor(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("floor", flag.ContinueOnError)
	address := f.String("address", "127.0.0.1:0", "address to listen on")
	upstream := f.String("upstream", "", "base URL to pass calls to")
	if err := f.Parse(args); err != nil {
		return err
	}
	target, err := url.Parse(*upstream)
	if err != nil {
		return err
	}
	return listenAndServe(ctx, *address, &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{MaxIdleConnsPerHost: maxIdle, DisableCompression: true},
		ErrorLog:  log.New(io.Discard, "", 0), // it logs callers who leave
	})
}

// maxIdle is the number of idle connections kept to one host: more than any cell has at once.
const maxIdle = 1024
