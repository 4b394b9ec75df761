package integration

import (
	"testing"

	"tlagate/integration/pages"
)

// TestG8Trial types what README and docs/trial.md say to type, and then reads a card at the PdT.
func TestG8Trial(t *testing.T) {
	r := newReader(t, "gw1", "bureau", "valise")
	for _, page := range pages.Trial {
		r.read(page)
	}
	r.readsTheVitale()
}

// TestG8SetupOfTheDocuments: likewise with docs/setup.md and the terminal's package. The commands of the other pages
// are then typed on the same machines.
func TestG8SetupOfTheDocuments(t *testing.T) {
	r := newReader(t, "build", "pki", "gw1", "bureau", "valise")
	for i, page := range pages.Setup {
		r.read(page)
		if i == 0 {
			r.readsTheVitale()
		}
	}
}
