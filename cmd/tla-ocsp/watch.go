package main

import (
	"context"
	"os"
	"time"

	"tlagate/cmd/internal/cli"
)

// onChange calls f when certificate or key have changed, and both have then stayed the same for a second: they are
// replaced one after the other. It blocks until ctx ends.
func onChange(ctx context.Context, files cli.Identity, f func()) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	used := stateOf(files)
	last := used
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := stateOf(files)
		if now == last && now != used {
			used = now
			f()
		}
		last = now
	}
}

// state reports whether the files are the same as before.
type state struct{ cert, key mark }

type mark struct {
	modified time.Time
	size     int64
}

func stateOf(files cli.Identity) state {
	return state{markOf(string(files.Cert)), markOf(files.Key.File())}
}

// markOf returns the zero mark for a file that is not there.
func markOf(file string) mark {
	info, err := os.Stat(file)
	if err != nil {
		return mark{}
	}
	return mark{info.ModTime(), info.Size()}
}
