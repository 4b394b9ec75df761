package lab

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"tlagate/integration/world"
)

// Slots of the PdT, whichever readers of the TLA the cards are in.
const (
	VitaleSlot = 0
	CPSSlot    = 1
)

// SlotName returns the name that PC/SC programs see of a slot of p's first reader, or of the PdT's.
func SlotName(p *world.PCSCD, slot int) string {
	if len(p.Readers) == 0 {
		return PdTReaders[slot]
	}
	return fmt.Sprintf("%s 00 %02d", p.Readers[0].Name, slot)
}

// CPSOnly returns an environment in which OpenSC's PKCS#11 and PKCS#15 tools look at the CPS alone: they know no Vitale
// card, and would stop at it.
func (l *Lab) CPSOnly() ([]string, error) {
	conf := l.Path("opensc.conf")
	text := fmt.Sprintf("app default {\n\tignored_readers = %q;\n}\n", PdTReaders[VitaleSlot])
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("cannot point OpenSC at the CPS: %w", err)
	}
	return append(l.PdTReaders.Env(), "OPENSC_CONF="+conf), nil
}

var (
	received = regexp.MustCompile(`Received \(SW1=0x(..), SW2=0x(..)\)`)
	dump     = regexp.MustCompile(`^(?:[0-9A-F]{2} ){1,16}`)
)

// Responses returns each command's response from the output of `opensc-tool -s …`, "Received (SW1=0x90, SW2=0x00)" and
// the dump after it: data and status word in upper-case hex.
func Responses(output string) []string {
	var all []string
	var data, sw string
	flush := func() {
		if sw != "" {
			all = append(all, data+sw)
		}
	}
	for _, line := range strings.Split(output, "\n") {
		if m := received.FindStringSubmatch(line); m != nil {
			flush()
			data, sw = "", m[1]+m[2]
		} else if octets := dump.FindString(line); octets != "" {
			data += strings.ReplaceAll(octets, " ", "")
		}
	}
	flush()
	return all
}
