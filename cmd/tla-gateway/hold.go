package main

import (
	"strings"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/trail"
)

// keepCmd is `audit hold`, and `audit release`: of the trace of this machine's gateway; or, with a certificate, of the
// gateway that it is shown.
type keepCmd struct{ doing }

// Run records the act, and stops the purge, or lets it go on.
func (k *keepCmd) Run(app *cli.App) error {
	if k.away() {
		return k.act(app, strings.ReplaceAll(app.Command, " ", "/"), "")
	}
	if k.Reason == "" {
		return noReason()
	}
	here := trail.KeepCmd[configFlag]{Place: configFlag{k.Config}, Reason: k.Reason}
	return here.Run(app)
}
