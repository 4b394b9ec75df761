package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pdt"
)

// tongue returns a sentence about the language that the relay speaks, which follows the locale
// (cmd/tla-relay/internal/words).
func tongue() string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := os.Getenv(name); v != "" {
			if strings.HasPrefix(strings.ToLower(v), "en") {
				return "tla-relay answers its user in the language of the locale: English here, French where it is " +
					"not English."
			}
			break
		}
	}
	return "tla-relay answers its user, a French professional, in French (LC_ALL=en_GB.UTF-8 for English)."
}

// startSession asks the user to consent, and then starts the session.
func (d *demo) startSession() error {
	if err := errors.Join(d.openUI(), d.consent()); err != nil {
		return err
	}
	start := time.Now()
	if err := d.ui.Press("Enter"); err != nil {
		return err
	}
	if err := d.typePIN(); err != nil {
		return err
	}
	if _, err := d.ui.WaitFor(world.Patience, "Fin au plus tard", "at the latest"); err != nil {
		return err
	}
	up := time.Since(start)
	if err := d.ready(); err != nil {
		return err
	}
	if err := d.show("Fin au plus tard", "at the latest"); err != nil {
		return err
	}
	d.found("session up %s after the user began, the code included; programs see both cards", seconds(up))
	if err := d.whoseSession(); err != nil {
		return err
	}
	return errors.Join(d.negotiated(), d.onlyToGateway())
}

// whoseSession shows that the workstation knows who uses the terminal: the card proved it, at the code that was typed.
func (d *demo) whoseSession() error {
	st, _, err := pdt.AskStatus(d.lab.Path("pdt.sock"))
	if err != nil {
		return err
	}
	if st.Session == nil || st.Session.User == nil || st.Session.User.Identifier != lab.Doctor.ID {
		return errors.New("the workstation does not know who uses the terminal")
	}
	d.found("gateway and workstation know the professional, by a signature of the CPS card (C2, SA1)")
	return nil
}

func (d *demo) consent() error {
	if d.auto {
		d.say("   Consent: taken as given (DEMO=auto).")
		return nil
	}
	d.print("   " + d.in(bold, "Press Enter to start the session") + " (Ctrl-C ends the demo): ")
	asked := time.Now()
	defer func() { d.since = d.since.Add(time.Since(asked)) }() // the user's time does not count as the demo's
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return fmt.Errorf("cannot start without your consent: Enter was not read: %w", err)
	}
	return nil
}

// whoami asks the gateway with the terminal's certificate, as a technician would.
func (d *demo) whoami() error {
	args := []string{"--silent", "--show-error", "--cacert", d.lab.TLATrust.Anchor, "--cert", d.lab.TLAKeys.Cert,
		"--key", d.lab.TLAKeys.Key, "https://" + d.lab.Via() + "/v1/whoami"}
	d.command("tla", "curl", shortened(args))
	answer, err := must(nil, "curl", args...)
	if err != nil {
		return err
	}
	d.output(strings.ReplaceAll(strings.TrimSpace(answer), ",", ", "))
	if !strings.Contains(answer, `"identity":"`+lab.TLA+`"`) || !strings.Contains(answer, `"status":"good"`) {
		return errors.New("that is not the terminal, in good standing")
	}
	d.found("the gateway knows the terminal, and that its certificate is not revoked")
	return nil
}

// revoke revokes the terminal's certificate and shows that the session ends everywhere.
func (d *demo) revoke() error {
	relay, start := d.lab.RelayProc.Mark(), time.Now()
	if err := d.gatewayLogs("link cut", "peer="+lab.TLA, func() error { return d.lab.Revoke(lab.TLA) }); err != nil {
		return err
	}
	cut := time.Since(start)
	// The terminal loads the CA's list too, so that it can say in the next step what is wrong with its own certificate.
	for _, parts := range [][]string{{"session ended", "code=notice", "reason=revoked"}, {"CRL loaded", "number=2"}} {
		if _, err := d.lab.RelayProc.WaitLineFrom(relay, world.Patience, parts...); err != nil {
			return err
		}
	}
	if _, err := d.relay("status"); err != nil {
		return err
	}
	if err := errors.Join(d.noteIncident(), d.cardsGone()); err != nil {
		return err
	}
	d.found("the gateway cut it %s after the command; the workstation's own list is still the old one", seconds(cut))
	d.found("the terminal's cards are free again, the workstation's readers are empty")
	return nil
}

// gatewayLogs calls do, which must make the gateway log a revocation, and shows that line.
func (d *demo) gatewayLogs(message, who string, do func() error) error {
	mark := d.lab.GatewayProc.Mark()
	if err := do(); err != nil {
		return err
	}
	line, err := d.lab.GatewayProc.WaitLineFrom(mark, world.Patience, message, who, "reason=revoked")
	if err == nil {
		d.log("gw", line)
	}
	return err
}

func (d *demo) cardsGone() error {
	var list string
	err := world.Poll(world.Patience, "the cards to be gone from the PdT", func() (err error) {
		list, err = must(d.lab.PdTReaders.Env(), "opensc-tool", "-l")
		if err == nil && cards(list) != (present{}) {
			err = fmt.Errorf("opensc-tool -l says:\n%s", list)
		}
		return err
	})
	d.command("pdt", "opensc-tool", []string{"-l"})
	d.output(list)
	return err
}

// startRefused shows that a revoked terminal gets no session, and where the reason is said.
func (d *demo) startRefused() error {
	var code int
	err := d.gatewayLogs("handshake refused", "claimed="+lab.TLA, func() (err error) {
		if code, err = d.relay("start"); err == nil && code == 0 {
			err = errors.New("the revoked terminal got a session")
		}
		return err
	})
	if err != nil {
		return err
	}
	d.found("refused (exit code %d); the gateway's log has the reason", code)
	return d.waitTraced("access.refused")
}
