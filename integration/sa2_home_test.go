package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/integration/lab"
	"tlagate/tla"
)

// toldStory is what `tla-gateway incident --json` prints.
type toldStory struct {
	Terminal string
	Saw      struct {
		Reason string
		Sure   bool `json:"said_by_terminal"`
	}
	Lines []struct {
		Side string
		Line audit.Entry
	}
}

// homeLab is a lab in which all three programs keep a trace.
type homeLab struct {
	*lab.Lab
	t                   *testing.T
	gateway, pdt, relay string // the traces
}

func newHomeLab(t *testing.T) *homeLab {
	l := &homeLab{Lab: layLab(t), t: t}
	l.gateway, l.pdt, l.relay = l.Path("gateway.jsonl"), l.Path("pdt.jsonl"), l.Path("relay.jsonl")
	for _, step := range []func() error{l.StartReaders, l.InsertCards,
		func() error { return l.StartRelay("audit: " + l.relay) }} {
		require.NoError(t, step())
	}
	return l
}

// up starts gateway and PdT, which the relay finds then.
func (l *homeLab) up() {
	require.NoError(l.t, l.StartGateway("audit: "+l.gateway))
	require.NoError(l.t, l.StartPdT("audit: "+l.pdt))
}

// saidBy returns the lines of the gateway's trace that a device said.
func (l *homeLab) saidBy(who string) (said []audit.Entry) {
	events, _ := traced(l.t, l.gateway, 0)
	for _, e := range events {
		if e.Said != nil && e.By == who {
			said = append(said, e)
		}
	}
	return said
}

// waitSaid waits until the gateway's trace has a line of a kind that a device said, and returns the last one.
func (l *homeLab) waitSaid(who, kind string) (last audit.Entry) {
	l.t.Helper()
	require.Eventually(l.t, func() bool {
		for _, e := range l.saidBy(who) {
			if string(e.Event) == kind {
				last = e
			}
		}
		return last.Seq > 0
	}, patience, patience/1000, "%s said by %s", kind, who)
	return last
}

// tell returns what `tla-gateway incident` prints, and the same as JSON.
func (l *homeLab) tell(number string, args ...string) (page string, s toldStory) {
	l.t.Helper()
	args = append([]string{"incident", number, "--file", l.gateway}, args...)
	page, err := l.Run("tla-gateway", args...)
	require.NoError(l.t, err, page)
	out, err := l.Run("tla-gateway", append(args, "--json")...)
	require.NoError(l.t, err)
	require.NoError(l.t, json.Unmarshal([]byte(out), &s))
	return page, s
}

// requireWhole requires everything of a device's trace up to a line that is sent to be at the gateway, once.
func (l *homeLab) requireWhole(who, file string) {
	l.t.Helper()
	said := l.saidBy(who)
	last := said[len(said)-1].Said.Seq
	var want []string
	events, _ := traced(l.t, file, 0)
	for _, e := range events {
		if e.Event.Sayable() && e.Seq <= last {
			want = append(want, string(e.Event))
		}
	}
	require.Equal(l.t, want, kindsOf(said))
}

// TestSA2LinesComeHome: what only the terminal knew reaches the gateway in its next session, as the terminal's word;
// so do the lines of the PdT, each once over restarts of all three. A stolen terminal takes no trace with it.
func TestSA2LinesComeHome(t *testing.T) {
	l := newHomeLab(t)
	_, err := l.Relay("start")
	require.Error(t, err)
	number := relayStatus(t, l.Lab).Last.Incident
	l.up()
	startSession(t, l.Lab)
	failed := l.waitSaid(lab.TLA, "session.failed")
	require.Equal(t, []string{"unreachable", number}, []string{failed.With["code"], failed.With["incident"]})
	require.NotContains(t, failed.With, "user")
	page, s := l.tell(number)
	require.Contains(t, page, "Le service de votre opérateur ne répond pas.")
	require.Contains(t, page, "network of the terminal")
	require.Equal(t, []any{lab.TLA, true, "terminal"}, []any{s.Terminal, s.Saw.Sure, s.Lines[0].Side})

	c := startClient(t, l.PdTReaders)
	require.Equal(t, "ok", c.do("connect "+slotName(l.PdTReaders, vitaleSlot)))
	require.Equal(t, serialFile(l.Vitale), c.transmit(readSerial))
	l.waitSaid(lab.TLA, "session.up")
	l.waitSaid(lab.PdT, "session.up")
	_, err = l.Relay("stop")
	require.NoError(t, err)
	require.NoError(t, l.GatewayProc.Stop())
	require.NoError(t, l.PdTProc.Stop())
	require.NoError(t, l.RelayProc.Stop())
	l.up()
	require.NoError(t, l.StartRelay("audit: "+l.relay))
	startSession(t, l.Lab)
	for _, who := range []string{lab.TLA, lab.PdT} {
		require.NotContains(t, []string{"", "0"}, l.waitSaid(who, "session.ended").With["commands"], who)
	}
	l.RelayProc.Kill()
	l.requireWhole(lab.TLA, l.relay)
	l.requireWhole(lab.PdT, l.pdt)
	for _, file := range glob(t, l.relay+"*") {
		require.NoError(t, os.Remove(file))
	}
	_, s = l.tell(number, "--terminal", lab.TLA)
	require.Equal(t, []string{"terminal", "session.failed"}, []string{s.Lines[0].Side, string(s.Lines[0].Line.Event)})
	_, err = audit.VerifyFile(l.gateway)
	require.NoError(t, err)
}

func glob(t *testing.T, pattern string) []string {
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// TestSA2ACutsIncident: the gateway's number is the one that the user reads, and leads to the lines of all sides.
func TestSA2ACutsIncident(t *testing.T) {
	l := newHomeLab(t)
	l.up()
	startSession(t, l.Lab)
	l.waitSaid(lab.TLA, "session.up")
	l.waitSaid(lab.PdT, "session.up")
	require.NoError(t, l.PdTProc.Signal(syscall.SIGSTOP)) // it reads the list, too, and might be the first
	require.NoError(t, l.Revoke(lab.TLA))
	waitRelay(t, l.Lab, "cut", func(s *tla.Status) bool { return s.Last != nil })
	require.NoError(t, l.PdTProc.Signal(syscall.SIGCONT))
	last := relayStatus(t, l.Lab).Last
	require.Equal(t, "revoked", last.Reason)
	page, s := l.tell(last.Incident)
	kinds := []string{}
	for _, told := range s.Lines {
		kinds = append(kinds, told.Side+" "+string(told.Line.Event))
	}
	for _, want := range []string{"terminal session.up", "pdt session.up", "gateway session.opened", "gateway link.cut",
		"gateway session.ended"} {
		require.True(t, slices.Contains(kinds, want), "%s: %s", want, page)
	}
	require.Contains(t, page, "un certificat n'est plus accepté")
	_, err := l.Run("tla-gateway", "incident", "A2A2", "--file", l.gateway, "--since", "1h")
	require.Error(t, err)
}

// TestSA2ARefusedStartsIncident: the number that the user reads is in the gateway's line, at once.
func TestSA2ARefusedStartsIncident(t *testing.T) {
	l := newHomeLab(t)
	require.NoError(t, l.StartGateway("audit: "+l.gateway))
	_, err := l.Relay("start")
	require.Error(t, err)
	last := relayStatus(t, l.Lab).Last
	require.Equal(t, "pdt_absent", last.Reason)
	page, s := l.tell(last.Incident)
	require.Equal(t, []any{"pdt_absent", false}, []any{s.Saw.Reason, s.Saw.Sure})
	require.Contains(t, page, "tla-pdt status")
}

// TestSA2AGatewayThatTakesNoLines, such as an older one, is sent none, and the session is as ever.
func TestSA2AGatewayThatTakesNoLines(t *testing.T) {
	l := newHomeLab(t)
	require.NoError(t, l.StartGateway())
	require.NoError(t, l.StartPdT("audit: "+l.pdt))
	startSession(t, l.Lab)
	_, err := l.Relay("stop")
	require.NoError(t, err)
	for _, file := range []string{l.relay, l.pdt} {
		_, err := os.Stat(file + ".sent")
		require.ErrorIs(t, err, os.ErrNotExist)
	}
}
