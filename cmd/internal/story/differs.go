package story

import (
	"fmt"
	"io"
	"strings"

	"tlagate/audit"
	"tlagate/integrity"
)

// Differs is what is on a machine not as its signed manifests say, and whose machine that is.
type Differs struct {
	Side Side   `json:"side"`
	By   string `json:"by"` // a program, or the identity of a device
	integrity.Difference
}

// differs returns what the incident's own lines say of the comparison with manifests.
func (i *incident) differs(number string) (list []Differs) {
	for _, t := range i.lines {
		with := t.Line.With
		own := strings.EqualFold(with["incident"], number)
		if t.Line.Event != audit.IntegrityDiffers || with["file"] == "" || !own {
			continue
		}
		list = append(list, Differs{t.Side, t.Line.By, integrity.Difference{Path: with["file"],
			Why: integrity.Why(with["reason"]), Want: with["from"], Found: with["to"]}})
	}
	return list
}

func (s *Story) printDiffers(w io.Writer) {
	if len(s.Differs) > 0 {
		fmt.Fprintln(w, "\nWhat differs from the signed manifests")
	}
	for _, d := range s.Differs {
		fmt.Fprintf(w, "  %-8s  %s  %s\n", d.Side, quoted(d.By), quoted(d.String()))
	}
}
