package integration

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/world"
	"tlagate/session"
)

// withDrivers runs a benchmark with a session shown by our own driver, and by vpcd.
func withDrivers(b *testing.B, run func(b *testing.B, s *bareSession, c *pcscClient, reader string)) {
	b.Run("ifd", func(b *testing.B) {
		bed := newIFDBed(b, world.PCSCDConfig{})
		run(b, bed.session(), startClient(b, bed.pcscd), vitaleReader)
	})
	b.Run("vpcd", func(b *testing.B) {
		p := startPCSCD(b, "tlagate")
		run(b, newBareSession(b, p), startClient(b, p), slotName(p, vitaleSlot))
	})
}

// BenchmarkIFDAPDU times a command from a program to a simulated card, without a network between.
func BenchmarkIFDAPDU(b *testing.B) {
	withDrivers(b, func(b *testing.B, s *bareSession, c *pcscClient, reader string) {
		s.insert(session.SlotVitale, cardsim.NewVitale(cardsim.VitaleConfig{}))
		require.Equal(b, "ok", c.do("seen "+reader))
		require.Equal(b, "ok", c.do("connect "+reader))
		for b.Loop() {
			require.Equal(b, "ok", c.do("times 200 "+readSerial))
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/200, "µs/APDU")
	})
}

// BenchmarkIFDInsertion times from the insertion at the terminal until a program that waits for a card sees it.
func BenchmarkIFDInsertion(b *testing.B) {
	withDrivers(b, func(b *testing.B, s *bareSession, c *pcscClient, reader string) {
		var took time.Duration
		s.insert(session.SlotVitale, cardsim.NewVitale(cardsim.VitaleConfig{}))
		require.Equal(b, "ok", c.do("seen "+reader), "the driver has found the way")
		require.NoError(b, s.terminal.Remove(session.SlotVitale))
		require.Equal(b, "ok", c.do("gone "+reader))
		for b.Loop() {
			time.Sleep(100 * time.Millisecond) // longer than a swap is kept from programs
			card := cardsim.NewVitale(cardsim.VitaleConfig{})
			c.ask("seen " + reader)
			time.Sleep(20 * time.Millisecond) // the program waits by then
			began := time.Now()
			s.insert(session.SlotVitale, card)
			require.Equal(b, "ok", c.answer())
			took += time.Since(began)
			require.NoError(b, s.terminal.Remove(session.SlotVitale))
			require.Equal(b, "ok", c.do("gone "+reader))
		}
		b.ReportMetric(float64(took.Microseconds())/float64(b.N)/1000, "ms/insertion")
	})
}
