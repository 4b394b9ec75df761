package trail

import (
	"context"
	"time"

	"tlagate/audit/index"
	"tlagate/cmd/internal/room"
	"tlagate/internal/retry"
)

// Index makes the indexes of full files as they come to be, until ctx is done, so that no search has to: it looks once
// an hour or more often. Where there is little room it makes none.
func (t *Trail) Index(ctx context.Context) {
	for t.Log != nil {
		if file := t.Log.File(); room.Lacking(file) == "" {
			if err := index.Make(ctx, file); err != nil && ctx.Err() == nil {
				t.app.Log.Warn("the audit trace is not indexed; searches in it will take longer", "error", err)
			}
		}
		if !retry.Sleep(ctx, retry.Jitter(time.Hour)) {
			return
		}
	}
}
