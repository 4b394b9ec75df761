package main

import (
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/trail"
)

// holdCmd holds the trace of this machine's gateway; or, with a certificate, of the gateway that it is shown.
type holdCmd struct{ doing }

// Run records the act, and stops the purge.
func (h *holdCmd) Run(app *cli.App) error {
	if h.away() {
		return h.act(app, "audit/hold", "")
	}
	if h.Reason == "" {
		return noReason()
	}
	here := trail.HoldCmd[configFlag]{}
	here.Place, here.Reason = configFlag{h.Config}, h.Reason
	return here.Run(app)
}

// releaseCmd ends a hold, likewise.
type releaseCmd struct{ doing }

// Run records the act, and lets the purge go on.
func (r *releaseCmd) Run(app *cli.App) error {
	if r.away() {
		return r.act(app, "audit/release", "")
	}
	if r.Reason == "" {
		return noReason()
	}
	here := trail.ReleaseCmd[configFlag]{}
	here.Place, here.Reason = configFlag{r.Config}, r.Reason
	return here.Run(app)
}
