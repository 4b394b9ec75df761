// Command demo shows tlagate at work on one machine: `make demo`. Two simulated cards in a terminal (TLA) are read by
// unmodified PC/SC programs of a workstation (PdT), through the real programs and two layers of mutual TLS, until the
// terminal's certificate is revoked. Everything runs in a world of its own (integration/world) and vanishes with it.
//
// DEMO=auto asks nothing. NO_COLOR=1 leaves colours out.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"tlagate/integration/codes"
	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// sinceEnv carries the time of the start into the world.
const sinceEnv = "TLAGATE_DEMO_SINCE"

func main() {
	d := newDemo()
	if world.Outside() {
		d.failOn(d.before())
	}
	world.Enter()
	d.leaveOnSignal()
	d.failOn(d.inside())
}

// demo is the course of the demonstration.
type demo struct {
	*screen
	auto  bool // DEMO=auto
	since time.Time
	step  int
	clean world.Snapshot // of the world before its first step
	lab   *lab.Lab
	pki   *lab.Push // the PKI server; nil: none yet

	operator *lab.Operator // of the gateway
	incident string        // number that the user was told when the session was cut

	ui *world.Terminal // the screen of the terminal; nil: none
}

// step is a numbered part of the demo, with a sentence for people who see it for the first time.
type step struct {
	title, sentence string
	do              func(*demo) error
}

// outside is done before the world is entered, where there is a network from which modules can be fetched.
var outside = []step{
	{"Build the programs", "From this source tree into bin/; what make compiled before is most of the work.",
		(*demo).build},
}

// policyNote says which card policy is in force, because nobody else's terminal has it.
const policyNote = "for which this demo adds rules to the terminal's card policy; the built-in policy has none."

var inside = []step{
	{"Make a throw-away PKI",
		"Every program proves who it is by a certificate; this device CA issues them, for this demo only.",
		(*demo).makePKI},
	{"Start the services",
		"A CPS and a Vitale card go into the terminal's readers; PKI server, gateway, PdT and relay start and wait.",
		(*demo).startServices},
	{"Look at the terminal's sockets",
		"Before its user says start, nothing on the terminal listens or is connected (C4, EL2).", (*demo).showSockets},
	{"Start a session",
		"Only an act of the user at the terminal opens a session; here, you are that user, before its screen.",
		(*demo).startSession},
	{"Find the cards on the workstation",
		"The PdT's PC/SC service now has both cards, as if they were in readers of its own.", (*demo).listReaders},
	{"Read the Vitale card",
		"An unmodified PC/SC program reads a file of the card, block by block (specimen data of nobody).",
		(*demo).readVitale},
	{"Read the CPS card", "OpenSC's PKCS#11 tool lists what is public on the professional's card. The simulated one " +
		"is also a PIV card, " +
		policyNote, (*demo).readCPS},
	{"Sign with the CPS card",
		"It wants the PIN. The reader says that it has a pad, so the program asks nobody; the pad is the terminal.",
		(*demo).sign},
	{"Ask for too much",
		"A program tries to write to the Vitale card; the terminal's card policy lets only a terminal's functions " +
			"through. It is the built-in one with rules for that PIV card, and none for the Vitale card.",
		(*demo).notForATLA},
	{"Ask the gateway",
		"Any client with a certificate may ask the gateway whom it takes it for; here curl, with the terminal's.",
		(*demo).whoami},
	{"End the session as the operator",
		"Claire operates the gateway from afar, with a certificate whose key stays in her token; here, in SoftHSM2 (SP3).",
		(*demo).endAsOperator},
	{"Revoke the terminal",
		"The user has started again. Say that the terminal was stolen: the CA revokes its certificate, the PKI server " +
			"tells the gateway, and that cuts the session.", (*demo).revoke},
	{"Try to start again", "The gateway no longer lets the terminal in, and both sides say why.", (*demo).startRefused},
	{"Verify the gateway's trace",
		"Its lines are chained, and the PKI keeps signed heads of the chain: root cannot rewrite it unseen (SA2, G7).",
		(*demo).verifyTrace},
	{"Search it", "What the gateway recorded of the terminal while you saw all this (SA2).", (*demo).searchTrace},
	{"Tell an incident's story",
		"The terminal's user reads a number to the operator, who finds what happened, and what to do (G7).",
		(*demo).tellIncident},
	{"Clean up", "Programs, readers, PKI and files of this demo go away.", (*demo).cleanUp},
}

func newDemo() *demo {
	d := &demo{screen: newScreen(os.Stdout), auto: os.Getenv("DEMO") == "auto", since: time.Now(), step: 1}
	if n, err := strconv.ParseInt(os.Getenv(sinceEnv), 10, 64); err == nil {
		d.since, d.step = time.Unix(0, n), len(outside)+1
	}
	return d
}

// before does what comes before the world is entered.
func (d *demo) before() error {
	if err := d.someoneToAsk(); err != nil {
		return err
	}
	d.introduce()
	if err := d.perform(outside); err != nil {
		return err
	}
	return os.Setenv(sinceEnv, strconv.FormatInt(d.since.UnixNano(), 10))
}

func (d *demo) someoneToAsk() error {
	if d.auto || isTerminal(os.Stdin) {
		return nil
	}
	return errors.New("cannot ask for your consent: standard input is no terminal; use `make demo DEMO=auto`, which " +
		"takes it as given")
}

func (d *demo) introduce() {
	d.heading("tlagate: a terminal's cards, used on a workstation elsewhere")
	d.say(`
  tla$  the terminal (TLA), with the cards and the user    ca$   the device CA
  pdt$  the workstation (PdT), with the billing software   gw$   the gateway between the two

All of them are on this machine, in a private network that has nothing but loopback. Cards and
readers are simulated; PC/SC, TLS, certificates and our programs are the real ones. Output is
shown as it comes; … marks where some was left out.
` + tongue())
}

func (d *demo) perform(steps []step) error {
	for _, s := range steps {
		d.title(d.step, s.title, s.sentence)
		if err := s.do(d); err != nil {
			return fmt.Errorf("step %d, %s: %w", d.step, s.title, err)
		}
		d.step++
	}
	return nil
}

func (d *demo) inside() (err error) {
	if d.clean, err = world.TakeSnapshot(); err != nil {
		return err
	}
	if err := d.perform(inside); err != nil {
		d.showLogs()
		return errors.Join(err, d.closeUI(), d.stop())
	}
	return d.summarise()
}

func (d *demo) summarise() error {
	d.heading(fmt.Sprintf("All %d steps succeeded in %s.", d.step-1, seconds(time.Since(d.since))))
	d.say("What was shown:")
	for _, what := range shown {
		d.paragraph("  - ", "    ", "", what)
	}
	d.paragraph("", "  ", "", "Next: docs/trial.md is a trial on three machines, docs/protocol.md says how it works, "+
		"make test proves it.")
	return d.count()
}

// count prints how much of the security annex is answered.
func (d *demo) count() error {
	root, err := world.ModuleRoot()
	if err != nil {
		return err
	}
	rows, err := codes.Read(root)
	if err == nil {
		d.paragraph("", "  ", "", codes.Summary(rows)+": "+codes.Page)
	}
	return err
}

var shown = []string{
	"the terminal opens no network connection before its user's start, and then one, to its gateway;",
	"unmodified PC/SC programs on the workstation use the cards in the terminal, for what its card policy allows;",
	"the PIN is typed at the terminal, and stays there;",
	"an operator ends a session with a key in a token, and the user is told so;",
	"a revoked certificate ends the running session and keeps out the next one, with the reason told;",
	"who came and what became of it is in the gateway's trace, which the PKI vouches for, under the user's number.",
}

// leaveOnSignal ends the demo on Ctrl-C. Nothing needs to be stopped first: programs, mounts and files vanish with the
// world.
func (d *demo) leaveOnSignal() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-stop
		d.say("\n\nInterrupted. What the demo had started ended with its private world; nothing is left.")
		os.Exit(130)
	}()
}

func (d *demo) failOn(err error) {
	if err != nil {
		d.fail(err)
		os.Exit(1)
	}
}
