package tla

import (
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/session"
	"tlagate/session/link"
	"tlagate/tla/cards"
	"tlagate/tla/cards/cardstest"
	"tlagate/tla/cardsign"
	"tlagate/tla/cardsign/signtest"
)

// userRig is a rig whose gateway asks for the user's proof, and a person with a card in the left reader.
type userRig struct {
	*rig
	person *signtest.Card
	card   *cardstest.Card
}

func newUserRig(t *testing.T) *userRig {
	u := &userRig{rig: newRig(t), person: newPerson(t)}
	u.wantsProof = true
	u.unproven = &link.Problem{Code: link.ProblemUserRequired, Detail: "No proof.", Action: "Prove."}
	u.card = u.insert("left", u.person)
	return u
}

func newPerson(t *testing.T) *signtest.Card {
	return signtest.PIV(t, signtest.ECKey(t, elliptic.P256()))
}

// insert puts a person's card into a reader.
func (u *userRig) insert(reader string, person *signtest.Card) *cardstest.Card {
	c := u.fake.Insert(reader, cardstest.CPSATR, 7)
	u.fake.Do(func() { c.Process, c.OnReset = person.Process, person.Reset })
	eventually(u.t, "card seen", func() bool { return u.rig.seen(session.SlotCPS) != "" })
	return c
}

// starting starts a session beside the test, and returns what became of it.
func (u *userRig) starting() <-chan error {
	done := make(chan error, 1)
	go func() { done <- u.relay.Start(context.Background(), byHand) }()
	return done
}

// asked waits until a code is asked for.
func (u *userRig) asked() *PINRequest {
	u.t.Helper()
	var p *PINRequest
	eventually(u.t, "a code is asked for", func() bool { p = u.relay.Status().PIN; return p != nil })
	return p
}

// enter types a code, and returns the card's status word.
func (u *userRig) enter(typed string) PINAnswer {
	return u.relay.EnterPIN(u.t.Context(), false, func(any) error { return nil }, strings.NewReader(typed+"\n"),
		func(time.Time) {}).(PINAnswer)
}

// start starts a session with the right code.
func (u *userRig) start() {
	done := u.starting()
	require.Equal(u.t, "9000", u.enter(signtest.Good).Result)
	require.NoError(u.t, <-done)
	require.Equal(u.t, session.SlotCPS, u.next(u.inserted))
}

func (u *userRig) verified() bool {
	return cardstest.Get(u.fake, func() bool { return u.person.Verified })
}

// end waits for the end of the session.
func (u *userRig) end() *End {
	eventually(u.t, "session over", func() bool { return u.relay.Status().State == StateIdle })
	return u.relay.Status().Last
}

// TestC2TheUserProvesWhoTheyAre: the code is asked for at the start, the card signs, and the PdT sees a card that was
// reset since.
func TestC2TheUserProvesWhoTheyAre(t *testing.T) {
	u := newUserRig(t)
	u.run()
	done := u.starting()
	asked := u.asked()
	require.Equal(t, []any{PINForStart, "cps", pdtURN, 3, StateStarting},
		[]any{asked.For, asked.Slot, asked.PdT, asked.Tries, u.relay.Status().State})
	require.Equal(t, "9000", u.enter(signtest.Good).Result)
	require.NoError(t, <-done)
	p := <-u.proofs
	require.Equal(t, u.person.Certificate.Raw, p.Certificate.Raw)
	require.Equal(t, session.SlotCPS, u.next(u.inserted))
	require.False(t, u.verified(), "reset before it was shown")
	require.Equal(t, 1, u.person.Signed)
	require.Equal(t, 2, u.fake.Count(&u.card.Colds))
	require.Nil(t, u.relay.Status().PIN)

	require.True(t, u.relay.Stop())
	require.False(t, u.verified())
	done = u.starting()
	require.Greater(t, u.asked().Number, asked.Number, "each start asks again")
	require.Equal(t, CodeCancelled, u.enter("").Error.Code)
	require.Error(t, <-done)
}

// TestC2NobodyAsksWhereNobodyWantsAProof: with a gateway that does not ask, all is as ever.
func TestC2NobodyAsksWhereNobodyWantsAProof(t *testing.T) {
	u := newUserRig(t)
	u.wantsProof = false
	u.run()
	require.NoError(t, u.relay.Start(t.Context(), byHand))
	require.Equal(t, session.SlotCPS, u.next(u.inserted))
	require.Zero(t, u.fake.Count(&u.card.Commands))
	require.Equal(t, 1, u.fake.Count(&u.card.Colds))
	u.fake.Remove("left")
	require.Equal(t, session.SlotCPS, u.next(u.removed))
	require.Never(t, func() bool { return u.relay.Status().State != StateUp }, 50*time.Millisecond, 5*time.Millisecond)
}

// TestC2TheCodeIsWrong: it is asked for again, as long as the card lets it be; the last try only if the user insists.
func TestC2TheCodeIsWrong(t *testing.T) {
	u := newUserRig(t)
	u.run()
	done := u.starting()
	first := u.asked()
	require.Equal(t, "63c2", u.enter("0000").Result)
	eventually(t, "asked again", func() bool { p := u.relay.Status().PIN; return p != nil && p.Number != first.Number })
	require.Equal(t, 2, u.asked().Tries)
	require.Equal(t, "63c1", u.enter("0000").Result)
	require.Equal(t, CodeLastTry, u.enter(signtest.Good).Error.Code)
	insisting := func(typed string) string {
		return u.relay.EnterPIN(t.Context(), true, func(any) error { return nil }, strings.NewReader(typed+"\n"),
			func(time.Time) {}).(PINAnswer).Result
	}
	require.Equal(t, "63c0", insisting("0000"))
	require.Equal(t, []any{CodeUser, UserBlocked}, whyOf(<-done))

	require.Equal(t, []any{CodeUser, UserBlocked}, whyOf(u.relay.Start(t.Context(), byHand)), "nobody is asked")
	require.Empty(t, u.proofs)
}

// whyOf returns code and reason of a start that failed.
func whyOf(err error) []any {
	w := explain(err)
	return []any{w.Code, w.Reason}
}

// TestC2TheUserDoesNotEnterTheCode: why the start ends is told by its kind.
func TestC2TheUserDoesNotEnterTheCode(t *testing.T) {
	u := newUserRig(t)
	u.run()
	done := u.starting()
	require.Equal(t, CodeCancelled, u.enter("").Error.Code)
	require.Equal(t, []any{CodeUser, UserDeclined}, whyOf(<-done))

	done = u.starting()
	u.asked()
	u.fake.Remove("left")
	require.Equal(t, []any{CodeUser, UserCardOut}, whyOf(<-done))
	u.fake.Put("left", u.card)
	eventually(t, "card seen", func() bool { return u.rig.seen(session.SlotCPS) != "" })

	done = u.starting()
	u.asked()
	require.True(t, u.relay.Stop())
	require.Equal(t, []any{CodeStopped, ""}, whyOf(<-done))
	require.Nil(t, u.relay.Status().PIN)
	require.Empty(t, u.proofs)
}

// TestSP4ACardThatGoesDuringTheVERIFY: its reader returns no status word, or a card makes up an answer of another
// length.
func TestSP4ACardThatGoesDuringTheVERIFY(t *testing.T) {
	for answer, want := range map[string][]any{"": {CodeUser, UserCardOut}, "\x90": {CodeUser, UserCardOut},
		"\x01\x90\x00": {CodeProblem, "user_required"}} {
		t.Run(fmt.Sprintf("SP4 %x", answer), func(t *testing.T) {
			u := newUserRig(t)
			u.fake.Do(func() {
				u.card.Process = func(apdu []byte) []byte {
					if apdu[1] == 0x20 && len(apdu) > 5 {
						return []byte(answer)
					}
					return u.person.Process(apdu)
				}
			})
			u.run()
			done := u.starting()
			require.Equal(t, CodePINFailed, u.enter(signtest.Good).Error.Code)
			require.Equal(t, want, whyOf(<-done))
		})
	}
}

// TestC2NobodyEntersTheCode: the user's time is over.
func TestC2NobodyEntersTheCode(t *testing.T) {
	u := newUserRig(t)
	u.cfg.Timers.User = 100 * time.Millisecond
	u.run()
	require.Equal(t, []any{CodeUser, UserNoAnswer}, whyOf(u.relay.Start(t.Context(), byHand)))
	require.Nil(t, u.relay.Status().PIN)
}

// TestC2ACardIsAskedNothingOnceTheTimeIsOver: the user's time bounds what the card is asked, too: one that answers
// slowly, again and again, holds no start.
func TestC2ACardIsAskedNothingOnceTheTimeIsOver(t *testing.T) {
	u := newUserRig(t)
	u.cfg.Timers.User = time.Nanosecond
	u.run()
	err := u.relay.Start(t.Context(), byHand)
	require.Equal(t, []any{CodeProblem, "user_required"}, whyOf(err))
	require.Zero(t, u.fake.Count(&u.card.Commands))
}

// TestSA4ACardIsAskedNothingOnceTheSessionIsOver: nor does it hold its end.
func TestSA4ACardIsAskedNothingOnceTheSessionIsOver(t *testing.T) {
	u := newUserRig(t)
	u.run()
	u.start()
	who := u.relay.live.user
	require.True(t, u.relay.Stop())
	before := u.fake.Count(&u.card.Commands)
	_, err := who.admits(&cards.Lease{ATR: cardstest.CPSATR})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, before, u.fake.Count(&u.card.Commands))
}

// TestC2TheLimitOfTheOpenStandsStill: while the user types.
func TestC2TheLimitOfTheOpenStandsStill(t *testing.T) {
	ctx, limit, cancel := withStandstill(t.Context(), 50*time.Millisecond)
	defer cancel()
	resume := limit.pause()
	select {
	case <-ctx.Done():
		t.Fatal("the limit is over while it stands still")
	case <-time.After(150 * time.Millisecond):
	}
	resume()
	select {
	case <-ctx.Done():
	case <-time.After(patience):
		t.Fatal("the limit is never over")
	}
	require.ErrorIs(t, context.Cause(ctx), context.DeadlineExceeded)
	limit.pause()()
	require.Error(t, ctx.Err(), "what is over stays over")
}

// TestC2WithoutACard: the gateway is asked without a proof; if it wants one, the user is told what was lacking.
func TestC2WithoutACard(t *testing.T) {
	u := newUserRig(t)
	u.run()
	u.fake.Remove("left")
	eventually(t, "no card", func() bool { return u.rig.seen(session.SlotCPS) == "" })
	err := u.relay.Start(t.Context(), byHand)
	require.Equal(t, []any{CodeProblem, "user_required"}, whyOf(err))
	require.Equal(t, UserNoCard, explain(err).Cause)
	require.Nil(t, <-u.proofs)

	for reason, answer := range map[string][]byte{UserNoApplication: {0x6A, 0x82}, UserCardFailed: {0x90, 0x00}} {
		strange := u.fake.Insert("left", cardstest.CPSATR, 9)
		u.fake.Do(func() { strange.Process = func([]byte) []byte { return append([]byte(nil), answer...) } })
		eventually(t, "card seen", func() bool { return u.rig.seen(session.SlotCPS) != "" })
		err = u.relay.Start(t.Context(), byHand)
		require.Equal(t, []any{CodeProblem, "user_required"}, whyOf(err))
		require.Equal(t, reason, explain(err).Cause)
		require.Nil(t, <-u.proofs)
		u.fake.Remove("left")
		eventually(t, "no card", func() bool { return u.rig.seen(session.SlotCPS) == "" })
	}
}

// TestC2ACardThatHasJustComeInIsWaitedFor: the user puts the card in and starts, before it has answered to its reset.
func TestC2ACardThatHasJustComeInIsWaitedFor(t *testing.T) {
	u := newUserRig(t)
	u.run()
	u.fake.Swap("left", nil, 7)
	eventually(t, "no answer yet", func() bool { return u.rig.seen(session.SlotCPS) == "" })
	done := u.starting()
	<-u.numbers // of the first request
	select {
	case <-u.numbers:
		t.Fatal("the second request does not wait for the card")
	case <-time.After(100 * time.Millisecond):
	}
	u.fake.Put("left", u.card)
	require.Equal(t, "9000", u.enter(signtest.Good).Result)
	require.NoError(t, <-done)
}

// TestC2AGatewayThatOnlyTellsOpensWithoutAProof: as before, for a terminal whose card cannot make one.
func TestC2AGatewayThatOnlyTellsOpensWithoutAProof(t *testing.T) {
	u := newUserRig(t)
	u.unproven = nil
	u.run()
	u.fake.Remove("left")
	eventually(t, "no card", func() bool { return u.rig.seen(session.SlotCPS) == "" })
	require.NoError(t, u.relay.Start(t.Context(), byHand))
	require.Nil(t, <-u.proofs)
	u.fake.Put("left", u.card)
	require.Equal(t, session.SlotCPS, u.next(u.inserted), "nobody's card in particular")
}

// TestC2OneCodeForAllGatewaysOfAStart: each gets a signature of its own; the card is not reset between them.
func TestC2OneCodeForAllGatewaysOfAStart(t *testing.T) {
	u := newUserRig(t)
	u.problem = &link.Problem{Code: link.ProblemDraining, Detail: "Stopping.", Action: "Another."}
	u.cfg.Gateways = append(u.cfg.Gateways, strings.Replace(u.cfg.Gateways[0], "localhost", "LOCALHOST", 1))
	u.run()
	done := u.starting()
	require.Equal(t, "9000", u.enter(signtest.Good).Result)
	require.Equal(t, []any{CodeProblem, "draining"}, whyOf(<-done))
	a, b := <-u.proofs, <-u.proofs
	require.NotEqual(t, a.Statement.Nonce, b.Statement.Nonce)
	require.Equal(t, 2, u.person.Signed)
	require.Equal(t, 1, u.fake.Count(&u.card.Colds))
	require.False(t, u.verified(), "powered down after a start that failed")
}

// newerBundle is a bundle of which a gateway demands a newer one, once.
type newerBundle struct{ version atomic.Uint64 }

func (b *newerBundle) Version() uint64                      { return b.version.Load() + 1 }
func (b *newerBundle) Usable() error                        { return nil }
func (b *newerBundle) Recheck([][]byte) error               { return nil }
func (b *newerBundle) Update(context.Context, string) error { b.version.Add(1); return nil }

// TestC2WhyTheCodeIsAskedForAgain: a gateway that demands a newer bundle only after the code was typed has the start
// begin again, and the question says so.
func TestC2WhyTheCodeIsAskedForAgain(t *testing.T) {
	u := newUserRig(t)
	u.cfg.Bundle = new(newerBundle)
	u.problem = &link.Problem{Code: link.ProblemBundleOutdated, Detail: "Old.", Action: "Fetch."}
	u.run()
	done := u.starting()
	first := u.asked()
	require.False(t, first.Again)
	require.Equal(t, "9000", u.enter(signtest.Good).Result)
	eventually(t, "asked again", func() bool { p := u.relay.Status().PIN; return p != nil && p.Number != first.Number })
	require.True(t, u.asked().Again)
	require.Equal(t, "9000", u.enter(signtest.Good).Result)
	require.Equal(t, []any{CodeProblem, "bundle_outdated"}, whyOf(<-done))

	u.problem = nil
	done = u.starting()
	require.False(t, u.asked().Again, "another start")
	require.True(t, u.relay.Stop())
	require.Error(t, <-done)
}

// TestC4NothingAsksOutsideAStart: neither a further link of the session nor a test asks for a code.
func TestC4NothingAsksOutsideAStart(t *testing.T) {
	u := newUserRig(t)
	u.run()
	c, err := u.relay.Rehearse(t.Context(), byHand)
	require.NoError(t, err)
	require.True(t, c.OK, c)
	last := c.Items[len(c.Items)-1]
	require.Equal(t, RehearsalItem{Item: ItemUser, OK: true, Names: []string{"cps4"}}, last)
	require.Zero(t, u.fake.Count(&u.card.Commands))
	require.Empty(t, u.proofs, "it ended at the challenge")

	u.fake.Remove("left")
	eventually(t, "no card", func() bool { return u.rig.seen(session.SlotCPS) == "" })
	c, err = u.relay.Rehearse(t.Context(), byHand)
	require.NoError(t, err)
	require.False(t, c.OK)
	require.False(t, c.Items[len(c.Items)-1].OK)
}

// TestSA4TheUsersCardIsOut: the session ends once it is out too long, and not if it comes back before.
func TestSA4TheUsersCardIsOut(t *testing.T) {
	u := newUserRig(t)
	u.run()
	u.start()
	read := u.fake.Count(&u.card.Commands)
	u.fake.Remove("left")
	require.Equal(t, session.SlotCPS, u.next(u.removed))
	eventually(t, "the end is announced", func() bool {
		n := u.relay.Status().Session
		return n != nil && n.Warning != nil && n.Warning.Code == CodeCardOut
	})
	u.fake.Put("left", u.card)
	require.Equal(t, session.SlotCPS, u.next(u.inserted))
	require.Greater(t, u.fake.Count(&u.card.Commands), read, "its certificate was read again")
	require.False(t, cardstest.Get(u.fake, func() bool { return u.card.Unlocked }), "reset before it was shown")
	require.Nil(t, u.relay.Status().Session.Warning)
	require.Equal(t, 1, u.person.Signed)
	require.Nil(t, u.relay.Status().PIN)
}

func TestSA4TheUsersCardIsOutTooLong(t *testing.T) {
	u := newUserRig(t)
	u.cfg.Timers.CardOut = 50 * time.Millisecond
	u.run()
	u.start()
	u.fake.Remove("left")
	e := u.end()
	require.Equal(t, []any{CodeCardOut, true}, []any{e.Code, e.Started})
	var bye *session.Bye
	require.ErrorAs(t, <-u.ends, &bye)
	require.Equal(t, session.ByeUser, bye.Code)
}

// TestSA4TheUsersCardIsOutBeforeItsProofIsKnown: taken out just after it has signed, it is not forgotten that it is
// out.
func TestSA4TheUsersCardIsOutBeforeItsProofIsKnown(t *testing.T) {
	u := newUserRig(t)
	u.run()
	u.start()
	who := u.relay.live.user
	who.begin()
	u.fake.Remove("left")
	require.Equal(t, session.SlotCPS, u.next(u.removed))
	eventually(t, "released", func() bool { now, _ := who.card.state.get(); return now == nil })
	_, err := who.prove(func(*cardsign.Key) (string, error) { return "a proof", nil })
	require.Equal(t, []any{CodeUser, UserCardOut}, whyOf(err))
}

// TestSA4OneReaderForTwoCards: the Vitale card takes the place of the CPS card for a while.
func TestSA4OneReaderForTwoCards(t *testing.T) {
	u := newUserRig(t)
	u.cfg.Timers.CardOut = time.Nanosecond
	u.fake.Unplug("right")
	u.run()
	eventually(t, "one reader", func() bool { return len(u.readers.View().Readers) == 1 })
	u.start()
	u.fake.Remove("left")
	require.Equal(t, session.SlotCPS, u.next(u.removed))
	u.fake.Insert("left", cardstest.VitaleATR, 1)
	require.Equal(t, session.SlotVitale, u.next(u.inserted))
	require.Equal(t, StateUp, u.relay.Status().State)
	u.fake.Remove("left")
	u.fake.Put("left", u.card)
	require.Equal(t, session.SlotCPS, u.next(u.inserted))
}

// TestSA4AnotherPersonsCardEndsTheSession: at once, and it is never shown.
func TestSA4AnotherPersonsCardEndsTheSession(t *testing.T) {
	u := newUserRig(t)
	u.run()
	u.start()
	u.fake.Remove("left")
	require.Equal(t, session.SlotCPS, u.next(u.removed))
	u.insert("left", newPerson(t))
	require.Equal(t, CodeOtherCard, u.end().Code)
	require.Empty(t, u.inserted)
}

// TestSA4ACardThatCannotBeToldIsNotShown: it counts as out.
func TestSA4ACardThatCannotBeToldIsNotShown(t *testing.T) {
	u := newUserRig(t)
	u.cfg.Timers.CardOut = 50 * time.Millisecond
	u.run()
	u.start()
	u.fake.Remove("left")
	require.Equal(t, session.SlotCPS, u.next(u.removed))
	strange := u.fake.Insert("left", cardstest.CPSATR, 9)
	u.fake.Do(func() { strange.Process = func([]byte) []byte { return []byte{0x6F, 0x00} } })
	require.Equal(t, CodeCardOut, u.end().Code)
	require.Empty(t, u.inserted)
}

// TestSA4MovingTheUsersCardIsNoAct: a Vitale card that is moved still is.
func TestSA4MovingTheUsersCardIsNoAct(t *testing.T) {
	u := newUserRig(t)
	u.run()
	u.start()
	acted := func() time.Time { return *u.relay.live.human.Load() }
	before := acted()
	u.fake.Remove("left")
	require.Equal(t, session.SlotCPS, u.next(u.removed))
	u.fake.Put("left", u.card)
	require.Equal(t, session.SlotCPS, u.next(u.inserted))
	require.Equal(t, before, acted())
	u.fake.Insert("right", cardstest.VitaleATR, 1)
	require.Equal(t, session.SlotVitale, u.next(u.inserted))
	eventually(t, "an act", func() bool { return acted().After(before) })
}

// TestSA4AFurtherLinkAsksNothing: the user is known, for as long as the session lasts.
func TestSA4AFurtherLinkAsksNothing(t *testing.T) {
	u := newUserRig(t)
	u.tickets = true
	links := make(chan *link.Conn, 9)
	u.onUp = func(l *link.Conn) { links <- l }
	u.run()
	u.start()
	<-u.proofs
	(<-links).Close()
	eventually(t, "resumed", func() bool { n := u.relay.Status().Session; return n != nil && n.Resumed == 1 })
	require.Equal(t, 1, u.person.Signed)
	require.Empty(t, u.proofs)
	require.Nil(t, u.relay.Status().PIN)
}

// TestAForgottenCardIsTold: one that was in when the session ended, until it is taken out (5.1).
func TestAForgottenCardIsTold(t *testing.T) {
	u := newUserRig(t)
	u.run()
	require.False(t, u.relay.Status().Readers[0].Card.Forgotten)
	u.start()
	require.False(t, u.relay.Status().Readers[0].Card.Forgotten)
	require.True(t, u.relay.Stop())
	require.True(t, u.relay.Status().Readers[0].Card.Forgotten)
	u.fake.Remove("left")
	u.fake.Put("left", u.card)
	eventually(t, "put in anew", func() bool {
		c := u.relay.Status().Readers[0].Card
		return c != nil && !c.Forgotten
	})

	u.start()
	require.True(t, u.relay.Stop())
	require.True(t, u.relay.Status().Readers[0].Card.Forgotten)
	done := u.starting()
	require.Equal(t, CodeCancelled, u.enter("").Error.Code)
	require.Error(t, <-done)
	require.False(t, u.relay.Status().Readers[0].Card.Forgotten, "whoever tried to start knows of it")
}

// TestC2ACertificateThatIsTooLongIsToldBeforeTheCode: nobody types a code for a proof that cannot be sent.
func TestC2ACertificateThatIsTooLongIsToldBeforeTheCode(t *testing.T) {
	u := newUserRig(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 9},
			Value: make([]byte, 4000)}}}
	key := signtest.ECKey(t, elliptic.P256())
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	long, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	u.fake.Do(func() { u.person.Certificate = long })
	u.run()
	err = u.relay.Start(t.Context(), byHand)
	require.Equal(t, []any{CodeProblem, "user_required"}, whyOf(err))
	require.Equal(t, UserLong, explain(err).Cause)
	require.Nil(t, <-u.proofs)
	require.Equal(t, 3, u.person.Tries)
	require.NotContains(t, u.person.Log, byte(0x20), "no VERIFY")
}

// TestSP4AClientThatGoesAwayLeavesTheQuestion: the code of a start can be entered by another.
func TestSP4AClientThatGoesAwayLeavesTheQuestion(t *testing.T) {
	u := newUserRig(t)
	u.run()
	done := u.starting()
	u.asked()
	gone := u.relay.EnterPIN(t.Context(), false, func(any) error { return io.ErrClosedPipe }, strings.NewReader(""),
		func(time.Time) {})
	require.Nil(t, gone)
	require.Equal(t, "9000", u.enter(signtest.Good).Result)
	require.NoError(t, <-done)
}
