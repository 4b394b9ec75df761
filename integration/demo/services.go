package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// makePKI makes the CA and the certificates, and shows the commands.
func (d *demo) makePKI() (err error) {
	d.lab, err = lab.NewWatched(d.showPKI)
	if err != nil {
		return err
	}
	if d.operator, err = d.lab.NewOperator("claire", "read, operate"); err != nil {
		return err
	}
	if err := d.lab.AddPersons(); err != nil { // the national PKI, in real life
		return err
	}
	d.lab.User = "{mode: tell}"
	d.found("one root to trust, five certificates, and two lists of what is revoked: still empty")
	return d.keepOldLists()
}

// showPKI shows a command of the CA as if it were run in the lab's directory. It leaves out what init prints, which is
// advice for a real CA.
func (d *demo) showPKI(program string, args []string, output string) {
	if program != "tla-pki" {
		return
	}
	d.command("ca", program, shortened(args))
	if args[0] == "revoke" {
		d.output(short(output))
	}
}

// short removes the lab's directory from paths.
func short(text string) string { return labDir.ReplaceAllString(text, "") }

func shortened(args []string) (shown []string) {
	for _, a := range args {
		shown = append(shown, short(a))
	}
	return shown
}

var labDir = regexp.MustCompile(`/\S*/lab-\d+/`)

// keepOldLists configures the PdT with copies of today's CRL and ARL, so that the gateway, not the PdT, cuts the
// session.
func (d *demo) keepOldLists() error {
	for i, file := range d.lab.PdTTrust.CRLs {
		list, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		kept := d.lab.Path(fmt.Sprintf("pdt-list%d.pem", i))
		if err := os.WriteFile(kept, list, 0o644); err != nil {
			return err
		}
		d.lab.PdTTrust.CRLs[i] = kept
	}
	return nil
}

func (d *demo) startServices() error {
	if err := d.startAll(); err != nil {
		return err
	}
	d.services()
	if err := d.waitTerminal(); err != nil {
		return err
	}
	if _, err := d.relay("status"); err != nil {
		return err
	}
	return d.noCards()
}

// startAll starts readers, cards and programs; gateway, PdT and relay keep a trace.
func (d *demo) startAll() error {
	for _, step := range []func() error{
		d.lab.StartReaders, d.lab.InsertCards, d.startPKI,
		func() error { return d.lab.StartGateway(d.lab.PushLines(d.pki), d.traceOf("gateway"), d.operator.API) },
		func() error { return d.lab.StartPdT(d.traceOf("pdt")) },
		func() error { return d.lab.StartRelay(d.traceOf("relay")) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// startPKI starts the PKI server, which tells the gateway of revocations and keeps the heads of its trace.
func (d *demo) startPKI() (err error) {
	d.pki, err = d.lab.StartPush()
	return err
}

// services shows the programs that run.
func (d *demo) services() {
	d.command("ca", "tla-pki", []string{"serve", "--config", "serve.yaml"})
	d.command("gw", "tla-gateway", []string{"serve", "--config", "gateway.yaml"})
	d.command("pdt", "tla-pdt", []string{"run", "--config", "pdt.yaml"})
	d.command("tla", "tla-relay", []string{"run", "--config", "relay.yaml"})
}

// waitTerminal waits until the relay has seen the cards in its readers.
func (d *demo) waitTerminal() error {
	return world.Poll(world.Patience, "the relay to see both cards", func() error {
		status, err := d.lab.Relay("status", "--json")
		if err == nil && strings.Count(status, `"card":{`) < 2 {
			err = fmt.Errorf("its status is %s", status)
		}
		return err
	})
}

// noCards shows that the workstation has no cards yet.
func (d *demo) noCards() error {
	list, err := d.pdt("opensc-tool", "-l")
	if err != nil {
		return err
	}
	d.output(list)
	if cards(list) != (present{}) {
		return fmt.Errorf("cannot be: the PdT has cards before any session:\n%s", list)
	}
	d.found("the cards are in the terminal; the workstation's two virtual readers are empty")
	return nil
}

// showLogs shows the end of every program's log, after a failure.
func (d *demo) showLogs() {
	if d.lab == nil {
		return
	}
	for _, p := range []struct {
		name string
		*world.Process
	}{{"tla-gateway", d.lab.GatewayProc}, {"tla-pdt", d.lab.PdTProc}, {"tla-relay", d.lab.RelayProc}} {
		if p.Process == nil {
			continue
		}
		lines := p.Lines()
		d.heading("last lines of " + p.name)
		d.output(strings.Join(lines[max(0, len(lines)-12):], "\n"))
	}
}

func (d *demo) cleanUp() error {
	if err := errors.Join(d.closeUI(), d.stop()); err != nil {
		return err
	}
	if err := d.clean.Leaked(world.Patience); err != nil {
		return err
	}
	d.found("no process, mount, port or file is left; bin/ has the programs to try yourself")
	return nil
}

// stop ends all that runs.
func (d *demo) stop() (err error) {
	if d.pki != nil && d.pki.Proc != nil {
		err = d.pki.Proc.Stop()
	}
	if d.lab != nil {
		err = errors.Join(err, d.lab.Close())
	}
	d.lab, d.pki = nil, nil
	return err
}
