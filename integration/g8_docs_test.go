package integration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/pages"
)

// TestG8Trial types what README and docs/trial.md say to type, and reads a card at the PdT before the trial is removed,
// of which nothing is left then.
func TestG8Trial(t *testing.T) {
	machines := []string{"gw1", "bureau", "valise"}
	r := newReader(t, machines...)
	for _, page := range pages.Trial {
		r.read(page)
	}
	require.True(t, r.hasRead, "the card, before the end")
	for _, name := range machines {
		r.meanwhile(name, "! ls -d /etc/tlagate ~/trial /usr/local/bin/tla-* /etc/reader.conf.d/tlagate "+
			"2>/dev/null | grep .")
	}
}

// TestG8SetupOfTheDocuments: likewise with docs/setup.md and the terminal's package. The commands of the other pages
// are then typed on the same machines.
func TestG8SetupOfTheDocuments(t *testing.T) {
	r := newReader(t, "build", "pki", "gw1", "bureau", "valise")
	for _, page := range pages.Setup {
		r.read(page)
		switch page {
		case "docs/setup.md":
			r.readsTheVitale()
			r.meanwhile("pki", "! grep 'is not renewed' /var/log/tla-pki.log")
		case "docs/crypto.md":
			r.meanwhile("gw1", "grep 'what links take.*crypto=rgs' /var/log/tla-gateway.log && "+
				"test $(grep -c 'handshake refused.*reason=not_rgs' /var/log/tla-gateway.log) = 2")
		}
	}
}
