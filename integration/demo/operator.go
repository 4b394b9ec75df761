package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// asOperator runs a command of the gateway's operator from afar, shows it and what it printed, and returns that.
func (d *demo) asOperator(args ...string) (string, error) {
	d.command("op", "tla-gateway", append(args[:len(args):len(args)], "--operator", "claire.yaml"))
	output, err := d.operator.Run(args...)
	if err == nil {
		d.output(short(output))
	}
	return output, err
}

// endAsOperator has the operator find the session and end it, and shows what its user is told; then the user starts
// again.
func (d *demo) endAsOperator() error {
	if _, err := d.asOperator("sessions"); err != nil {
		return err
	}
	id, err := d.runningSession()
	if err != nil {
		return err
	}
	output, err := d.asOperator("session", "end", id, "--reason", "case 12")
	if err != nil {
		return err
	}
	if want := "done: end, by " + d.operator.Identity; !strings.Contains(output, want) {
		return fmt.Errorf("the gateway did not say %q", want)
	}
	if err := d.show("Le service de votre opérateur", "Your operator's service"); err != nil {
		return err
	}
	d.found("ended, and the user told; who did it and why is in the trace, with the number on the screen")
	return d.startAgain()
}

// runningSession returns the id of the terminal's session.
func (d *demo) runningSession() (id string, err error) {
	text, err := d.operator.Run("sessions", "--json")
	if err != nil {
		return "", err
	}
	var all []struct{ ID, TLA string }
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return "", fmt.Errorf("cannot read the list of sessions: %w", err)
	}
	if len(all) != 1 || all[0].TLA != lab.TLA {
		return "", fmt.Errorf("the gateway has other sessions than the terminal's: %s", text)
	}
	return all[0].ID, nil
}

// startAgain has the user start a session for the next step. For a moment after the end of one, the screen takes no
// Enter: it might have been meant for what was shown before.
func (d *demo) startAgain() error {
	err := world.Poll(world.Patience, "the screen to ask for the code", func() error {
		screen, err := d.ui.Screen()
		if err != nil || strings.Contains(screen, "Tapez le code porteur") || strings.Contains(screen, "Type the PIN") {
			return err
		}
		return errors.Join(errors.New("it does not"), d.ui.Press("Enter"))
	})
	if err == nil {
		err = d.typePIN()
	}
	if err == nil {
		err = d.ready()
	}
	if err != nil {
		return err
	}
	d.found("the user started again: that takes the user's own act, an operator cannot (C4)")
	return nil
}
