package metrics

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"
)

// Limits of the listener: a scraper or two, and people with curl.
const (
	connections  = 16
	scrapes      = 4 // at once
	readTimeout  = 5 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 2 * time.Minute
	maxHeader    = 8 << 10
)

// Serve answers GET /metrics and GET /readyz on l until ctx ends; it closes l. unready returns why work had better go
// elsewhere, one line each, without secrets; nil when there is no reason. It may be called at any time.
func Serve(ctx context.Context, l net.Listener, from prometheus.Gatherer, unready func() []string, log *slog.Logger) {
	errorLog := slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(from, promhttp.HandlerOpts{
		ErrorLog: errorLog, ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: scrapes,
	}))
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { sayReady(w, unready()) })
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: readTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, ErrorLog: errorLog,
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(netutil.LimitListener(l, connections)); ctx.Err() == nil {
		log.Error("metrics are no longer served: restart the program", "address", l.Addr().String(), "error", err)
	}
}

// sayReady answers 200, or 503 with the reasons why not.
func sayReady(w http.ResponseWriter, unready []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if len(unready) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, strings.Join(unready, "\n")+"\n")
		return
	}
	_, _ = io.WriteString(w, "ready\n")
}
