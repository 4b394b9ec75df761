package ocsp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"tlagate/pki/listen"
)

// Deadlines of a connection: clients are strangers.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = 10 * time.Second
	idleTimeout  = 30 * time.Second
)

// Serve answers on l, and looks at the books, until ctx ends; then it lets requests under way finish, and closes
// everything.
func (r *Responder) Serve(ctx context.Context, l net.Listener) error {
	defer r.Close()
	stopLooking := r.inBackground(ctx, r.run, r.countHours)
	defer stopLooking()
	server := r.server()
	stopped := r.stopAtEnd(ctx, server)
	close(r.serving)
	err := server.Serve(listen.NewRoom(listen.RoomConfig{Places: r.cfg.Connections}).Listener(l))
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("cannot serve on %s: %w", l.Addr(), err)
	}
	<-stopped
	r.log.Info("stopped", "answered", fmt.Sprintf("%+v", r.tally()))
	return nil
}

func (r *Responder) server() *http.Server {
	return &http.Server{
		Handler:           r,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
}

// inBackground runs tasks until stop is called, also while requests under way finish.
func (r *Responder) inBackground(ctx context.Context, tasks ...func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	for _, task := range tasks {
		running.Go(func() { task(ctx) })
	}
	return func() { cancel(); running.Wait() }
}

// stopAtEnd ends the server when ctx ends; stopped is closed when that is done.
func (r *Responder) stopAtEnd(ctx context.Context, server *http.Server) (stopped <-chan struct{}) {
	done := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(done)
		r.stopped.Store(true)
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.Drain)
		defer cancel()
		if server.Shutdown(drain) != nil {
			server.Close()
		}
	})
	return done
}
