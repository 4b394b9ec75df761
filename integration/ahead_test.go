package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
	"tlagate/tla"
)

// asInstalled says nothing of read-ahead, whatever READ_AHEAD says.
var asInstalled = []string{"# read_ahead: 64"}

// aheadLabs are the settings of both ends by which there is read-ahead, or none.
var aheadLabs = map[string]struct {
	relay, pdt []string
	ahead      bool
}{
	"as installed":        {asInstalled, nil, true},
	"of 8":                {[]string{"read_ahead: 8"}, nil, true},
	"not at the terminal": {[]string{"read_ahead: 0"}, nil, false},
	"not at the PdT":      {asInstalled, []string{"read_ahead: 0"}, false},
}

// TestReadAhead: an unmodified program reads a file part by part, from both cards, and gets what is on them; the card
// executes what it asked for, in order, and with read-ahead some that it asks for later. The status counts them.
func TestReadAhead(t *testing.T) {
	for name, c := range aheadLabs {
		t.Run(name, func(t *testing.T) {
			l := layLab(t)
			startLab(t, l, c.relay, c.pdt)
			startSession(t, l)
			p := startClient(t, l.PdTReaders)
			require.Equal(t, "ok", p.do("connect "+slotName(l.PdTReaders, vitaleSlot)))
			before := l.Vitale.Counts().Commands
			for range 3 {
				readParts(t, p, l.Vitale, cardsim.AIDVitale, 0xD001, 1)
			}
			require.Equal(t, "9000", p.transmit("00A4040C0B"+cardsim.AIDVitale)) // drops what is still promised
			ran := l.Vitale.Counts().Commands - before - 3*(1+2048/partSize) - 1
			if !c.ahead {
				require.Zero(t, ran, "commands that no program gave")
				require.Nil(t, relayStatus(t, l).Session.Ahead)
				require.Zero(t, relayStatus(t, l).Session.ReadAhead)
				page, err := l.Relay("status")
				require.NoError(t, err)
				require.Contains(t, page, "désactivée")
				return
			}
			waitRelay(t, l, "every command is accounted for", func(s *tla.Status) bool {
				return s.Session.Ahead != nil && int(s.Session.Ahead.Dropped) == ran
			})
			a := relayStatus(t, l).Session.Ahead
			t.Logf("%+v", a)
			require.NotZero(t, a.Taken)
		})
	}
}

// TestReadAheadByProfile: a profile has more of its cards read ahead, and another nothing; programs get the same, and
// the commands that tell of a session say it.
func TestReadAheadByProfile(t *testing.T) {
	for name, ahead := range map[string]string{
		"more":    fmt.Sprintf(`{eof: probe, responses: on, files: [{file: "D001", read: %d}]}`, partSize),
		"nothing": "{reads: off}",
	} {
		t.Run(name, func(t *testing.T) {
			l := layLab(t)
			l.ReadAhead = ahead
			startLab(t, l, asInstalled, nil)
			startSession(t, l)
			p := startClient(t, l.PdTReaders)
			require.Equal(t, "ok", p.do("connect "+slotName(l.PdTReaders, vitaleSlot)))
			require.Equal(t, "9000", p.transmit("00A4040C0B"+cardsim.AIDVitale))
			for range 20 {
				readListed(t, p, l.Vitale)
			}
			s := relayStatus(t, l).Session
			t.Logf("%+v", s.Ahead)
			page, err := l.Relay("status")
			require.NoError(t, err)
			if name == "nothing" {
				require.Nil(t, s.Ahead)
				require.Contains(t, page, "sans lecture anticipée")
				return
			}
			require.NotZero(t, s.Ahead.Taken)
			require.Regexp(t, `Lecture anticipée\W+\d+ réponses, dont`, page)
			page, err = l.Run("tla-pdt", "status", "--config", l.Path("pdt.yaml"))
			require.NoError(t, err)
			require.Regexp(t, `read ahead +\d+ answers, \d+ taken by programs`, page)
		})
	}
}

// readListed has a program select a file, fetch its control information, with another length first, and read its
// beginning.
func readListed(t *testing.T, p *pcscClient, v *cardsim.Vitale) {
	t.Helper()
	waits := p.transmit("00A4000002D001")
	require.Regexp(t, "^61..$", waits)
	require.Equal(t, "6C"+waits[2:], p.transmit("00C00000FF"))
	require.Regexp(t, "^6F.*9000$", p.transmit("00C00000"+waits[2:]))
	want := fmt.Sprintf("%X9000", v.Content(cardsim.AIDVitale, 0xD001)[:partSize])
	require.Equal(t, want, p.transmit(fmt.Sprintf("00B00000%02X", partSize)))
}

// startLab starts all of a lab but a session, with more lines in both ends' configurations.
func startLab(t *testing.T, l *lab.Lab, relay, pdt []string) {
	require.NoError(t, l.StartReaders())
	require.NoError(t, l.InsertCards())
	require.NoError(t, l.StartGateway())
	require.NoError(t, l.StartPdT(pdt...))
	require.NoError(t, l.StartRelay(relay...))
}

// readParts has a program select an application and read one of its files part by part, and compares it.
func readParts(t *testing.T, p *pcscClient, v *cardsim.Vitale, aid string, fid uint16, sfi int) {
	t.Helper()
	require.Equal(t, "9000", p.transmit("00A4040C0B"+aid))
	content := v.Content(aid, fid)
	var got strings.Builder
	for at := 0; at < len(content); at += partSize {
		p1 := at >> 8
		if at == 0 {
			p1 = 0x80 | sfi
		}
		answer := p.transmit(fmt.Sprintf("00B0%02X%02X%02X", p1, at&0xFF, partSize))
		require.True(t, strings.HasSuffix(answer, "9000"), answer)
		got.WriteString(strings.TrimSuffix(answer, "9000"))
	}
	require.Equal(t, fmt.Sprintf("%X", content), got.String())
}
