package cli

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"tlagate/internal/retry"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// Live is what a running program reads again: all of it at SIGHUP, and each part when its file has changed. If a part
// is broken, the old one stays in use, and the log says so. The trust store watches its own files (trust.Trust.Run).
type Live struct {
	Config string       // the configuration file; "" = none
	Apply  func() error // reads it again and applies what may change in a running program; nil = nothing may
	Trust  *trust.Trust
	Keys   []*Keys

	Persons *PersonsRun // nil = no person is verified

	// Every is how often files are looked at; 0 = 1 s.
	Every time.Duration
}

// Follow keeps l up to date until the program is stopped. Like OnHangup, call it before the program says that it is
// ready.
func (a *App) Follow(l Live) {
	var mu sync.Mutex // one reading at a time
	a.OnHangup(func() {
		mu.Lock()
		defer mu.Unlock()
		l.Trust.Reload()
		l.Persons.Reload()
		a.apply(l)
		for _, k := range l.Keys {
			k.ReloadOrLog(a.Log)
		}
	})
	go a.poll(l, &mu)
}

func (a *App) poll(l Live, mu *sync.Mutex) {
	if l.Every == 0 {
		l.Every = time.Second
	}
	config, began := pki.NewFileWatch(l.Config), written(l.Config)
	pairs := make([]*pki.FileWatch, len(l.Keys))
	for i, k := range l.Keys {
		pairs[i] = pki.NewFileWatch(k.files()...)
	}
	for retry.Sleep(a.Context, l.Every) {
		mu.Lock()
		if l.Apply == nil {
			began = a.outdated(l.Config, began)
		} else if config.Changed() {
			a.apply(l)
		}
		for i, k := range l.Keys {
			if pairs[i].Changed() || k.refused.Load() {
				k.follow(a.Log)
			}
		}
		mu.Unlock()
	}
}

// written returns the state of a configuration file; nil = there is none, or it cannot be seen.
func written(config string) os.FileInfo {
	info, err := os.Stat(config)
	if err != nil {
		return nil
	}
	return info
}

// outdated says that a program works by an older configuration than the one that is there now, once for each change. It
// only looks at the file: a sandbox may not let it be read.
func (a *App) outdated(config string, before os.FileInfo) os.FileInfo {
	now := written(config)
	if now == nil || before == nil {
		return cmp.Or(before, now)
	}
	if !os.SameFile(before, now) || before.Size() != now.Size() || !before.ModTime().Equal(now.ModTime()) {
		a.Log.Warn("the configuration has changed: that takes a restart", "file", config)
	}
	return now
}

// Watch reads k's files again when they have changed, until ctx ends. It is for keys that come and go while the program
// runs, and so are not in Live.
func (k *Keys) Watch(ctx context.Context, log *slog.Logger) {
	for files := pki.NewFileWatch(k.files()...); retry.Sleep(ctx, time.Second); {
		if files.Changed() || k.refused.Load() {
			k.follow(log)
		}
	}
}

// apply reads the configuration again.
func (a *App) apply(l Live) {
	if l.Config == "" || l.Apply == nil {
		return
	}
	if err := l.Apply(); err != nil {
		a.Log.Error("the old configuration stays in force", "error", err)
	}
}
