package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"tlagate/audit"
	"tlagate/integration/lab"
	"tlagate/tla"
)

// operatedLab is a lab whose gateway has an API, with an operator whose key is in a token.
type operatedLab struct {
	*lab.Lab
	t      *testing.T
	claire *lab.Operator
}

func newOperatedLab(t *testing.T) *operatedLab {
	l := &operatedLab{Lab: layLab(t), t: t}
	var err error
	l.claire, err = l.NewOperator("claire", "read, operate, security")
	require.NoError(t, err)
	for _, step := range []func() error{l.StartReaders, l.InsertCards,
		func() error { return l.StartGateway("audit: "+l.Path("gateway.jsonl"), l.claire.API) },
		func() error { return l.StartPdT() }, func() error { return l.StartRelay() }} {
		require.NoError(t, step())
	}
	waitRelay(t, l.Lab, "both cards", func(s *tla.Status) bool {
		return len(s.Readers) == 2 && s.Readers[0].Card != nil && s.Readers[1].Card != nil
	})
	return l
}

// asClaire runs a command of tla-gateway from afar, with the key in the token.
func (l *operatedLab) asClaire(args ...string) string {
	l.t.Helper()
	out, err := l.claire.Run(args...)
	require.NoError(l.t, err, out)
	return out
}

// session returns the only session, as whoever can connect to the socket sees it.
func (l *operatedLab) session() (id string) {
	l.t.Helper()
	out, err := l.Run("tla-gateway", "sessions", "--json", "--config", l.Path("gateway.yaml"))
	require.NoError(l.t, err)
	var all []struct{ ID, TLA string }
	require.NoError(l.t, json.Unmarshal([]byte(out), &all))
	require.Len(l.t, all, 1, out)
	require.Equal(l.t, lab.TLA, all[0].TLA)
	return all[0].ID
}

// acts returns the gateway's lines about acts.
func (l *operatedLab) acts() (found []audit.Entry) {
	events, _ := traced(l.t, l.Path("gateway.jsonl"), 0)
	for _, e := range events {
		if e.Event == audit.OperatorAct {
			found = append(found, e)
		}
	}
	return found
}

// TestSP3AnOperatorEndsASession: with a certificate whose key never leaves its token, an operator ends a session, and
// the terminal's screen says so in words; who did it, and why, is in the trace.
func TestSP3AnOperatorEndsASession(t *testing.T) {
	l := newOperatedLab(t)
	u := openUI(t, l.Lab, "fr_FR.UTF-8", 80, 24)
	u.waitFor("Carte Vitale 2 : libre")
	u.press("Enter")
	u.waitFor("Fin au plus tard")
	id := l.session()
	require.Contains(t, l.asClaire("session", "end", id, "--reason", "case 12"), "done: end, by "+l.claire.Identity)
	u.waitFor("Le service de votre opérateur a mis fin", "demandé.")
	last := relayStatus(t, l.Lab).Last
	require.Equal(t, "ended_by_operator", last.Reason)
	require.NotEmpty(t, last.Incident)
	act := l.acts()[0]
	require.Equal(t, l.claire.Identity, act.By)
	for name, want := range map[string]string{"act": "end", "reason": "case 12", "role": "operate", "session": id,
		"incident": last.Incident} {
		require.Equal(t, want, act.With[name], name)
	}
	waitCard(t, l.PdTReaders, vitaleSlot, false)
	require.Contains(t, l.asClaire("incident", last.Incident), l.claire.Identity)
}

// TestSP3DenyDuringASession: a terminal that is denied is cut at once and does not come back, until it is allowed.
func TestSP3DenyDuringASession(t *testing.T) {
	l := newOperatedLab(t)
	startSession(t, l.Lab)
	l.asClaire("deny", lab.TLA, "--reason", "stolen")
	waitRelay(t, l.Lab, "the end", func(s *tla.Status) bool { return s.Session == nil && s.Last != nil })
	waitCard(t, l.PdTReaders, vitaleSlot, false)
	_, err := l.Relay("start")
	require.Error(t, err)
	l.asClaire("allow", lab.TLA, "--reason", "found")
	startSession(t, l.Lab)
}

// newDisk mounts a small disk there.
func newDisk(t *testing.T, dir string) string {
	t.Helper()
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=160k"))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

const filler = "filler" // is what fills a disk

// fill leaves no room on a disk, but what is left of the last page of each file.
func fill(t *testing.T, disk string) {
	t.Helper()
	require.ErrorIs(t, os.WriteFile(filepath.Join(disk, filler), make([]byte, 1<<20), 0o600), unix.ENOSPC)
}

// TestSP3ActsOnAFullDisk: with no room at all, what takes trust away counts at once, and the answer says what is
// missing; what gives it is not done, and all stays as it was. With room again, what waits is recorded, in order.
func TestSP3ActsOnAFullDisk(t *testing.T) {
	l := &operatedLab{Lab: layLab(t), t: t}
	var err error
	l.claire, err = l.NewOperator("claire", "read, operate, security")
	require.NoError(t, err)
	state, traces := newDisk(t, l.Path("state")), newDisk(t, l.Path("traces"))
	trace, denied := filepath.Join(traces, "audit.jsonl"), filepath.Join(state, "denied.json")
	require.NoError(t, l.StartGateway("audit: {file: "+trace+", reserve: 0}", "state: "+state, l.claire.API))
	l.asClaire("deny", "cab1:tla:lost", "--reason", "case 1")
	before, err := os.ReadFile(denied)
	require.NoError(t, err)
	fill(t, state)

	require.Contains(t, l.asClaire("deny", "cab1:tla:stolen", "--reason", "case 2"),
		"but: it is done, but: cannot write the deny list: ")
	logged(t, l.GatewayProc, 0, "will not outlive a restart", "cab1:tla:stolen", "no space left")
	require.Contains(t, l.refused("allow", "cab1:tla:lost"), "The deny list cannot be written: the entry stays")
	after, err := os.ReadFile(denied)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
	for _, name := range []string{"cab1:tla:lost", "cab1:tla:stolen"} {
		require.Contains(t, l.asClaire("denials"), name)
	}
	fill(t, traces)
	l.asClaire("drain", "--reason", "case 3")
	why := l.refused("resume") // what is left of the last page may be enough for a few acts
	for ; why == ""; why = l.refused("resume") {
		l.asClaire("drain", "--reason", "case 3")
	}
	require.Contains(t, why, "trace_full")
	require.Contains(t, l.asClaire("status"), "draining")
	require.Contains(t, l.asClaire("deny", "cab1:tla:third", "--reason", "case 4"), "but: it is done, but: ")

	for _, disk := range []string{state, traces} {
		require.NoError(t, os.Remove(filepath.Join(disk, filler)))
	}
	l.asClaire("resume", "--reason", "there is room")
	l.asClaire("allow", "cab1:tla:lost", "--reason", "case 5")
	require.NoError(t, l.GatewayProc.Stop())
	_, err = audit.VerifyFile(trace)
	require.NoError(t, err)
	events, _ := traced(t, trace, 0)
	var reasons []string
	for _, e := range events {
		if e.Event == audit.OperatorAct {
			reasons = append(reasons, e.With["reason"])
		}
	}
	require.Subset(t, reasons, []string{"case 1", "case 2", "case 4", "there is room", "case 5"})
}

// refused runs an act of a reason, and returns why it was refused; "" = it was not.
func (l *operatedLab) refused(act ...string) string {
	l.t.Helper()
	out, err := l.claire.Run(append(act, "--reason", "case 9")...)
	if err == nil {
		return ""
	}
	return out + err.Error()
}
