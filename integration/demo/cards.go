package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
)

// present is which of the PdT's readers have a card.
type present struct{ vitale, cps bool }

// cards reads `opensc-tool -l`.
func cards(list string) (p present) {
	for slot, in := range map[int]*bool{lab.VitaleSlot: &p.vitale, lab.CPSSlot: &p.cps} {
		name := regexp.QuoteMeta(lab.PdTReaders[slot])
		*in = regexp.MustCompile(`(?m)^\d+ +Yes .*` + name + `\s*$`).MatchString(list)
	}
	return p
}

func (d *demo) listReaders() error {
	list, err := d.pdt("opensc-tool", "-l")
	if err != nil {
		return err
	}
	d.output(list)
	if cards(list) != (present{vitale: true, cps: true}) {
		return errors.New("not both cards are there")
	}
	d.found("each card has a reader of its own name, whichever reader of the terminal it is in")
	return nil
}

// The file that is read, and the commands that read it: SELECT the application and the file, then READ BINARY.
const (
	vitaleFile  = 0xD002
	vitaleBlock = 0x80
)

func readCommands(size int) []string {
	commands := []string{"00A4040C0B" + cardsim.AIDVitale, fmt.Sprintf("00A4000C02%04X", vitaleFile)}
	for offset := 0; offset < size; offset += vitaleBlock {
		commands = append(commands, fmt.Sprintf("00B0%04X%02X", offset, min(vitaleBlock, size-offset)))
	}
	return commands
}

// readVitale reads a file with an ordinary PC/SC program and compares it with the card's.
func (d *demo) readVitale() error {
	want := d.lab.Vitale.Content(cardsim.AIDVitale, vitaleFile)
	args := []string{"--reader", lab.SlotName(d.lab.PdTReaders, lab.VitaleSlot), "--card-driver", "default"}
	for _, c := range readCommands(len(want)) {
		args = append(args, "-s", c)
	}
	output, err := d.pdt("opensc-tool", args...)
	if err != nil {
		return err
	}
	got, err := fileOf(lab.Responses(output))
	if err != nil {
		return err
	}
	d.firstLines(string(got), 3)
	if !bytes.Equal(got, want) {
		return errors.New("that is not what the card holds")
	}
	d.found("%d octets read, the same that the card holds", len(got))
	return nil
}

// fileOf joins the blocks that follow the two answers to SELECT.
func fileOf(responses []string) (file []byte, err error) {
	for i, r := range responses {
		data, ok := strings.CutSuffix(r, "9000")
		if !ok {
			return nil, fmt.Errorf("the card answered command %d with %.4s", i+1, r[max(0, len(r)-4):])
		}
		block, err := hex.DecodeString(data)
		if err != nil {
			return nil, err
		}
		file = append(file, block...)
	}
	return file, nil
}

func (d *demo) firstLines(text string, n int) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	d.output(strings.Join(lines[:min(n, len(lines))], "\n"))
	if more := len(lines) - n; more > 0 {
		d.output(fmt.Sprintf("… and %d lines more", more))
	}
}

// readCPS lists the CPS's objects, among which every certificate of the card must be.
func (d *demo) readCPS() error {
	env, err := d.lab.CPSOnly()
	if err != nil {
		return err
	}
	d.command("pdt", "pkcs11-tool", []string{"--list-objects"})
	list, err := must(env, "pkcs11-tool", "--list-objects")
	if err != nil {
		return err
	}
	d.output(certificates(list))
	for _, ref := range []byte{cardsim.KeyAuthentication, cardsim.KeySignature, cardsim.KeyManagement,
		cardsim.KeyCardAuthentication} {
		if name := d.lab.CPS.Certificate(ref).Subject.CommonName; !strings.Contains(list, "CN="+name) {
			return fmt.Errorf("the certificate %q of the card is not among them", name)
		}
	}
	d.found("the four certificates of the card are there; private keys stay in it, and no PIN was asked for")
	return nil
}

// certificates returns the kinds, labels and subjects of the certificates in a list of objects.
func certificates(list string) string {
	var kept []string
	keeping := false
	for _, line := range strings.Split(list, "\n") {
		if !strings.HasPrefix(line, " ") {
			keeping = strings.HasPrefix(line, "Certificate Object")
		}
		if keeping && (strings.HasPrefix(line, "Cert") || strings.Contains(line, "label:") ||
			strings.Contains(line, "subject:")) {
			kept = append(kept, line)
		}
	}
	return strings.Join(append(kept, "… and public keys, data objects"), "\n")
}
