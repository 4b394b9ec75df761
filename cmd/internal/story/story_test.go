package story

import (
	"bytes"
	"flag"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/integrity"
)

const (
	tla1 = "urn:tlagate:cab1:tla:t1"
	tla2 = "urn:tlagate:cab2:tla:t2"
	pdt1 = "urn:tlagate:cab1:pdt:p1"
	one  = "00112233445566778899aabbccddeeff"
	two  = "ff112233445566778899aabbccddeeff"
)

// book is a gateway's trace, whose clock stands still between two lines.
type book struct {
	t   *testing.T
	now time.Time
	log *audit.Log
}

func newBook(t *testing.T) *book {
	b := &book{t: t, now: time.Date(2026, 11, 24, 8, 30, 0, 0, time.UTC)}
	var err error
	b.log, err = audit.Open(audit.Config{File: t.TempDir() + "/audit.jsonl", By: "tla-gateway",
		Clock: func() time.Time { return b.now }})
	require.NoError(t, err)
	return b
}

// write writes a line, a second after the one before.
func (b *book) write(kind audit.Kind, attrs ...audit.Attr) {
	b.now = b.now.Add(time.Second)
	require.NoError(b.t, b.log.Record(kind, attrs...))
}

// said writes a line that a device sent, of some time ago.
func (b *book) said(who string, ago time.Duration, kind audit.Kind, attrs ...audit.Attr) {
	at := b.now.Add(-ago).Format("2006-01-02T15:04:05.000Z")
	b.write(kind, append(attrs, audit.SaidBy(who, audit.Said{Seq: 7, At: at})...)...)
}

func (b *book) find(q Question) *Story {
	s, err := Find(func(Want) iter.Seq2[audit.Line, error] { return audit.Read(b.log.File()) }, q)
	require.NoError(b.t, err)
	return s
}

func kinds(s *Story) (list []string) {
	for _, t := range s.Lines {
		list = append(list, fmt.Sprintf("%s %s", t.Side, t.Line.Event))
	}
	return list
}

// TestSA2ARefusedRequestsStory: before the terminal has told anything, what the user saw follows from the gateway's
// line; afterwards the terminal's word counts.
func TestSA2ARefusedRequestsStory(t *testing.T) {
	b := newBook(t)
	b.write(audit.AccessAccepted, audit.Identity(tla1))
	b.write(audit.AccessAccepted, audit.Identity(tla2))
	b.write(audit.RequestRefused, audit.Identity(tla1), audit.Code("pdt_absent"), audit.Incident("K7M2"))
	s := b.find(Question{Number: "k7m2"})
	require.Equal(t, []string{"gateway access.accepted", "gateway request.refused"}, kinds(s))
	require.Equal(t, tla1, s.Terminal)
	require.False(t, s.Saw.Sure)
	require.Contains(t, s.Saw.EN, "the Poste de Travail is not connected")
	require.Contains(t, s.Saw.FR, "le Poste de Travail n'est pas connecté")
	require.Len(t, s.Advice, 2)
	require.Equal(t, []string{"problem", "pdt_absent"}, []string{s.Advice[0].Word, s.Advice[1].Word})
	require.Contains(t, s.Advice[1].Todo, "tla-pdt status")
	b.now = b.now.Add(time.Hour)
	b.said(tla1, time.Hour, audit.SessionFailed, audit.Session(one), audit.Code("problem"), audit.Reason("pdt_absent"),
		audit.Peer("urn:tlagate:op:gateway:g1"), audit.Incident("K7M2"))
	s = b.find(Question{Number: "K7M2"})
	require.True(t, s.Saw.Sure)
	require.Equal(t, []string{"gateway access.accepted", "gateway request.refused", "terminal session.failed"},
		kinds(s))
	require.Equal(t, []string{one}, s.Sessions)
}

// TestSA2ARefusedTerminalsStory: a terminal is not told why it is not let in, but the operator is, whatever else the
// gateway refused about that time.
func TestSA2ARefusedTerminalsStory(t *testing.T) {
	b := newBook(t)
	b.write(audit.AccessRefused, audit.Peer(tla1), audit.Reason("expired"))
	b.now = b.now.Add(time.Minute)
	b.write(audit.AccessRefused, audit.Peer(tla1), audit.Reason("denied"))
	b.said(tla1, 0, audit.SessionFailed, audit.Code("rejected"), audit.Incident("K7M2"))
	b.now = b.now.Add(time.Minute)
	b.write(audit.AccessRefused, audit.Peer(tla1), audit.Reason("expired"))
	s := b.find(Question{Number: "K7M2"})
	require.Len(t, s.Advice, 2)
	require.Equal(t, "denied", s.Advice[1].Word)
	require.Contains(t, s.Advice[1].Todo, "tla-gateway denials")
}

// TestSA2AnActsStory: who acted is on the page, and why.
func TestSA2AnActsStory(t *testing.T) {
	b := newBook(t)
	b.write(audit.OperatorAct, audit.By("urn:tlagate:op:admin:claire"), audit.Act("end"), audit.Identity(tla1),
		audit.Reason("case 12"), audit.Incident("K7M2"))
	var page bytes.Buffer
	b.find(Question{Number: "K7M2"}).Print(&page)
	require.Contains(t, page.String(), `by=urn:tlagate:op:admin:claire  act=end`)
}

// TestSA2ACutsStory has the lines of all three sides, in the order of time, and no line of another session.
func TestSA2ACutsStory(t *testing.T) {
	b := newBook(t)
	b.write(audit.SessionOpened, audit.Identity(tla1), audit.PdT(pdt1), audit.Session(one))
	b.write(audit.SessionOpened, audit.Identity(tla2), audit.PdT(pdt1), audit.Session(two))
	b.write(audit.LinkCut, audit.Identity(pdt1), audit.Reason("revoked"), audit.Session(one), audit.Incident("K7M2"))
	b.write(audit.SessionEnded, audit.Identity(tla1), audit.Reason("revoked"), audit.Session(one),
		audit.Incident("K7M2"))
	b.now = b.now.Add(3 * time.Hour)
	b.said(pdt1, 3*time.Hour, audit.SessionEnded, audit.Session(one), audit.Peer(tla1), audit.Reason("revoked"))
	b.said(tla1, 3*time.Hour+5*time.Second, audit.SessionUp, audit.Session(one))
	b.said(tla1, 3*time.Hour, audit.SessionEnded, audit.Session(one), audit.Code("notice"), audit.Reason("revoked"),
		audit.Incident("K7M2"), audit.Commands(12))
	b.said(tla2, 0, audit.SessionFailed, audit.Session(one), audit.Code("stopped"), audit.Incident("K7M2"))
	s := b.find(Question{Number: "K7M2", Terminal: "t1"})
	require.Equal(t, []string{"terminal session.up", "gateway session.opened", "gateway link.cut",
		"gateway session.ended", "pdt session.ended", "terminal session.ended"}, kinds(s)[:6])
	require.Equal(t, tla1, s.Terminal)
	require.Contains(t, s.Saw.EN, "a certificate is no longer accepted")
	require.True(t, s.Saw.Sure)
}

// TestSA2WhatTheUserSawFollowsFromACut, before the terminal tells: a user whose card cannot be checked is told of their
// card, and one whose terminal's list ended, of a certificate.
func TestSA2WhatTheUserSawFollowsFromACut(t *testing.T) {
	for _, c := range []struct{ cut, ended, saw string }{
		{"user_status", "user_revoked", "your CPS card is no longer accepted"},
		{"revoked", "user_revoked", "your CPS card is no longer accepted"},
		{"revoked", "revoked", "a certificate is no longer accepted"},
		{"crl_stale", "crl_stale", "a certificate is no longer accepted"},
		{"expired", "expired", "a certificate has ended"},
	} {
		b := newBook(t)
		b.write(audit.SessionOpened, audit.Identity(tla1), audit.PdT(pdt1), audit.Session(one))
		b.write(audit.LinkCut, audit.Identity(tla1), audit.Reason(c.cut), audit.Session(one), audit.Incident("K7M2"))
		b.write(audit.SessionEnded, audit.Identity(tla1), audit.Reason(c.ended), audit.Session(one),
			audit.Incident("K7M2"))
		s := b.find(Question{Number: "K7M2"})
		require.Contains(t, s.Saw.EN, c.saw, "%+v", c)
		require.False(t, s.Saw.Sure)
	}
}

// TestSA2NobodyReadsWhatIsSealed: a page has the mark of a person, and not what an officer alone can read.
func TestSA2NobodyReadsWhatIsSealed(t *testing.T) {
	b := newBook(t)
	b.write(audit.SessionOpened, audit.Identity(tla1), audit.PdT(pdt1), audit.Session(one), audit.Incident("K7M2"),
		audit.Person("ab0e41a79757b3a97b1b64c12f997306"), audit.PersonSealed("YWdlLWVuY3J5cHRpb24"))
	var page bytes.Buffer
	b.find(Question{Number: "K7M2"}).Print(&page)
	require.Contains(t, page.String(), "person=ab0e41a79757b3a97b1b64c12f997306")
	require.NotContains(t, page.String(), "YWdlLWVuY3J5cHRpb24")
}

// TestSA2NumbersRepeat: the newest is told, the others are listed, and --terminal and --since choose.
func TestSA2NumbersRepeat(t *testing.T) {
	b := newBook(t)
	refuse := func(who, code string) {
		b.write(audit.RequestRefused, audit.Identity(who), audit.Code(code), audit.Incident("K7M2"))
	}
	refuse(tla1, "draining")
	b.now = b.now.Add(72 * time.Hour)
	refuse(tla1, "pdt_absent")
	refuse(tla2, "tla_busy")
	s := b.find(Question{Number: "K7M2"})
	require.Equal(t, tla2, s.Terminal)
	require.Len(t, s.Others, 2)
	require.Equal(t, "tla_busy", s.Saw.Reason)
	s = b.find(Question{Number: "K7M2", Terminal: tla1})
	require.Equal(t, "pdt_absent", s.Saw.Reason)
	require.Len(t, s.Others, 1)
	s = b.find(Question{Number: "K7M2", Terminal: "t1", Since: b.now.Add(-time.Hour)})
	require.Empty(t, s.Others)
	require.Nil(t, b.find(Question{Number: "A2A2"}))
	require.Nil(t, b.find(Question{Number: "K7M2", Terminal: "t9"}))
}

var update = flag.Bool("update", false, "write testdata")

// TestSA2TheStoryFitsOnAPage: as it is printed, and as docs/audit.md shows it.
func TestSA2TheStoryFitsOnAPage(t *testing.T) {
	b := newBook(t)
	b.write(audit.SessionOpened, audit.Identity(tla1), audit.PdT(pdt1), audit.Session(one))
	b.now = b.now.Add(10 * time.Minute)
	b.write(audit.SessionEnded, audit.Identity(tla1), audit.PdT(pdt1), audit.Session(one), audit.Role("tla"),
		audit.Reason("dead"), audit.Length(10*time.Minute), audit.Incident("A3X9"))
	b.now = b.now.Add(time.Hour)
	b.said(tla1, time.Hour-20*time.Second, audit.SessionEnded, audit.Session(one), audit.Code("connection_lost"),
		audit.Incident("K7M2"), audit.Commands(212))
	var page bytes.Buffer
	b.find(Question{Number: "K7M2"}).Print(&page)
	golden := "testdata/story.txt"
	if *update {
		require.NoError(t, os.WriteFile(golden, page.Bytes(), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), page.String())
	shown, err := os.ReadFile("../../../docs/audit.md")
	require.NoError(t, err)
	require.Contains(t, string(shown), string(want), "-update, and copy testdata/story.txt into it")
}

// TestSA2WhatDevicesWroteHasNoEffectOnAScreen, even if somebody has put it into the file.
func TestSA2WhatDevicesWroteHasNoEffectOnAScreen(t *testing.T) {
	s := Story{Number: "K7M2", Terminal: "x\x1b[2J", Sessions: []string{"\u202e"},
		Differs: []Differs{{By: "\x1b", Difference: integrity.Difference{Path: "\x1b", Found: "\u009b"}}},
		Saw:     &Saw{FR: "\x07", EN: "\u009b"}, Others: []Other{{Terminal: "\x1b"}},
		Lines: []Told{{Line: audit.Entry{By: "\x1b", Said: &audit.Said{}, With: map[string]string{"code": "\r\n"}}}}}
	var page bytes.Buffer
	s.Print(&page)
	for _, r := range page.String() {
		require.True(t, r == '\n' || unicode.IsGraphic(r), "%q", r)
	}
}

// TestSA2ADeviceHidesNoIncident: neither with a time to come, nor with many sessions, nor with what looks like a line.
func TestSA2ADeviceHidesNoIncident(t *testing.T) {
	b := newBook(t)
	b.said(tla2, -1000*time.Hour, audit.SessionFailed, audit.Code("stopped"), audit.Incident("K7M2"))
	b.now = b.now.Add(time.Hour)
	b.write(audit.RequestRefused, audit.Identity(tla1), audit.Code("pdt_absent"), audit.Incident("K7M2"))
	forged := "x" + strings.Repeat(" ", 300) + "gateway  link.cut  code=x"
	for i := range 20 {
		b.said(pdt1, time.Duration(i)*time.Hour, audit.SessionEnded, audit.Peer(tla1), audit.Incident("K7M2"),
			audit.Session(fmt.Sprintf("%032d", i)), audit.Reason(forged))
	}
	s := b.find(Question{Number: "K7M2"})
	require.Equal(t, tla1, s.Terminal)
	require.Len(t, s.Sessions, mostSessions)
	own := s.Lines[slices.IndexFunc(s.Lines, func(t Told) bool { return t.Side == Gateway })]
	require.Equal(t, own.At, s.At, "a PdT moves nobody's incident")
	var page bytes.Buffer
	s.Print(&page)
	require.Contains(t, page.String(), `reason="x \x20 \x20`)
	require.NotContains(t, page.String(), "  link.cut")
}

// TestSA2TheStoryListsAFewOthers.
func TestSA2TheStoryListsAFewOthers(t *testing.T) {
	b := newBook(t)
	for i := range 30 {
		b.said(tla2, time.Duration(i)*50*time.Hour, audit.SessionFailed, audit.Code("stopped"), audit.Incident("K7M2"))
	}
	s := b.find(Question{Number: "K7M2"})
	require.Len(t, s.Others, 29)
	var page bytes.Buffer
	s.Print(&page)
	require.Contains(t, page.String(), "\n  and 19 more\n")
}

// TestSA2AMachinesStory: what differs from signed manifests is told as that, and that nobody saw anything, also after
// an operator has asked for it; a terminal that refuses to work because of it says so itself, under the same number.
func TestSA2AMachinesStory(t *testing.T) {
	differs := []audit.Attr{audit.File("/usr/bin/tla"), audit.Reason("changed"), audit.From("aa"), audit.To("bb"),
		audit.Incident("K7M2")}
	told := func(b *book) (*Story, string) {
		b.write(audit.IntegrityDiffers, audit.Count(9), audit.Reason("more"), audit.Incident("K7M2"))
		b.write(audit.OperatorAct, audit.By("urn:tlagate:op:admin:claire"), audit.Act("incident"),
			audit.Incident("K7M2"))
		s := b.find(Question{Number: "K7M2"})
		var page bytes.Buffer
		s.Print(&page)
		return s, page.String()
	}
	for who, side := range map[string]string{"tla-gateway": "gateway ", pdt1: "pdt     ", tla1: "terminal"} {
		b := newBook(t)
		if who == "tla-gateway" {
			b.write(audit.IntegrityDiffers, differs...)
		} else {
			b.said(who, 0, audit.IntegrityDiffers, differs...)
		}
		s, page := told(b)
		require.Nil(t, s.Saw)
		require.Contains(t, page, "saw\n  nothing: ")
		require.Contains(t, page, "\n  "+side+"  "+who+"  /usr/bin/tla: changed (want aa, found bb)\n")
		require.Len(t, s.Advice, 1)
		require.Equal(t, []string{"changed", "14. Integrity"}, []string{s.Advice[0].Word, s.Advice[0].Section})
	}
	b := newBook(t)
	b.said(tla1, 0, audit.IntegrityDiffers, audit.File("/m.p7m"), audit.Reason("untrusted"), audit.Incident("K7M2"))
	b.said(tla1, 0, audit.IntegrityDiffers, differs...)
	b.said(tla1, 0, audit.SessionFailed, audit.Code("integrity"), audit.Reason("untrusted"), audit.Incident("K7M2"))
	s, page := told(b)
	require.True(t, s.Saw.Sure)
	require.Contains(t, page, "Ce terminal refuse de travailler")
	var words []string
	for _, a := range s.Advice {
		words = append(words, a.Word+", "+a.Section)
	}
	require.Equal(t, []string{"integrity, 1. The terminal: why there is no session",
		"untrusted, 7. Signed configuration", "changed, 14. Integrity"}, words)
}
