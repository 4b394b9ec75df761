package integration

import (
	"testing"

	"tlagate/integration/pages"
)

// TestG8Trial types what README and docs/trial.md say, and then has a card at the PdT.
func TestG8Trial(t *testing.T) {
	r := newReader(t, "gw1", "bureau", "valise")
	for _, page := range pages.Trial {
		r.read(page)
	}
	r.readsTheVitale()
}

// TestG8SetupOfTheDocuments: likewise docs/setup.md, with the terminal's package. What the other pages say is typed on
// the machines that are there then.
func TestG8SetupOfTheDocuments(t *testing.T) {
	r := newReader(t, "build", "pki", "gw1", "bureau", "valise")
	for i, page := range pages.Setup {
		r.read(page)
		if i == 0 {
			r.readsTheVitale()
		}
	}
}
