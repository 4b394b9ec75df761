package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/term"
)

// AskPIN asks the person at the terminal for a token's PIN, without echo, as keys.Config.PIN wants it. It reads the
// terminal, not standard input: a PIN that could come from a pipe would end up in a script.
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

// terminal opens the controlling terminal.
func terminal() (in *os.File, out io.Writer, err error) {
	if runtime.GOOS == "windows" {
		in, err = os.OpenFile("CONIN$", os.O_RDWR, 0)
		return in, os.Stderr, err
	}
	in, err = os.OpenFile("/dev/tty", os.O_RDWR, 0)
	return in, in, err
}
