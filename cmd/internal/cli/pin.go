package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/term"
)

// AskPIN asks the person at the terminal for a token's PIN, without echo; it fits keys.Config.PIN. The terminal is
// asked and not standard input, so that a PIN does not come from a pipe and end up in a script.
func AskPIN(token string) ([]byte, error) {
	in, out, err := terminal()
	if err != nil {
		return nil, errors.New("there is no terminal: use pin-source=credential:NAME or pin-source=file:/… in its URI")
	}
	defer in.Close()
	fmt.Fprintf(out, "PIN of token %s: ", token)
	defer fmt.Fprintln(out)
	return term.ReadPassword(int(in.Fd()))
}

// terminal gives the controlling terminal.
func terminal() (in *os.File, out io.Writer, err error) {
	if runtime.GOOS == "windows" {
		in, err = os.OpenFile("CONIN$", os.O_RDWR, 0)
		return in, os.Stderr, err
	}
	in, err = os.OpenFile("/dev/tty", os.O_RDWR, 0)
	return in, in, err
}
