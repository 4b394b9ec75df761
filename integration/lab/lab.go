// Package lab lays out a whole deployment of tlagate in one directory of a world: a device CA made by tla-pki, two
// private pcscd with simulated cards, and the real programs with their configuration files. Demo, tests and benchmarks
// share it. It works in a world only: call world.Enter first.
package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"tlagate/integration/cardsim"
	"tlagate/integration/world"
)

// The identities of a lab.
const (
	Practice = "cabinet-demo"
	TLA      = "urn:tlagate:" + Practice + ":tla:valise"
	PdT      = "urn:tlagate:" + Practice + ":pdt:bureau"
	Gateway  = "urn:tlagate:operateur-demo:gateway:gw1"
	Gateway2 = "urn:tlagate:operateur-demo:gateway:gw2"
	OCSP     = "urn:tlagate:operateur-demo:ocsp:o1"
)

// Trust is what a program's configuration says under trust, most of it names of files.
type Trust struct {
	Anchor     string   // the root's certificate
	Practices  []string // practices it vouches for; nil = all
	CRLs       []string // files
	State      string   // "" = memory
	Production bool     // no CA made for tests
	OCSP       []string // responders to ask
	DenyList   string   // file; "" = none
	ARL        string   // file for ARLs received; "" = memory
	Denials    string   // file for pushed revocations; "" = memory
	Answers    string   // file for OCSP answers; "" = memory
}

// Keys names a certificate and its key.
type Keys struct{ Cert, Key string }

// Watch is called after each command of our programs that succeeded, with the program's name, its arguments and its
// standard output.
type Watch func(program string, args []string, output string)

// Lab is a deployment. A field may be changed until the program that it concerns is started.
type Lab struct {
	Dir         string
	GatewayAddr string    // host:port that the gateway listens on
	GatewayVia  string    // host:port that the TLA dials, a proxy's for instance; "" = GatewayAddr
	Host        string    // name or address that gateways are dialled by, "" = localhost
	Second      *Site     // another gateway, see AddGateway; nil = none
	TLAVia      []string  // what the TLA dials, host:port or NAME=host:port; nil = GatewayVia, and Second
	PdTVia      []string  // what the PdT dials, likewise; nil = the gateways
	OCSPAddr    string    // host:port that the responder listens on
	Echo        io.Writer // gets the programs' output; nil = nobody
	Watch       Watch     // called after each command; nil = nobody
	AskFor      string    // the PdT that the TLA asks for
	Seat        string    // control.seat of the TLA; "" = not configured
	Persons     *Persons  // by whose certificates users prove who they are; nil = nobody is asked
	User        string    // what gateway and PdT say under user; "" = nothing
	ProofKey    string    // proof-key of the card policy for CPS cards; "" = nothing
	ReadAhead   string    // ahead of the card policy for Vitale cards; "" = nothing
	RelayLines  []string  // more of the relay's configuration, for Start

	RelayProgram string     // runs in place of our tla-relay; "" = ours
	RelayOver    world.Over // what the running relay sees in place of the machine's files
	PdTOver      world.Over // likewise the running tla-pdt
	GatewayOver  world.Over // likewise the running gateway
	Env          []string   // of running programs, besides this one's
	GatewaySock  *os.File   // the gateway's listening socket, which outlives it; nil = it opens its own

	GatewayTrust, PdTTrust, TLATrust Trust

	OCSPKeys                                     Keys // of the responder, made at its first start
	GatewayKeys, ClientKeys, ServerKeys, TLAKeys Keys // of the gateway, the PdT (two) and the TLA

	TLAReaders, PdTReaders *world.PCSCD
	Limits                 *world.Limits // of the TLA's readers; nil = none
	Vitale                 *cardsim.Vitale
	CPS                    *cardsim.CPS
	// inserted in place of a plain Vitale (Vitale is then the Counter's); set before InsertCards; nil = none
	Counter             *cardsim.Counter
	VitaleSlot, CPSSlot *cardsim.Slot

	GatewayProc, PdTProc, RelayProc, OCSPProc *world.Process

	suffix string // of the configuration files' names
}

// New makes a lab's directory, its CA, and every certificate.
func New() (*Lab, error) { return NewWatched(nil) }

// NewWatched is New with Watch set from the first command on.
func NewWatched(watch Watch) (*Lab, error) {
	l, err := Bare()
	if err != nil {
		return nil, err
	}
	l.Watch = watch
	l.GatewayTrust, l.PdTTrust, l.TLATrust = l.trust(), l.trust(), l.trust()
	if err := l.makePKI(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Bare is New without CA and certificates: the caller sets whom the programs trust and what they show.
func Bare() (*Lab, error) {
	dir, err := os.MkdirTemp("", "lab-")
	if err != nil {
		return nil, fmt.Errorf("cannot make a lab: %w", err)
	}
	port, err := world.Port()
	if err != nil {
		return nil, err
	}
	return &Lab{Dir: dir, GatewayAddr: world.Addr(port), AskFor: PdT}, nil
}

// Path returns the path of a file of the lab.
func (l *Lab) Path(name string) string { return filepath.Join(l.Dir, name) }

// Close ends everything and removes the directory.
func (l *Lab) Close() error {
	var errs []error
	for _, p := range []*world.Process{l.RelayProc, l.PdTProc, l.GatewayProc, l.Second.proc(), l.OCSPProc} {
		if p != nil {
			errs = append(errs, p.Stop())
		}
	}
	for _, s := range []*cardsim.Slot{l.VitaleSlot, l.CPSSlot} {
		if s != nil {
			s.Remove()
		}
	}
	for _, p := range []*world.PCSCD{l.TLAReaders, l.PdTReaders} {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(l.Dir))...)
}

const relay = "tla-relay"

// Binary returns the path of the program that this lab runs by that name.
func (l *Lab) Binary(program string) (string, error) {
	if program == relay && l.RelayProgram != "" {
		return l.RelayProgram, nil
	}
	return world.Binary(program)
}

// Run runs one of our programs to its end and returns its standard output.
func (l *Lab) Run(program string, args ...string) (string, error) {
	out, err := l.quietly(program, args...)
	if err == nil && l.Watch != nil {
		l.Watch(program, args, out)
	}
	return out, err
}

// quietly is Run without Watch.
func (l *Lab) quietly(program string, args ...string) (string, error) {
	return l.Type(program, "", args...)
}

// Type is Run without Watch, and with something typed into the program's standard input.
func (l *Lab) Type(program, typed string, args ...string) (string, error) {
	path, err := l.Binary(program)
	if err != nil {
		return "", err
	}
	out, err := world.Type(world.Patience, typed, nil, path, args...)
	if err != nil {
		return out, fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
	}
	return out, nil
}

// start starts one of our programs and waits until it says ready ("" = does not wait).
func (l *Lab) start(program, ready string, env []string, args ...string) (*world.Process, error) {
	path, err := l.Binary(program)
	if err != nil {
		return nil, err
	}
	over := map[string]world.Over{relay: l.RelayOver, "tla-pdt": l.PdTOver, "tla-gateway": l.GatewayOver}
	socket := map[string]*os.File{"tla-gateway": l.GatewaySock}
	p, err := world.Start(world.Command{Name: program, Path: path, Args: args, Env: append(env, l.Env...), Echo: l.Echo,
		Over: over[program], Sock: socket[program]})
	if err != nil {
		return nil, err
	}
	if ready == "" {
		return p, nil
	}
	if _, err := p.WaitLine(world.Patience, ready); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}
