package main

import (
	"os"

	"golang.org/x/term"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/tla-relay/internal/screen"
	"tlagate/cmd/tla-relay/internal/words"
)

// uiCmd is the user's screen.
type uiCmd struct{ withConfig }

// Run shows the screen until Ctrl-C or a signal; a session goes on without it.
func (c *uiCmd) Run(app *cli.App) error {
	in, ok := app.Stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return cli.Usage("cannot show the screen: standard input is no terminal")
	}
	socket, err := userCmd{withConfig: c.withConfig}.socket()
	if err != nil {
		return err
	}
	return screen.Show(app.Context, words.TongueOf(os.Getenv), socket, in, app.Stdout)
}
