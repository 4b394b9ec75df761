package enrol

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"

	"tlagate/cmd/internal/cli"
	"tlagate/est"
	"tlagate/internal/address"
)

// Command is the command `enroll` of a device's program.
type Command struct {
	Gateway string `xor:"place" placeholder:"HOST:PORT" help:"Enrol through this gateway; NAME=IP:PORT where DNS does not know its name."`
	PKI     string `name:"pki" xor:"place" placeholder:"HOST:PORT" help:"Enrol at the PKI itself; likewise."`
	Yes     bool   `help:"Do not ask whether to go on."`
	Replace bool   `help:"Give up an identity that is still good, or the PKI trusted so far."`
	Code    string `arg:"" optional:"" help:"The one-time code, or its tlagate: URI; - reads it from standard input. Without it, it is asked for: arguments can be seen by other users of this machine."`
}

// Texts are what the user reads; each is one or more whole lines.
type Texts struct {
	Prompt  string                               // before the code is typed
	Confirm func(ca string, place string) string // a question, to be answered with yes or no
	Yes     []string                             // answers, in lower case
	Done    func(*Done) string
	Failure func(*Failure) string
}

// English returns the texts of programs for operators.
func English(program, next string) Texts {
	return Texts{
		Prompt: "Code: ",
		Confirm: func(ca, place string) string {
			return fmt.Sprintf("%s will trust the authority \"%s\", found at %s. Go on? [y/N] ", program, ca, place)
		},
		Yes: []string{"y", "yes"},
		Done: func(d *Done) string {
			return fmt.Sprintf("Enrolled: this is %s until %s. %s\n", d.Identity, d.NotAfter.Format(time.DateOnly),
				next)
		},
		Failure: func(f *Failure) string { return f.Error() },
	}
}

// Run enrols a device. usual is the place if neither command nor code names one; its Address may be "". Each of after
// is called, with the place that was used, once the device is enrolled.
func (c Command) Run(app *cli.App, d Device, usual est.Place, say Texts, after ...func(est.Place) error) error {
	done, place, err := c.enrol(app, d, usual, say)
	if f := (*Failure)(nil); errors.As(err, &f) {
		return errors.New(say.Failure(f))
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(app.Stdout, say.Done(done))
	for _, next := range after {
		err = errors.Join(err, next(place))
	}
	return err
}

func (c Command) enrol(app *cli.App, d Device, usual est.Place, say Texts) (done *Done, place est.Place, err error) {
	in := bufio.NewReaderSize(io.LimitReader(app.Stdin, maxTyped), 1024)
	text, err := c.read(app, in, say)
	if err != nil {
		return nil, place, err
	}
	invited, err := parseInvitation(text)
	if err != nil {
		return nil, place, err
	}
	if place, err = c.place(invited, usual); err != nil {
		return nil, place, err
	}
	act := Act{Device: d, Place: place, Code: invited.Code, Replace: c.Replace}
	if !c.Yes && isTerminal(app.Stdin) {
		act.Confirm = func(root *x509.Certificate) error { return confirm(app, in, say, root, place) }
	}
	done, err = act.Run(app.Context)
	return done, place, err
}

const maxTyped = 4096 // octets

// read returns the code, from the arguments, standard input or the terminal.
func (c Command) read(app *cli.App, in *bufio.Reader, say Texts) (string, error) {
	switch {
	case c.Code != "" && c.Code != "-":
		return c.Code, nil
	case c.Code == "" && !isTerminal(app.Stdin):
		return "", &Failure{Kind: CodeMissing}
	case c.Code == "":
		fmt.Fprint(app.Stderr, say.Prompt)
	}
	line := typed(app.Context, in)
	if strings.TrimSpace(line) == "" {
		return "", &Failure{Kind: CodeMissing}
	}
	return line, nil
}

// typed reads a line; it returns "" if there is none, or the user breaks off.
func typed(ctx context.Context, in *bufio.Reader) string {
	line := make(chan string, 1)
	go func() {
		text, _ := in.ReadString('\n')
		line <- text
	}()
	select {
	case text := <-line:
		return text
	case <-ctx.Done():
		return ""
	}
}

func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func confirm(app *cli.App, in *bufio.Reader, say Texts, root *x509.Certificate, place est.Place) error {
	fmt.Fprint(app.Stderr, say.Confirm(printable(root.Subject.CommonName), place.Address))
	answer := strings.TrimSpace(typed(app.Context, in))
	if !slices.ContainsFunc(say.Yes, func(yes string) bool { return strings.EqualFold(answer, yes) }) {
		return &Failure{Kind: Declined}
	}
	return nil
}

// printable returns a name that a terminal shows as it is: control characters are replaced.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, name)
}

// invitation is what a user receives: a code, and perhaps where to enrol.
type invitation struct {
	Code         est.Code
	Gateway, PKI string // HOST:PORT or NAME=HOST:PORT; at most one
}

const (
	scheme = "tlagate"
	action = "enroll"
)

// parseInvitation reads a code, or the URI of a QR code: tlagate:enroll?gateway=HOST:PORT&code=CODE. The error is a
// *Failure, and never quotes the code.
func parseInvitation(text string) (invitation, error) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(strings.ToLower(text), scheme+":") {
		code, err := est.ParseCode(text)
		if err != nil {
			return invitation{}, &Failure{Kind: CodeMistyped, Cause: err}
		}
		return invitation{Code: code}, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != action {
		return invitation{}, &Failure{Kind: CodeMistyped, Cause: errURI}
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return invitation{}, &Failure{Kind: CodeMistyped, Cause: errURI}
	}
	one := invitation{Gateway: query.Get("gateway"), PKI: query.Get("pki")}
	if one.Code, err = est.ParseCode(query.Get("code")); err != nil {
		return invitation{}, &Failure{Kind: CodeMistyped, Cause: err}
	}
	if one.Gateway != "" && one.PKI != "" {
		return invitation{}, &Failure{Kind: CodeMistyped, Cause: errURI}
	}
	return one, nil
}

var errURI = errors.New("it is no URI of the form tlagate:enroll?gateway=HOST:PORT&code=CODE")

// place returns where to enrol: as the command says, else the invitation, else the configuration.
func (c Command) place(i invitation, usual est.Place) (est.Place, error) {
	switch {
	case c.Gateway != "" || c.PKI != "":
		return placeOf(c.Gateway, c.PKI)
	case i.Gateway != "" || i.PKI != "":
		return placeOf(i.Gateway, i.PKI)
	case usual.Address != "":
		return usual, nil
	}
	return est.Place{}, &Failure{Kind: NoPlace}
}

func placeOf(gateway, direct string) (est.Place, error) {
	place := est.Place{Address: gateway}
	var err error
	if gateway == "" {
		place, err = est.DirectPlace(direct)
	} else {
		_, err = address.Reach(gateway) // the peer there is known by its role, not by its name
	}
	if err != nil {
		return place, &Failure{Kind: NoPlace, Cause: fmt.Errorf("%q: %w", address.Shown(gateway+direct), err)}
	}
	return place, nil
}
