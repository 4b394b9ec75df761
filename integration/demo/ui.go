package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// The screen of the terminal in the demo, in characters.
const (
	uiWidth  = 60
	uiHeight = 13
)

// openUI opens the professional's screen.
func (d *demo) openUI() error {
	program, err := world.Binary("tla-relay")
	if err != nil {
		return err
	}
	args := []string{"ui", "--config", d.lab.Path("relay.yaml")}
	d.command("tla", "tla-relay", shortened(args))
	d.ui, err = world.OpenTerminal(d.lab.Dir, uiWidth, uiHeight, locale(), program, args...)
	if err != nil {
		return err
	}
	return d.show("Carte", "card:")
}

// locale returns the variables by which the screen speaks the language of the demo.
func locale() (env []string) {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		env = append(env, name+"="+os.Getenv(name))
	}
	return env
}

// show waits until the screen has one of parts, and prints the screen in a frame.
func (d *demo) show(parts ...string) error {
	screen, err := d.ui.WaitFor(world.Patience, parts...)
	if err != nil {
		return err
	}
	edge := "+" + strings.Repeat("-", uiWidth) + "+"
	lines := []string{edge}
	for _, line := range strings.Split(strings.TrimRight(screen, "\n"), "\n") {
		lines = append(lines, fmt.Sprintf("|%-*s|", uiWidth, line))
	}
	d.output(strings.Join(append(lines, edge), "\n"))
	return nil
}

// ready waits until the screen says that programs of the workstation see both cards.
func (d *demo) ready() error {
	return world.Poll(world.Patience, "both cards to be ready", func() error {
		screen, err := d.ui.Screen()
		if err == nil && strings.Count(screen, "prête pour")+strings.Count(screen, "ready for") != 2 {
			err = fmt.Errorf("the screen shows\n%s", screen)
		}
		return err
	})
}

// thePIN is the simulated card's.
const thePIN = "1234"

// sign has a PKCS#11 program sign with the CPS. The PIN that the card needs is typed at the terminal.
func (d *demo) sign() error {
	env, err := d.lab.CPSOnly()
	if err != nil {
		return err
	}
	in, out := d.lab.Path("invoice"), d.lab.Path("invoice.sig")
	invoice := []byte("an invoice of nobody")
	if err := os.WriteFile(in, invoice, 0o600); err != nil {
		return err
	}
	args := []string{"--sign", "--mechanism", "SHA256-RSA-PKCS", "--id", "01", "--login",
		"--input-file", in, "--output-file", out}
	d.command("pdt", "pkcs11-tool", shortened(args))
	done := make(chan error, 1)
	go func() { _, err := must(env, "pkcs11-tool", args...); done <- err }()
	if err := d.typePIN(); err != nil {
		return err
	}
	if err := <-done; err != nil {
		return err
	}
	signature, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	cert := d.lab.CPS.Certificate(cardsim.KeyAuthentication)
	if err := cert.CheckSignature(x509.SHA256WithRSA, invoice, signature); err != nil {
		return fmt.Errorf("what pkcs11-tool wrote is no signature of the card: %w", err)
	}
	d.found("signed (%d octets); the PIN was typed at the terminal, the pad of this reader, and never left it (SP4)",
		len(signature))
	return nil
}

func (d *demo) typePIN() error {
	if _, err := d.ui.WaitFor(world.Patience, "Tapez le code porteur", "Type the PIN"); err != nil {
		return err
	}
	for i, digit := range strings.Split(thePIN, "") {
		if err := d.ui.Press(digit); err != nil {
			return err
		}
		if _, err := d.ui.WaitFor(world.Patience, strings.Repeat("•", i+1)); err != nil {
			return err
		}
	}
	if err := d.show("••••"); err != nil {
		return err
	}
	return d.ui.Press("Enter")
}

// notForATLA has a program try to write to the Vitale card, which is not among a terminal's functions.
func (d *demo) notForATLA() error {
	const (
		update    = "00D6000001FF" // UPDATE BINARY
		insUpdate = 0xD6
	)
	output, err := d.pdt("opensc-tool", "--reader", lab.SlotName(d.lab.PdTReaders, lab.VitaleSlot), "--card-driver",
		"default", "-s", update)
	if err != nil {
		return err
	}
	d.output(strings.TrimSpace(output))
	if got := lab.Responses(output); len(got) != 1 || got[0] != "6982" {
		return fmt.Errorf("the answer is %q, not 6982", got)
	}
	for _, x := range d.lab.Vitale.History() {
		if x.INS == insUpdate {
			return errors.New("it reached the card")
		}
	}
	verdict, err := d.lab.Relay("status")
	if err != nil {
		return err
	}
	d.command("tla", "tla-relay", []string{"status"})
	d.output(verdict)
	d.found("answered 6982 by the terminal; the card never saw it (C1)")
	return nil
}

// closeUI closes the screen.
func (d *demo) closeUI() error {
	if d.ui == nil {
		return nil
	}
	err := d.ui.Close()
	d.ui = nil
	return err
}
