package words

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"tlagate/dialer"
	"tlagate/est"
	"tlagate/pki"
	"tlagate/session"
	"tlagate/session/ahead"
	"tlagate/session/link"
	"tlagate/tla"
	"tlagate/tla/cards"
	ctl "tlagate/tla/control"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/enrol"
	"tlagate/cmd/tla-relay/internal/relaytest"
)

func TestTongueFollowsTheLocale(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want Tongue
	}{
		{map[string]string{}, French},
		{map[string]string{"LANG": "C"}, French},
		{map[string]string{"LANG": "en_GB.UTF-8"}, English},
		{map[string]string{"LANG": "fr_FR.UTF-8"}, French},
		{map[string]string{"LANG": "fr_FR.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, English},
		{map[string]string{"LANG": "en_US.UTF-8", "LC_ALL": "fr_FR.UTF-8"}, French},
	} {
		require.Equal(t, c.want, TongueOf(func(name string) string { return c.env[name] }), "%v", c.env)
	}
}

// TestEveryWhyHasASentence: no code of a peer, a gateway or ours is shown bare, nor a sentence with a gap in it.
func TestEveryWhyHasASentence(t *testing.T) {
	for _, w := range everyWhy() {
		for name, tongue := range Tongues {
			text := tongue.Why(&w, "")
			require.NotContains(t, text, "{", "%s %v", name, w)
			require.NotContains(t, text, tongue.Say(unknown, nil), "%s %v", name, w)
		}
		if table, ok := reasons[w.Code]; ok && w.Reason != "" {
			require.Contains(t, table, w.Reason, "it would be shown bare")
		}
	}
}

func everyWhy() (all []tla.Why) {
	for code := range whys {
		if _, more := reasons[code]; !more {
			all = append(all, tla.Why{Code: code})
		}
	}
	for _, r := range append([]pki.Reason{""}, pki.Reasons...) {
		all = append(all, tla.Why{Code: tla.CodeRefused, Reason: string(r)},
			tla.Why{Code: tla.CodeRejected, Reason: string(r)})
	}
	for _, r := range dialer.Reasons {
		all = append(all, tla.Why{Code: tla.CodeProxy, Reason: string(r), Peer: "proxy:3128"})
	}
	for code := range link.Statuses {
		all = append(all, tla.Why{Code: tla.CodeProblem, Reason: string(code)})
	}
	for _, code := range session.ByeCodes {
		all = append(all, tla.Why{Code: tla.CodePdT, Reason: string(code)})
	}
	for _, code := range link.Codes {
		all = append(all, tla.Why{Code: tla.CodeNotice, Reason: string(code)})
	}
	all = append(all, tla.Why{Code: tla.CodeIntegrity, Reason: "changed"})
	for reason := range reasons[tla.CodeSeal] {
		all = append(all, tla.Why{Code: tla.CodeSeal, Reason: reason})
	}
	return all
}

func TestPlainSentences(t *testing.T) {
	w := &tla.Why{Code: tla.CodeProblem, Reason: "pdt_absent", Gateway: "gw:8443", Detail: "No parked link."}
	require.Equal(t, "Le service de votre opérateur a refusé la session : le Poste de Travail n'est pas connecté.",
		French.Why(w, ""))
	require.Equal(t, "Your operator's service refused the session: the Poste de Travail is not connected.",
		English.Why(w, ""))
}

func TestStatusPage(t *testing.T) {
	var b bytes.Buffer
	French.Status(&b, &tla.Status{State: tla.StateUp, PdT: relaytest.PdT,
		Session: &tla.SessionStatus{Gateway: "gw:1", GatewayIdentity: "urn:g",
			PdTTLS: &pki.Negotiated{Version: "TLS 1.3", Suite: "S", Group: "G"}},
		Readers: []tla.ReaderStatus{
			{Name: "A", Card: &tla.CardStatus{Kind: cards.KindVitale2, Role: "vitale", Use: tla.UseSlot,
				Hold: cards.HoldBusy}},
			{Name: "B", Card: &tla.CardStatus{Kind: cards.KindCPS4, Role: "cps", Use: tla.UseSecond}},
			{Name: "\x1b[31mC\u202e\x07"}},
		Last: &tla.End{Why: tla.Why{Code: tla.CodeStopped}}, Certificate: time.Now()})
	for _, part := range []string{"session ouverte", "Chiffrement jusqu'au Poste de Travail\u00a0: TLS 1.3, G, S\n",
		"Travail\u00a0: bureau",
		"A\u00a0: carte Vitale 2, un autre programme l'occupe",
		"B\u00a0: carte CPS 4, ignorée", "31mC\u00a0: vide"} {
		require.Contains(t, b.String(), part)
	}
	for _, part := range []string{"gw:1", "urn:", "\x1b", "\u202e", "Dernière session"} {
		require.NotContains(t, b.String(), part)
	}
}

// TestStatusTellsOfReadAhead: how much, and that there is none, by configuration or for a card.
func TestStatusTellsOfReadAhead(t *testing.T) {
	n := &tla.SessionStatus{ReadAhead: 64, Since: relaytest.Noon}
	s := &tla.Status{State: tla.StateUp, PdT: relaytest.PdT, Session: n, Readers: []tla.ReaderStatus{{Name: "A",
		Card: &tla.CardStatus{Kind: cards.KindVitale2, Role: "vitale", Use: tla.UseSlot, Hold: cards.HoldTaken}}}}
	page := func(tongue Tongue) string {
		var b strings.Builder
		tongue.Status(&b, s)
		return strings.ReplaceAll(b.String(), "\u00a0", " ")
	}
	require.Contains(t, page(French), "Lecture anticipée : 0 réponse, dont 0 utile et 0 inutile\n")
	n.Ahead = &ahead.Counts{Sent: 310, Taken: 311, Dropped: 1}
	require.Contains(t, page(French), "Lecture anticipée : 312 réponses, dont 311 utiles et 1 inutile\n")
	require.Contains(t, page(English), "Read ahead: 312 answers, of which 311 of use and 1 of none\n")
	s.Readers[0].Card.NotAhead = true
	require.Contains(t, page(French), "carte Vitale 2, utilisée par la session, sans lecture anticipée\n")
	n.ReadAhead = 0
	require.Contains(t, page(French), "Lecture anticipée : désactivée\n")
	n.Since = time.Time{}
	require.NotContains(t, page(French), "Lecture anticipée", "it is not agreed yet")
}

// TestStatusPageWithoutASession: it says how the last session ended, in the words of that kind of end.
func TestStatusPageWithoutASession(t *testing.T) {
	for _, c := range []struct {
		last tla.End
		want string
	}{
		{tla.End{Why: tla.Why{Code: tla.CodeStopped}, Started: true}, "Session terminée par l'utilisateur."},
		{tla.End{Why: tla.Why{Code: tla.CodeStopped}}, "Démarrage abandonné par l'utilisateur."},
		{tla.End{Why: tla.Why{Code: tla.CodeLost, Incident: "K7M2", Gateway: "gw:1", Detail: "EOF"}, Started: true},
			"La connexion a été perdue.\nVérifiez le réseau"},
	} {
		var b bytes.Buffer
		s := relaytest.Idle()
		s.Last, s.PCSC, s.Problem = &c.last, "cannot reach the PC/SC service", "cannot find our own certificate"
		s.Storage = "cannot write: no space left"
		French.Status(&b, &s)
		require.Contains(t, b.String(), "Dernière session\u00a0: 0001-01-01 00:00:00 - "+c.want)
		require.Contains(t, b.String(), "Le service des lecteurs de cartes ne répond pas.\n")
		require.Contains(t, b.String(), "Ce terminal ne peut plus tenir son journal")
		require.NotRegexp(t, "cannot|EOF|gw:1", b.String())
	}
}

// TestGivingUpIsSaidOfWhatWasGivenUp: a PIN, a test and a start have different words.
func TestGivingUpIsSaidOfWhatWasGivenUp(t *testing.T) {
	for command, want := range map[string]string{"start": "Démarrage abandonné", "check": "Test abandonné",
		ctl.CommandPIN: "Vous avez refusé de donner le code porteur"} {
		require.Contains(t, French.WhyOf(command, &tla.Why{Code: tla.CodeCancelled}, ""), want)
	}
	require.Contains(t, French.WhyOf("start", &tla.Why{Code: tla.CodeStopped}, ""), "Démarrage abandonné", "by a stop")
	require.Contains(t, French.WhyOf("check", &tla.Why{Code: tla.CodeStopped}, ""), "Test abandonné")
}

// TestEveryWhyHasOneThingToDo: it is in both languages, short, and an order.
func TestEveryWhyHasOneThingToDo(t *testing.T) {
	for _, w := range everyWhy() {
		require.Contains(t, todos, w.Code, "nothing to do for it")
		for name, tongue := range Tongues {
			text := tongue.Todo(&w)
			require.NotEmpty(t, text, "%s %v", name, w)
			require.Less(t, len([]rune(text)), 100, text)
			require.NotContains(t, text, "{")
		}
	}
	for code, table := range todoReasons {
		for reason := range table {
			if code != tla.CodeRehearsal {
				require.Contains(t, reasons[code], reason, "%s has no such reason", code)
			}
		}
	}
	for _, i := range tla.Items {
		require.Contains(t, Items, i)
		require.Contains(t, itemsFine, i)
	}
}

// TestCheckOfACardThatIsIn: the user is not asked to put in a card that is in.
func TestCheckOfACardThatIsIn(t *testing.T) {
	for use, want := range map[tla.Use]string{
		"": "Insérez", tla.UseUnknown: "Retirez la carte que",
		tla.UseNoRule: "Retirez la carte que", tla.UseSecond: "retirez l'autre"} {
		c := &tla.Rehearsal{Items: []tla.RehearsalItem{{Item: tla.ItemCards, Use: use}}}
		require.Contains(t, French.Todo(RehearsalWhy(c)), want, use)
	}
	mute := tla.RehearsalItem{Item: tla.ItemCards, Use: tla.UseUnknown, Names: []string{string(cards.KindMute)}}
	require.Contains(t, French.Todo(RehearsalWhy(&tla.Rehearsal{Items: []tla.RehearsalItem{mute}})), "puce en avant")
	require.Equal(t, "carte inconnue, ignorée, ATR 3B00", French.card(&tla.CardStatus{Kind: cards.KindUnknown,
		Use: tla.UseUnknown, ATR: "3B00"}))
}

func TestCheckPage(t *testing.T) {
	var b strings.Builder
	French.Rehearsal(&b, relaytest.Rehearsed(false), relaytest.TLA, relaytest.Noon)
	require.Equal(t, `OK   Horloge : il est 09:05
OK   Lecteurs : 2 branchés
OK   Cartes : carte CPS 4
OK   Certificat : encore 200 jours
OK   Configuration : signée, version 12
NON  Liaison : Le service de votre opérateur ne répond pas.
--   Poste : non testé
Vérifiez le réseau (Wi-Fi, câble, mobile), puis recommencez.
Numéro d'incident : H4W8
`, strings.ReplaceAll(strings.ReplaceAll(b.String(), "\u00a0", " "), relaytest.Noon.Local().Format("15:04"), "09:05"))
}

// TestEveryEnrolFailureHasASentence: no kind is shown bare, nor a sentence with a gap in it, in either language.
func TestEveryEnrolFailureHasASentence(t *testing.T) {
	for name, tongue := range Tongues {
		for _, kind := range enrol.Kinds() {
			text := tongue.enrolFailure(&enrol.Failure{Kind: kind, Place: est.Place{Address: "gw:8443"}})
			require.NotEmpty(t, text, "%s %s", name, kind)
			require.NotContains(t, text, "{", "%s %s", name, kind)
		}
		for kind := range enrolReasons {
			require.Contains(t, enrol.Kinds(), kind)
		}
	}
}

func TestWarningOfALateRenewal(t *testing.T) {
	s := &tla.Status{Certificate: time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)}
	require.Empty(t, French.Warning(s))
	s.Renewal = &tla.Renewal{Reason: "unreachable"}
	require.Empty(t, French.Warning(s), "it is not late yet")
	s.Renewal.Warn = true
	require.Equal(t, "Le certificat de ce terminal se termine le 2026-03-01 et n'est pas encore renouvelé : "+
		"prévenez votre opérateur (le service de l'opérateur ne répond pas).", French.Warning(s))
	require.Equal(t, "This terminal's certificate ends on 2026-03-01 and is not renewed yet: tell your operator "+
		"(the operator's service does not answer).", English.Warning(s))
	s.Renewal.Reason = ""
	require.Contains(t, English.Warning(s), "tell your operator.")
}

// TestKeyWords: both languages say everything, with the same things filled in.
func TestKeyWords(t *testing.T) {
	fr, en := reflect.ValueOf(KeyWords[French]), reflect.ValueOf(KeyWords[English])
	for i := range fr.NumField() {
		name := fr.Type().Field(i).Name
		if name == "Columns" {
			require.Equal(t, en.Field(i).Len(), fr.Field(i).Len())
			continue
		}
		require.NotEmpty(t, fr.Field(i).String(), name)
		for _, hole := range []string{"{name}", "{where}", "{reason}"} {
			require.Equal(t, strings.Contains(en.Field(i).String(), hole), strings.Contains(fr.Field(i).String(), hole),
				"%s %s", name, hole)
		}
	}
}

// TestC2WhyACodeIsAskedForAgainIsSaid: on the console, where no page does.
func TestC2WhyACodeIsAskedForAgainIsSaid(t *testing.T) {
	p := &tla.PINRequest{For: tla.PINForStart, Slot: "cps", Tries: 3}
	for name, tongue := range Tongues {
		first := tongue.PINPrompt(p)
		again := tongue.PINPrompt(&tla.PINRequest{For: p.For, Slot: p.Slot, Tries: p.Tries, Again: true})
		require.Equal(t, tongue.Say(AskedForStartAgain, nil)+"\n"+first, again, name)
	}
}

// TestC2EveryReasonOfTheUserHasWords: of its own, and beside what a gateway answers.
func TestC2EveryReasonOfTheUserHasWords(t *testing.T) {
	for _, tongue := range Tongues {
		none := tongue.Sentence(&tla.Why{Code: tla.CodeProblem, Reason: "user_required"}, "")
		require.NotContains(t, none, "cause")
		for _, reason := range tla.UserReasons {
			known := tongue.Say(reasons[tla.CodeUser][reason], nil)
			require.NotEmpty(t, known, reason)
			require.Contains(t, tongue.Sentence(&tla.Why{Code: tla.CodeUser, Reason: reason}, ""), known)
			required := &tla.Why{Code: tla.CodeProblem, Reason: "user_required", Cause: reason}
			require.Contains(t, tongue.Sentence(required, ""), known)
		}
	}
}

// TestC2WhyACardIsRefusedIsSaidOfTheCard: not of a certificate or clock, which are nothing to its holder; and where the
// card is the cause, its issuer is whom to ask.
func TestC2WhyACardIsRefusedIsSaidOfTheCard(t *testing.T) {
	refused := func(cause string) *tla.Why {
		return &tla.Why{Code: tla.CodeProblem, Reason: "user_refused", Cause: cause, Incident: "K7M2"}
	}
	const begin = "Le service de votre opérateur a refusé la session : votre carte CPS n'est pas acceptée ("
	for cause, want := range map[string][2]string{
		"expired":        {"elle n'est plus valable", "Demandez une nouvelle carte CPS à son émetteur (l'ANS)."},
		"revoked":        {"elle a été révoquée", French.Say(doIssuerOr, nil)},
		"unknown_issuer": {"l'autorité qui l'a émise n'est pas connue ici", French.Say(doCall, nil)},
		"weak_key":       {"son certificat n'est pas conforme", French.Say(doCall, nil)},
		"user_status":    {"il n'a pas pu être vérifié si elle est révoquée", French.Say(doAgain, nil)},
	} {
		require.Equal(t, begin+want[0]+").\n"+want[1]+"\nNuméro d'incident : K7M2", French.Why(refused(cause), ""))
	}
	for _, reason := range pki.Reasons {
		for _, tongue := range Tongues {
			said := tongue.Sentence(refused(string(reason)), "")
			require.Equal(t, 1, strings.Count(said, "("), said)
			require.NotContains(t, said, tongue.Say(unknown, nil), reason)
		}
	}
}

// TestTheVitaleCardIsThePatients: nobody tells a professional to take it with them.
func TestTheVitaleCardIsThePatients(t *testing.T) {
	s := &tla.Status{Readers: []tla.ReaderStatus{{Card: &tla.CardStatus{Role: "vitale", Forgotten: true}},
		{Card: &tla.CardStatus{Role: "cps", Forgotten: true}}}}
	require.Equal(t, []string{"Reprenez la carte Vitale : la session est fermée.",
		"Reprenez votre carte CPS : la session est fermée."}, French.Forgotten(s))
	require.Equal(t, "Take the Vitale card out: the session has ended.", English.Forgotten(s)[0])
}
