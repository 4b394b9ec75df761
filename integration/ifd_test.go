package integration

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/world"
	"tlagate/pdt"
	"tlagate/pdt/ifd"
	"tlagate/session"
)

// The readers of our own driver, as programs see them.
const (
	vitaleReader = "tlagate Vitale 00 00"
	cpsReader    = "tlagate CPS 01 00"
)

// ifdBed is a pcscd with our own driver, and what stands for tla-pdt beside it.
type ifdBed struct {
	t      *testing.T
	socket string
	pcscd  *world.PCSCD
	driver *ifd.Driver // of the last connect
	stop   func()      // ends it
}

// newIFDBed starts a pcscd; tla-pdt is still away.
func newIFDBed(t *testing.T, cfg world.PCSCDConfig) *ifdBed {
	t.Helper()
	b := &ifdBed{t: t, socket: filepath.Join(t.TempDir(), "readers.sock"), stop: func() {}}
	cfg.Conf = ifd.ReaderConf(b.entries())
	var err error
	b.pcscd, err = world.StartPCSCD(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { b.stop(); require.NoError(t, b.pcscd.Close()) })
	return b
}

func (b *ifdBed) entries() []ifd.Entry {
	return []ifd.Entry{{Name: "tlagate Vitale", Socket: b.socket, Owner: "0", Slot: 0},
		{Name: "tlagate CPS", Socket: b.socket, Owner: "root", Slot: 1}}
}

// begin has tla-pdt's end of the driver begin.
func (b *ifdBed) begin() [session.Slots]pdt.Reader {
	b.t.Helper()
	var err error
	b.driver, err = ifd.New(ifd.Config{Socket: b.socket, Log: slog.New(slog.NewTextHandler(b.t.Output(), nil))})
	require.NoError(b.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { require.NoError(b.t, b.driver.Run(ctx)) })
	b.stop = func() { cancel(); run.Wait() }
	return b.driver.Readers()
}

// session returns a session whose cards programs see.
func (b *ifdBed) session() *bareSession {
	b.t.Helper()
	return newBareSessionOf(b.t, b.begin())
}

// TestIFDShowsTheCardsOfASession: unmodified programs read both cards of a session through our own driver.
func TestIFDShowsTheCardsOfASession(t *testing.T) {
	t.Parallel()
	b := newIFDBed(t, world.PCSCDConfig{})
	require.Equal(t, map[string]bool{vitaleReader: false, cpsReader: false},
		readers(tool(t, b.pcscd, "opensc-tool", "-l")))
	s := b.session()
	v := cardsim.NewVitale(cardsim.VitaleConfig{Serial: "0000000042"})
	s.insert(session.SlotVitale, v)
	s.waitShown(session.SlotVitale)
	require.True(t, readers(tool(t, b.pcscd, "opensc-tool", "-l"))[vitaleReader], "at once")
	c := startClient(t, b.pcscd)
	require.Equal(t, "ok", c.do("connect "+vitaleReader))
	require.Equal(t, serialFile(v), c.transmit(readSerial))
}
