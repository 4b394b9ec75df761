package integration

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/world"
)

const toolTime = 20 * time.Second

func startPCSCD(t *testing.T, name string) *world.PCSCD {
	t.Helper()
	p, err := world.StartPCSCD(world.PCSCDConfig{Readers: []world.Reader{{Name: name}}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func insert(t *testing.T, addr string, card cardsim.Card) *cardsim.Slot {
	t.Helper()
	s := cardsim.NewSlot(addr)
	require.NoError(t, s.Insert(card))
	t.Cleanup(s.Remove)
	return s
}

// cardSeen waits until pcscd reports a card in every one of the readers.
func cardSeen(t *testing.T, p *world.PCSCD, readers ...string) {
	t.Helper()
	require.NoError(t, world.Poll(toolTime, "the cards to be seen", func() error {
		out, err := world.Run(toolTime, p.Env(), "opensc-tool", "-l")
		if err != nil {
			return err
		}
		for _, reader := range readers {
			if !regexp.MustCompile(`(?m)^\d+ +Yes .*` + regexp.QuoteMeta(reader) + `$`).MatchString(out) {
				return fmt.Errorf("no card in %q:\n%s", reader, out)
			}
		}
		return nil
	}))
}

func tool(t *testing.T, p *world.PCSCD, name string, args ...string) string {
	t.Helper()
	out, err := world.Run(toolTime, p.Env(), name, args...)
	require.NoError(t, err)
	return out
}

func TestOpenSCSeesVitale(t *testing.T) {
	p := startPCSCD(t, "terminal")
	v := cardsim.NewVitale(cardsim.VitaleConfig{})
	insert(t, p.Readers[0].Slot(0), v)
	t.Log(tool(t, p, "opensc-tool", "-l"))
	cardSeen(t, p, "terminal 00 00")
	t.Log(tool(t, p, "opensc-tool", "-a"))
	t.Log(tool(t, p, "opensc-tool", "-s", "00A40000023F00", "-s", "00B0820030"))
	t.Log(v.History())
}

func TestOpenSCSeesCPS(t *testing.T) {
	p := startPCSCD(t, "terminal")
	c, err := cardsim.NewCPS(cardsim.CPSConfig{})
	require.NoError(t, err)
	insert(t, p.Readers[0].Slot(1), c)
	t.Log(tool(t, p, "opensc-tool", "-l"))
	cardSeen(t, p, "terminal 00 01")
	t.Log(tool(t, p, "pkcs15-tool", "-D"))
	t.Log(tool(t, p, "pkcs11-tool", "-O"))
	t.Log(c.History())
}
