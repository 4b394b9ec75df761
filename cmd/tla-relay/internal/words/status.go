package words

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"tlagate/pki"
	"tlagate/session"
	"tlagate/session/ahead"
	"tlagate/tla"
	"tlagate/tla/cards"
)

// What the user's commands say of a session.
var (
	up     = Text{"Session ouverte avec {pdt}.", "Session up with {pdt}."}
	unseen = Text{
		"Les programmes du Poste de Travail ne voient pas encore {yours}{why}.",
		"Programs at the Poste de Travail do not see {yours} yet{why}."}
	declining = Text{
		"Le lecteur ne fait plus ce qui est demandé à {yours} : retirez-la et remettez-la, ou changez de lecteur.",
		"The reader no longer does what is asked of {yours}: take it out and put it back, or use another reader."}
	forgotten = Text{
		"Reprenez {yours} : la session est fermée.",
		"Take {yours} out: the session has ended."}
	notSeen = Text{"pas encore visible pour le Poste de Travail", "not yet seen by the Poste de Travail"}
	stopped = Text{"Aucune session : les cartes sont libres.", "No session: the cards are free."}
	notFree = Text{
		"La session est fermée, mais un lecteur ne répond pas : sa carte n'est pas encore libre. " +
			"Retirez-la du lecteur.",
		"The session has ended, but a reader does not answer: its card is not free yet. Take it out of the reader."}
	Stayed = Text{"La session continue.", "The session goes on."}
)

// The words of the status.
var (
	states = map[tla.State]Text{
		tla.StateIdle:       {"aucune session", "no session"},
		tla.StateStarting:   {"session en cours d'ouverture", "session starting"},
		tla.StateUp:         {"session ouverte", "session up"},
		tla.StateEnding:     {"session en cours de fermeture", "session ending"},
		tla.StateRehearsing: {"test en cours", "test under way"},

		tla.StateReconnecting: {"connexion perdue, reconnexion en cours", "connection lost, reconnecting"},
	}
	Kinds = map[cards.Kind]Text{
		cards.KindVitale1: {"carte Vitale 1", "Vitale 1 card"},
		cards.KindVitale2: {"carte Vitale 2", "Vitale 2 card"},
		cards.KindCPS3:    {"carte CPS 3", "CPS 3 card"},
		cards.KindCPS4:    {"carte CPS 4", "CPS 4 card"},
		cards.KindUnknown: {"carte inconnue", "unknown card"},
		cards.KindMute:    {"carte muette (mal insérée ?)", "mute card (wrong way round?)"},
	}
	CardNames = map[string]Text{
		session.SlotVitale.String(): {"carte Vitale", "Vitale card"},
		session.SlotCPS.String():    {"carte CPS", "CPS card"},
	}
	// yourCards say whose the cards are: the Vitale card is the patient's.
	yourCards = map[string]Text{
		session.SlotVitale.String(): {"la carte Vitale", "the Vitale card"},
		session.SlotCPS.String():    {"votre carte CPS", "your CPS card"},
	}
	Uses = map[tla.Use]Text{
		tla.UseSecond: {
			"ignorée : une autre carte du même type est déjà présente",
			"ignored: another card of that type is in already"},
		tla.UseUnknown: {"ignorée", "ignored"},
		tla.UseNoRule: {
			"inutilisable : ce terminal n'a pas de règle pour elle",
			"of no use: this terminal has no rule for it"},
	}
	Holds = map[cards.Hold]Text{
		cards.HoldTaken: {"utilisée par la session", "in use by the session"},
		cards.HoldBusy:  {"un autre programme l'occupe", "another program holds it"},
		cards.HoldStuck: {
			"le lecteur ne répond pas : débranchez-le et rebranchez-le",
			"the reader does not answer: unplug it and plug it again"},
		cards.HoldFailed: {"inutilisable", "cannot be used"},
	}
	NoPCSC      = Text{"Le service des lecteurs de cartes ne répond pas", "The card readers' service does not answer"}
	NoReader    = Text{"Aucun lecteur", "No reader"}
	statusWords = struct {
		state, pdt, since, reader, empty, last, own, noOwn, noRoom, refused, ask, pinAsked, pinPad Text

		pdtTLS, gatewayTLS, readAhead, counts, off, notAhead Text
	}{
		state:  Text{"État", "State"},
		pdt:    Text{"Poste de Travail", "Poste de Travail"},
		since:  Text{"Depuis", "Since"},
		reader: Text{"Lecteur", "Reader"},
		empty:  Text{"vide", "empty"},
		last:   Text{"Dernière session", "Last session"},
		own:    Text{"Certificat valable jusqu'au", "Certificate valid until"},
		noOwn: Text{
			"Certificat inutilisable : appelez votre opérateur.",
			"Certificate that cannot be used: call your operator."},
		noRoom: Text{
			"Ce terminal ne peut plus tenir son journal : prévenez votre opérateur.",
			"This terminal can no longer keep its trace: tell your operator."},
		pinAsked: Text{
			"Le code porteur de la {card} est demandé : entrez-le avec tla-relay pin.",
			"The PIN of the {card} is asked for: enter it with tla-relay pin."},
		pinPad: Text{
			"Le code porteur de la {card} est demandé : entrez-le sur le clavier du lecteur.",
			"The PIN of the {card} is asked for: enter it on the reader's keys."},
		ask: Text{"Êtes-vous toujours là ? Sans réponse, la session se ferme à {at} : tla-relay stay pour la garder.",
			"Are you still there? Without an answer the session ends at {at}: tla-relay stay keeps it."},
		refused: Text{
			"Attention : ce terminal a refusé {n} {n:demande:demandes} du Poste de Travail. Prévenez l'opérateur.",
			"Careful: this terminal refused {n} {n:request:requests} of the Poste de Travail. Tell the operator."},
		pdtTLS:     Text{"Chiffrement jusqu'au Poste de Travail", "Encryption to the Poste de Travail"},
		gatewayTLS: Text{"Chiffrement jusqu'au service de votre opérateur", "Encryption to your operator's service"},
		readAhead:  Text{"Lecture anticipée", "Read ahead"},
		counts: Text{
			"{n} {n:réponse:réponses}, dont {taken} {taken:utile:utiles} et {dropped} {dropped:inutile:inutiles}",
			"{n} {n:answer:answers}, of which {taken} of use and {dropped} of none"},
		off:      Text{"désactivée", "off"},
		notAhead: Text{"sans lecture anticipée", "not read ahead"},
	}
)

// warnings warn of ends that are near.
var warnings = map[tla.Code]Text{
	tla.CodeTimeOver: {
		"La session atteint sa durée maximale à {at} et se fermera alors.",
		"The session reaches its longest time at {at}, and ends then."},
	tla.CodeInactive: {"Aucune carte n'est utilisée : la session se ferme à {at} ; tla-relay stay pour la garder.",
		"No card is in use: the session ends at {at}; tla-relay stay keeps it."},
	tla.CodeAbsent: {
		"Sans réponse de votre part, la session se ferme à {at} : tla-relay stay pour la garder.",
		"Without an answer of yours the session ends at {at}: tla-relay stay keeps it."},
	tla.CodeExpired: {
		"Le certificat de ce terminal expire à {at} : la session se fermera alors.",
		"This terminal's certificate ends at {at}, and the session with it."},
	tla.CodeCardOut: {
		"Votre carte CPS est retirée : remettez-la, sinon la session se ferme à {at}.",
		"Your CPS card is out: put it back, or the session ends at {at}."},
}

func (t Tongue) Up(s *tla.Status) string {
	return t.Say(up, []string{"pdt", NameOf(s.PdT, s.Identity)})
}

// Unseen prints which cards programs at the PdT do not see, and why if that is known.
func (t Tongue) Unseen(w io.Writer, s *tla.Status) {
	for _, r := range s.Readers {
		if c := r.Card; c != nil && Waits(c) {
			why := ""
			if c.Hold != cards.HoldTaken && c.Hold != cards.HoldNone {
				why = t.Colon() + " " + t.Say(Holds[c.Hold], nil)
			}
			fmt.Fprintln(w, t.Say(unseen, append(t.CardFill(c.Role), "why", why)))
		}
	}
}

// Declining returns a sentence for each card whose reader declines one command after the other.
func (t Tongue) Declining(s *tla.Status) (list []string) {
	for _, r := range s.Readers {
		if r.Card != nil && r.Card.Declined > 0 {
			list = append(list, t.Say(declining, t.CardFill(r.Card.Role)))
		}
	}
	return list
}

// Forgotten returns a sentence for each card that was in when the last session ended, and still is (5.1).
func (t Tongue) Forgotten(s *tla.Status) (list []string) {
	for _, r := range s.Readers {
		if r.Card != nil && r.Card.Forgotten {
			list = append(list, t.Say(forgotten, t.CardFill(r.Card.Role)))
		}
	}
	return list
}

// CardFill returns what {card} and {yours} stand for.
func (t Tongue) CardFill(slot string) []string {
	return []string{"card", t.Say(CardNames[slot], nil), "yours", t.Say(yourCards[slot], nil)}
}

// Waits reports whether the PdT's programs are known not to see a card of the session.
func Waits(c *tla.CardStatus) bool { return c.Shown != nil && !*c.Shown }

// Freed prints that the cards are free, now that there is no session; it is an error if one is not released yet.
func (t Tongue) Freed(w io.Writer, s *tla.Status) error {
	if Stuck(s) {
		return errors.New(t.Say(notFree, nil))
	}
	fmt.Fprintln(w, t.Say(stopped, nil))
	for _, text := range t.Forgotten(s) {
		fmt.Fprintln(w, text)
	}
	return nil
}

// Stuck reports whether a reader with a card in it does not answer.
func Stuck(s *tla.Status) bool {
	return slices.ContainsFunc(s.Readers, func(r tla.ReaderStatus) bool {
		return r.Card != nil && r.Card.Hold == cards.HoldStuck
	})
}

// PINAsked says which PIN is asked for, and where to enter it.
func (t Tongue) PINAsked(p *tla.PINRequest) string {
	where := map[bool]Text{false: statusWords.pinAsked, true: statusWords.pinPad}[p.Pad]
	return t.Say(where, t.CardFill(p.Slot))
}

// Status prints a page for people.
func (t Tongue) Status(w io.Writer, s *tla.Status) {
	t.line(w, statusWords.state, t.Say(states[s.State], nil))
	t.line(w, statusWords.pdt, NameOf(s.PdT, s.Identity))
	if n := s.Session; n != nil {
		if !n.Since.IsZero() {
			t.line(w, statusWords.since, stamp(n.Since))
		}
		t.encryption(w, statusWords.pdtTLS, n.PdTTLS)
		t.encryption(w, statusWords.gatewayTLS, n.GatewayTLS)
		t.ahead(w, n)
		t.ends(w, n)
	}
	if p := s.PIN; p != nil {
		fmt.Fprintln(w, t.PINAsked(p))
		if p.For == tla.PINForStart {
			fmt.Fprintln(w, t.Say(Purpose(p), nil))
		}
	}
	if n := s.Session; n != nil && n.Refused >= tla.ManyRefused {
		fmt.Fprintln(w, t.Say(statusWords.refused, []string{"n", fmt.Sprint(n.Refused)}))
	}
	t.readers(w, s)
	for _, text := range append(t.Declining(s), t.Forgotten(s)...) {
		fmt.Fprintln(w, text)
	}
	if s.Last != nil && s.Session == nil { // in a session, how the one before it ended does not matter
		t.line(w, statusWords.last, stamp(s.Last.At)+" - "+t.last(s.Last, s.Identity))
	}
	t.certificate(w, s)
	if s.Storage != "" {
		fmt.Fprintln(w, t.Say(statusWords.noRoom, nil))
	}
}

// encryption prints what a layer of TLS negotiated, for the person who looks after the terminal (C2).
func (t Tongue) encryption(w io.Writer, name Text, n *pki.Negotiated) {
	if n != nil {
		t.line(w, name, n.String())
	}
}

// ahead prints how many answers were read before programs asked for them, once the session is up.
func (t Tongue) ahead(w io.Writer, n *tla.SessionStatus) {
	switch {
	case n.Since.IsZero():
	case n.ReadAhead == 0:
		t.line(w, statusWords.readAhead, t.Say(statusWords.off, nil))
	default:
		var read ahead.Counts
		if n.Ahead != nil {
			read = *n.Ahead
		}
		t.line(w, statusWords.readAhead, t.Say(statusWords.counts, []string{"n", fmt.Sprint(read.Read()),
			"taken", fmt.Sprint(read.Taken), "dropped", fmt.Sprint(read.Dropped)}))
	}
}

// line prints one item of the status with its name.
func (t Tongue) line(w io.Writer, name Text, text string) {
	fmt.Fprintf(w, "%s%s %s\n", t.Say(name, nil), t.Colon(), text)
}

// last returns how the last session ended, or why it did not start.
func (t Tongue) last(e *tla.End, own string) string {
	if !e.Started {
		return t.WhyOf("start", &e.Why, own)
	}
	return t.Why(&e.Why, own)
}

// certificate prints until when our certificate is valid, and what is wrong with it.
func (t Tongue) certificate(w io.Writer, s *tla.Status) {
	switch {
	case s.Problem != "":
		fmt.Fprintln(w, t.Say(statusWords.noOwn, nil))
		return
	case !s.Certificate.IsZero():
		t.line(w, statusWords.own, stamp(s.Certificate))
	}
	if late := t.Warning(s); late != "" {
		t.line(w, enrolWords.warning, late)
	}
}

// ends prints that an end is near, and what the user can do about it.
func (t Tongue) ends(w io.Writer, n *tla.SessionStatus) {
	if n.Ask != nil {
		fmt.Fprintln(w, t.Say(statusWords.ask, []string{"at", clock(n.Ask.Until)}))
	} else if n.Warning != nil {
		fmt.Fprintln(w, t.Say(warnings[n.Warning.Code], []string{"at", clock(n.Warning.At)}))
	}
}

func (t Tongue) readers(w io.Writer, s *tla.Status) {
	switch {
	case s.PCSC != "":
		fmt.Fprintln(w, t.Say(NoPCSC, nil)+".")
	case len(s.Readers) == 0:
		fmt.Fprintln(w, t.Say(NoReader, nil))
	}
	for _, r := range s.Readers {
		fmt.Fprintf(w, "%s %s%s %s\n", t.Say(statusWords.reader, nil), clean(r.Name), t.Colon(), t.card(r.Card))
	}
}

func (t Tongue) card(c *tla.CardStatus) string {
	if c == nil {
		return t.Say(statusWords.empty, nil)
	}
	text := t.Say(Kinds[c.Kind], nil)
	unseen := ""
	if c.Hold == cards.HoldTaken && Waits(c) {
		unseen = t.Say(notSeen, nil)
	}
	atr := ""
	if c.ATR != "" {
		atr = "ATR " + clean(c.ATR)
	}
	notAhead := ""
	if c.NotAhead {
		notAhead = t.Say(statusWords.notAhead, nil)
	}
	for _, more := range []string{t.Say(Uses[c.Use], nil), atr, t.Say(Holds[c.Hold], nil), unseen, notAhead} {
		if more != "" {
			text += ", " + more
		}
	}
	return text
}

func clock(at time.Time) string { return at.Local().Format("15:04:05") }

func stamp(at time.Time) string { return at.Local().Format("2006-01-02 15:04:05") }
