package integration

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pdt"
	"tlagate/pki/pkitest"
	"tlagate/tla"
)

// newUserLab lays out a lab whose users have to prove who they are, and starts all of it but a session.
func newUserLab(t *testing.T, mode string, changes ...func(*lab.Lab)) *lab.Lab {
	t.Helper()
	with := func(l *lab.Lab) {
		require.NoError(t, l.AddPersons())
		l.User = "{mode: " + mode + "}"
	}
	l := newLab(t, append([]func(*lab.Lab){with}, changes...)...)
	waitRelay(t, l, "the CPS", func(s *tla.Status) bool { return !cardIs("cps", "")(s) }) // else there is no card
	return l
}

// startAs makes a user's start, who types these codes, one whenever they are asked, and returns what it came to.
func startAs(t *testing.T, l *lab.Lab, codes ...string) (a relayAnswer) {
	t.Helper()
	done := make(chan string, 1)
	go func() {
		out, _ := l.Type("tla-relay", "", "start", "--config", l.Path("relay.yaml"), "--json")
		done <- out
	}()
	for _, code := range codes {
		waitRelay(t, l, "the user to be asked for their code", func(s *tla.Status) bool { return s.PIN != nil })
		_, _ = enterPIN(l, code+"\n")
	}
	select {
	case out := <-done:
		require.NoError(t, json.Unmarshal([]byte(out), &a), out)
	case <-time.After(patience):
		t.Fatal("the start does not end")
	}
	return a
}

// startRefusedAs is startAs for a start that must fail; it returns why it did.
func startRefusedAs(t *testing.T, l *lab.Lab, codes ...string) relayWhy {
	t.Helper()
	a := startAs(t, l, codes...)
	require.False(t, a.OK, "the start must be refused")
	require.NotNil(t, a.Error)
	waitRelay(t, l, "no session", func(s *tla.Status) bool { return s.State == tla.StateIdle })
	return *a.Error
}

// putIn puts a card into the CPS reader in place of another, and waits until the relay sees it.
func putIn(t *testing.T, l *lab.Lab, card cardsim.Card) {
	t.Helper()
	l.CPSSlot.Remove()
	waitRelay(t, l, "no CPS", cardIs("cps", ""))
	require.NoError(t, l.CPSSlot.Insert(card))
	waitRelay(t, l, "the CPS", func(s *tla.Status) bool { return !cardIs("cps", "")(s) })
}

func newCardOf(t *testing.T, l *lab.Lab, who lab.Person, spoil func(*x509.Certificate)) *cardsim.CPS {
	t.Helper()
	c, err := cardsim.NewCPS(cardsim.CPSConfig{Certify: l.Persons.Certify(who, spoil)})
	require.NoError(t, err)
	return c
}

// userAtThePdT returns who uses the TLA of the session, as the PdT says.
func userAtThePdT(t *testing.T, l *lab.Lab) pdt.UserStatus {
	t.Helper()
	st, _, err := pdt.AskStatus(l.Path("pdt.sock"))
	require.NoError(t, err)
	require.NotNil(t, st.Session)
	require.NotNil(t, st.Session.User)
	return *st.Session.User
}

const theCode = "1234"

// TestC2SA1TheUserProvesWhoTheyAre: no session begins before the card has signed; gateway and PdT know who it is; the
// program finds a card whose code nobody has verified.
func TestC2SA1TheUserProvesWhoTheyAre(t *testing.T) {
	l := newUserLab(t, "require")
	before := len(l.CPS.History())
	a := startAs(t, l, "0000", theCode)
	require.True(t, a.OK, "%+v", a.Error)
	signed := l.CPS.History()[before:]
	require.Equal(t, 1, times(signed, 0x87), "the card signs once")

	waitCard(t, l.PdTReaders, cpsSlot, true)
	who := userAtThePdT(t, l)
	require.Equal(t, lab.Doctor.ID, who.Identifier)
	require.Equal(t, lab.Doctor.Profession, who.Profession)
	require.Equal(t, []string{"63C3"}, send(t, l.PdTReaders, cpsSlot, "00A4040009A0000003080000100000", "00200080")[1:],
		"no program finds the code verified")
	_, err := l.Relay("stop")
	require.NoError(t, err)
}

// times counts the commands with an instruction; one in parts counts once.
func times(history []cardsim.Exchange, ins byte) (n int) {
	for _, e := range history {
		if e.INS == ins && e.CLA&0x10 == 0 {
			n++
		}
	}
	return n
}

// TestC2UsersWhoDoNotPass: whatever is wrong with code, card or certificate, no session begins, and the reason is said.
func TestC2UsersWhoDoNotPass(t *testing.T) {
	l := newUserLab(t, "require")
	t.Run("the user does not want to", func(t *testing.T) {
		w := startRefusedAs(t, l, "")
		require.Equal(t, relayWhy{Code: "user", Reason: "declined"}, relayWhy{Code: w.Code, Reason: w.Reason})
	})
	revoked := newCardOf(t, l, lab.Doctor, nil)
	require.NoError(t, l.Persons.Revoke(revoked.Certificate(cardsim.KeyAuthentication)))
	hangUp(t, l.GatewayProc)
	for name, c := range map[string]struct {
		card   *cardsim.CPS
		reason string
	}{
		"of another CA": {newCPS(t), "unknown_issuer"},
		"expired": {newCardOf(t, l, lab.Doctor, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = c.NotBefore.AddDate(-1, 0, 0), time.Now().Add(-time.Minute)
		}), "expired"},
		"for another usage": {newCardOf(t, l, lab.Doctor, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
		}), "ext_key_usage"},
		"without identifier": {newCardOf(t, l, lab.Person{ID: "X", Surname: "SPECIMEN"}, nil), "bad_identity"},
		"revoked":            {revoked, "revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			putIn(t, l, c.card)
			w := startRefusedAs(t, l, theCode)
			require.Equal(t, "user_refused", w.Reason, "%+v", w)
			logged(t, l.GatewayProc, 0, "user_refused", c.reason)
		})
	}
	t.Run("a key for signatures that bind", func(t *testing.T) {
		putIn(t, l, newCardOf(t, l, lab.Doctor, func(c *x509.Certificate) {
			c.KeyUsage = x509.KeyUsageContentCommitment
		}))
		w := startRefusedAs(t, l)
		require.Equal(t, "user_required", w.Reason, "the relay does not use it: %+v", w)
	})
	t.Run("no card", func(t *testing.T) {
		l.CPSSlot.Remove()
		waitRelay(t, l, "no CPS", cardIs("cps", ""))
		w := startRefusedAs(t, l)
		require.Equal(t, "user_required", w.Reason, "%+v", w)
	})
	t.Run("the last try is not made by mistake", func(t *testing.T) {
		putIn(t, l, newCardOf(t, l, lab.Doctor, nil))
		done := make(chan relayWhy, 1)
		go func() { done <- startRefusedAs(t, l, "0000", "0000") }()
		waitRelay(t, l, "the last try", func(s *tla.Status) bool { return s.PIN != nil && s.PIN.Tries == 1 })
		_, err := enterPIN(l, theCode+"\n")
		require.Error(t, err, "that takes --last-try")
		_, _ = l.Type("tla-relay", "0000\n", "pin", "--last-try", "--config", l.Path("relay.yaml"))
		w := <-done
		require.Equal(t, relayWhy{Code: "user", Reason: "blocked"}, relayWhy{Code: w.Code, Reason: w.Reason})
	})
	t.Run("the control", func(t *testing.T) {
		putIn(t, l, l.CPS)
		a := startAs(t, l, theCode)
		require.True(t, a.OK, "%+v", a.Error)
	})
}

// TestC2IASECCProvesTheUserToo: a CPS3 does, in its own way, also in a reader that takes T=0 and short commands alone.
func TestC2IASECCProvesTheUserToo(t *testing.T) {
	l := newUserLab(t, "require", func(l *lab.Lab) { l.Limits = &world.Limits{MaxCommand: 261, OnlyT0: true} })
	c, err := cardsim.NewCPS3(cardsim.CPSConfig{Certify: l.Persons.Certify(lab.Doctor, nil)})
	require.NoError(t, err)
	putIn(t, l, c)
	a := startAs(t, l, theCode)
	require.True(t, a.OK, "%+v", a.Error)
	require.Equal(t, 1, times(c.History(), 0x88))
	require.Equal(t, lab.Doctor.ID, userAtThePdT(t, l).Identifier)
}

// TestC2SA4TheSessionEndsWithItsUser: revoked in the session; the card out; another one in its place.
func TestC2SA4TheSessionEndsWithItsUser(t *testing.T) {
	l := newUserLab(t, "require")
	up := func() {
		t.Helper()
		a := startAs(t, l, theCode)
		require.True(t, a.OK, "%+v", a.Error)
		waitCard(t, l.PdTReaders, cpsSlot, true)
	}
	ended := func(code tla.Code) {
		t.Helper()
		waitRelay(t, l, "the session to end", func(s *tla.Status) bool { return s.State == tla.StateIdle })
		require.Equal(t, code, relayStatus(t, l).Last.Code)
	}
	up()
	l.CPSSlot.Remove()
	ended(tla.CodeCardOut)

	require.NoError(t, l.CPSSlot.Insert(l.CPS))
	waitRelay(t, l, "the CPS", func(s *tla.Status) bool { return !cardIs("cps", "")(s) })
	up()
	l.CPSSlot.Remove()
	require.NoError(t, l.CPSSlot.Insert(newCardOf(t, l, lab.Locum, nil)))
	ended(tla.CodeOtherCard)

	putIn(t, l, l.CPS)
	up()
	require.NoError(t, l.Persons.Revoke(l.CPS.Certificate(cardsim.KeyAuthentication)))
	hangUp(t, l.GatewayProc)
	waitRelay(t, l, "the session to end", func(s *tla.Status) bool { return s.State == tla.StateIdle })
	require.Contains(t, []string{"user_revoked", "user"}, relayStatus(t, l).Last.Reason,
		"gateway or PdT, whichever is first")
}

// killing is a card whose relay is killed when it has signed: its code is verified then.
type killing struct {
	*cardsim.CPS
	kill func()
}

// Process implements cardsim.Card.
func (k *killing) Process(cmd []byte) []byte {
	answer := k.CPS.Process(cmd)
	if cmd[0] == 0 && cmd[1] == 0x87 {
		k.kill()
	}
	return answer
}

// TestSP4AKilledRelayLeavesNoVerifiedCode: between VERIFY and reset the relay is killed, and the next program of the
// terminal finds a card whose code nobody has verified. It resets nothing itself.
//
// Fault: a terminal dies.
func TestSP4AKilledRelayLeavesNoVerifiedCode(t *testing.T) {
	l := newUserLab(t, "require")
	putIn(t, l, &killing{l.CPS, l.RelayProc.Kill})
	go func() { _, _ = l.Type("tla-relay", "", "start", "--config", l.Path("relay.yaml"), "--json") }()
	waitRelay(t, l, "the user to be asked for their code", func(s *tla.Status) bool { return s.PIN != nil })
	_, _ = enterPIN(l, theCode+"\n")
	require.NoError(t, world.Poll(patience, "the card to have signed", func() error {
		if times(l.CPS.History(), 0x87) == 0 {
			return errors.New("it has not")
		}
		return nil
	}))
	c := startClient(t, l.TLAReaders)
	require.NoError(t, world.Poll(patience, "the reader to be free", func() error {
		if said := c.do("connect " + slotName(l.TLAReaders, 0)); said != "ok" {
			return errors.New(said)
		}
		return nil
	}))
	c.transmit("00A4040009A0000003080000100000")
	require.Equal(t, "63C3", c.transmit("00200080"))
}

// TestC2OneCodeForAllGatewaysOfAStart: the first gateway does not let this person in, the second does: the card signs
// for each, and its code is typed once.
func TestC2OneCodeForAllGatewaysOfAStart(t *testing.T) {
	l := newUserLab(t, "require")
	require.NoError(t, l.RelayProc.Stop())
	require.NoError(t, l.PdTProc.Stop())
	require.NoError(t, l.GatewayProc.Stop())
	require.NoError(t, l.AddGateway())
	require.NoError(t, l.StartGateway(fmt.Sprintf("access: [{tla: %q, pdt: %q, persons: [%q]}]", lab.TLA, lab.PdT,
		lab.Locum.ID)))
	require.NoError(t, l.StartSecond())
	require.NoError(t, l.StartPdT())
	logged(t, l.PdTProc, 0, "link parked", l.Named(l.Second.Addr))
	require.NoError(t, l.StartRelay())
	waitRelay(t, l, "two cards", func(s *tla.Status) bool { return len(s.Readers) == 2 })
	before := len(l.CPS.History())
	a := startAs(t, l, theCode)
	require.True(t, a.OK, "%+v", a.Error)
	logged(t, l.GatewayProc, 0, "user_denied")
	history := l.CPS.History()[before:]
	require.Equal(t, 2, times(history, 0x87))
	verified := 0
	for _, e := range history {
		if e.INS == 0x20 && e.DataLength > 0 {
			verified++
		}
	}
	require.Equal(t, 1, verified)
}

// TestSP3ThePdTLetsInWhomItNames: a person who passes, but is none of those who may, has no session.
func TestSP3ThePdTLetsInWhomItNames(t *testing.T) {
	l := newUserLab(t, "require")
	require.NoError(t, l.PdTProc.Stop())
	l.User = "{mode: require, persons: [\"" + lab.Locum.ID + "\"]}"
	require.NoError(t, l.StartPdT())
	w := startRefusedAs(t, l, theCode)
	require.Equal(t, "user", w.Reason, "%+v", w)
	putIn(t, l, newCardOf(t, l, lab.Locum, nil))
	a := startAs(t, l, theCode)
	require.True(t, a.OK, "%+v", a.Error)
}

// TestSP4TheCodeOfAStartIsNowhereElse: neither logs, nor the memory of relay, gateway and PdT have it.
func TestSP4TheCodeOfAStartIsNowhereElse(t *testing.T) {
	l := newUserLab(t, "require")
	card, err := cardsim.NewCPS(cardsim.CPSConfig{PIN: rightPIN, Certify: l.Persons.Certify(lab.Doctor, nil)})
	require.NoError(t, err)
	putIn(t, l, card)
	a := startAs(t, l, rightPIN)
	require.True(t, a.OK, "%+v", a.Error)
	requireNowhere(t, l, rightPIN)
	for _, text := range []string{lab.Doctor.ID, lab.Doctor.Surname + " " + lab.Doctor.GivenName} {
		for name, p := range programsOf(l) {
			for _, line := range p.Lines() {
				require.NotContains(t, line, text, "%s's log", name)
			}
		}
	}
}

// TestC2SA2AProofFromARemoteSignature is the attack of the threat model (T31): a hostile PdT and a hostile enrolled
// terminal work together, while the card's user has a session and has entered their code for a program. With a shared
// key the program has the card sign the terminal's statement: the gateway takes it, for nothing shows who asked, and
// the trace of the user's terminal has the signature. With a reserved key the card never gets the command.
func TestC2SA2AProofFromARemoteSignature(t *testing.T) {
	l := newUserLab(t, "require", func(l *lab.Lab) { l.RelayLines = []string{"audit: " + l.Path("relay-audit.jsonl")} })
	keys, err := l.Issue("autre", "tla", otherTLA)
	require.NoError(t, err)
	h := &hostile{cert: readKeys(t, keys), tla: otherTLA, person: l.CPS.Certificate(cardsim.KeyAuthentication).Raw,
		sign: func(digest [sha256.Size]byte) ([]byte, error) { return signRemotely(t, l, digest) }}

	require.True(t, startAs(t, l, theCode).OK)
	waitCard(t, l.PdTReaders, cpsSlot, true)
	before := times(l.CPS.History(), 0x87)
	link, err := h.open(t, l.GatewayAddr, true)
	require.NoError(t, err, "what no digest and no preamble can prevent")
	require.NoError(t, link.Close())
	require.Equal(t, before+1, times(l.CPS.History(), 0x87))
	lines := tracedAt(t, l.Path("relay-audit.jsonl"), audit.SessionSigned)
	require.Equal(t, "1", lines[0].Entry.With["count"])
	_, err = l.Relay("stop")
	require.NoError(t, err)

	require.NoError(t, l.RelayProc.Stop())
	l.ProofKey = "reserved"
	require.NoError(t, l.StartRelay(l.RelayLines...))
	waitRelay(t, l, "two cards", func(s *tla.Status) bool { return len(s.Readers) == 2 })
	require.True(t, startAs(t, l, theCode).OK)
	waitCard(t, l.PdTReaders, cpsSlot, true)
	before = times(l.CPS.History(), 0x87)
	_, err = h.open(t, l.GatewayAddr, true)
	require.ErrorIs(t, err, errNotSigned)
	require.Equal(t, before, times(l.CPS.History(), 0x87))
}

const otherTLA = "urn:tlagate:" + lab.Practice + ":tla:autre"

var errNotSigned = errors.New("the card did not sign")

// signRemotely has a program of the PdT sign a digest with the key of the proof, whose code the user enters.
func signRemotely(t *testing.T, l *lab.Lab, digest [sha256.Size]byte) ([]byte, error) {
	t.Helper()
	c := startClient(t, l.PdTReaders)
	require.Equal(t, "ok", c.do("connect "+slotName(l.PdTReaders, cpsSlot)))
	c.transmit("00A4040009A0000003080000100000")
	done := make(chan string)
	go func() { done <- c.transmit("00200080083030303030303030") }()
	waitRelay(t, l, "the user to be asked for their code", func(s *tla.Status) bool { return s.PIN != nil })
	_, err := enterPIN(l, theCode+"\n")
	require.NoError(t, err)
	require.Equal(t, "9000", <-done)
	info := "3031300D060960864801650304020105000420" + fmt.Sprintf("%X", digest)
	padded := "0001" + strings.Repeat("FF", 256-3-len(info)/2) + "00" + info
	data := "7C82010682008182" + "0100" + padded
	c.transmit("1087079AFF" + data[:2*255])
	answer := c.transmit("0087079A0B" + data[2*255:] + "00")
	if sw := answer[max(0, len(answer)-4):]; strings.HasPrefix(sw, "61") {
		answer = answer[:len(answer)-4] + c.transmit("00C00000"+sw[2:])
	}
	octets, err := hex.DecodeString(answer)
	if err != nil || len(octets) < 256+2 || octets[len(octets)-2] != 0x90 {
		return nil, errNotSigned
	}
	return octets[len(octets)-2-256 : len(octets)-2], nil
}

// tracedAt waits until a trace has a line of a kind, and returns those that it has.
func tracedAt(t *testing.T, file string, kind audit.Kind) (found []audit.Line) {
	t.Helper()
	require.NoError(t, world.Poll(patience, "a line of "+string(kind), func() error {
		found = nil
		for line, err := range audit.Read(file) {
			if err != nil {
				return err
			}
			if line.Entry.Event == kind {
				found = append(found, line)
			}
		}
		if found == nil {
			return errors.New("there is none")
		}
		return nil
	}))
	return found
}

// TestC2TheListOfPersonsEndsInASession: with it whatever is known of the session's user does, and the session; no other
// begins until there is a new list.
func TestC2TheListOfPersonsEndsInASession(t *testing.T) {
	l := newUserLab(t, "require")
	require.True(t, startAs(t, l, theCode).OK)
	require.NoError(t, l.Persons.PublishFor(pkitest.Soon))
	waitRelay(t, l, "the session to end", func(s *tla.Status) bool { return s.State == tla.StateIdle })
	require.Contains(t, []string{"user_revoked", "user"}, relayStatus(t, l).Last.Reason,
		"gateway or PdT, whichever is first")
	w := startRefusedAs(t, l, theCode)
	require.Equal(t, "user_refused", w.Reason, "%+v", w)
	logged(t, l.GatewayProc, 0, "user_refused", "user_status")

	require.NoError(t, l.Persons.Publish())
	hangUp(t, l.GatewayProc)
	hangUp(t, l.PdTProc)
	require.True(t, startAs(t, l, theCode).OK)
}

// TestC2NothingIsKnownOfThePerson: without a list about persons at hand nobody is let in.
func TestC2NothingIsKnownOfThePerson(t *testing.T) {
	l := newUserLab(t, "require")
	require.NoError(t, os.Remove(l.Path("persons-issuing.crl")))
	require.NoError(t, l.GatewayProc.Stop())
	require.NoError(t, l.StartGateway())
	w := startRefusedAs(t, l, theCode)
	require.Equal(t, "user_refused", w.Reason, "%+v", w)
	logged(t, l.GatewayProc, 0, "user_refused", "user_status")
}
