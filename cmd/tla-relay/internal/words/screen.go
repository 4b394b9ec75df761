package words

import "tlagate/tla"

// TooSmall is in both languages: it must fit in one line.
const TooSmall = "Ecran trop petit / screen too small: 40x12"

// StateWords are drawn in block letters.
var StateWords = map[tla.State]Text{
	tla.StateIdle:         {"FERMÉE", "CLOSED"},
	tla.StateStarting:     {"ATTENDEZ", "WAIT"},
	tla.StateUp:           {"OUVERTE", "OPEN"},
	tla.StateEnding:       {"FIN", "ENDING"},
	tla.StateRehearsing:   {"TEST", "TEST"},
	tla.StateReconnecting: {"COUPURE", "NO LINK"},
}

// StateLeads are the sentences beneath them.
var StateLeads = map[tla.State]Text{
	tla.StateIdle:       {"Aucune session : vos cartes sont libres.", "No session: your cards are free."},
	tla.StateStarting:   {"La session avec {pdt} s'ouvre.", "The session with {pdt} is starting."},
	tla.StateUp:         {"La session avec {pdt} est ouverte.", "The session with {pdt} is open."},
	tla.StateEnding:     {"La session se ferme.", "The session is ending."},
	tla.StateRehearsing: {"Test en cours, sans toucher aux cartes.", "The test is under way; no card is touched."},
	tla.StateReconnecting: {
		"Le réseau est coupé. Reconnexion en cours, ne retirez pas les cartes.",
		"The network is cut. Reconnecting; leave the cards in."},
}

// Words of the screens. {pdt}, {card}, {n}, {time}, {text} are filled in.
var (
	BigFailed   = Text{"ÉCHEC", "FAILED"}
	BigLost     = Text{"PERDUE", "LOST"}
	BigDown     = Text{"PANNE", "DOWN"}
	BigPIN      = Text{"CODE", "PIN"}
	BigLastTry  = Text{"ATTENTION", "CAREFUL"}
	BigStop     = Text{"FERMER ?", "CLOSE ?"}
	BigAsk      = Text{"RÉPONDEZ", "ANSWER"}
	BigReady    = Text{"PRÊT", "READY"}
	BigNotReady = Text{"PAS PRÊT", "NOT READY"}

	FirstLook = Text{"Le terminal se prépare.", "The terminal is getting ready."}
	LeadStop  = Text{"Voulez-vous fermer la session avec {pdt} ?", "Do you want to end the session with {pdt}?"}
	LeadAsk   = Text{"Êtes-vous toujours là ?", "Are you still there?"}
	LeadPIN   = Text{"Tapez le code porteur de {yours}.", "Type the PIN of {yours}."}
	LeadPad   = Text{
		"Tapez le code porteur de {yours} sur le clavier du lecteur.",
		"Type the PIN of {yours} on the reader's keys."}
	LeadLast = Text{
		"Il ne reste qu'un essai avant le blocage de {yours}.",
		"One try is left before {yours} blocks."}
	DoDown = Text{
		"Attendez une minute ; si rien ne change, appelez votre opérateur.",
		"Wait a minute; if nothing changes, call your operator."}
	DoAllowed = Text{"Appelez votre opérateur.", "Call your operator."}
	DownLead  = Text{
		"Ce terminal n'est pas prêt : il démarre, ou il n'a pas encore été mis en service (enrôlé).",
		"This terminal is not ready: it is starting, or was not put into service (enrolled) yet."}
	LeadStuck = Text{
		"Aucune session, mais un lecteur ne répond pas : sa carte n'est pas libre. Retirez-la.",
		"No session, but a reader does not answer: its card is not free. Take it out."}
	LeadTaken = Text{
		"Le code porteur de {yours} est demandé ; il est peut-être tapé ailleurs.",
		"The PIN of {yours} is asked for; it may be being typed elsewhere."}

	AskedBy       = Text{"Demandé par {pdt}.", "Asked for by {pdt}."}
	AskedForStart = Text{
		"Pour ouvrir la session demandée.",
		"To start the session you asked for."}
	AskedForStartAgain = Text{
		"Pour ouvrir la session demandée ; une seconde fois, car la configuration du terminal vient d'être renouvelée.",
		"To start the session you asked for; once more, since the terminal's configuration was just renewed."}
	TriesLeft   = Text{"Il reste {n} {n:essai:essais}.", "{n} {n:try:tries} left."}
	SecondsLeft = Text{"Encore {n}\u00a0s.", "{n}\u00a0s left."}
	TypedSoFar  = Text{"Code : {text}", "PIN: {text}"}
	// beside TypedSoFar, on a line of 40 characters
	TooFewDigits = Text{"(au moins {n} {n:chiffre:chiffres})", "(at least {n} {n:digit:digits})"}
	NeverShared  = Text{"Ne donnez jamais votre code à personne.", "Never give your PIN to anybody."}
	TimeLeft     = Text{"Fin au plus tard à {time} (dans {n}).", "Ends at {time} at the latest (in {n})."}
	EndsSoon     = Text{"Fin dans {n}\u00a0s : {text}", "Ends in {n}\u00a0s: {text}"}
	AskLeft      = Text{
		"Sans réponse, la session se ferme dans {n}\u00a0s.",
		"Without an answer the session ends in {n}\u00a0s."}
	GraceLeft  = Text{"Encore {n}\u00a0s avant la fin de la session.", "The session ends in {n}\u00a0s."}
	AtTime     = Text{"à {time}", "at {time}"}
	IncidentNo = Text{"Incident {n}", "Incident {n}"}
	ChoosePdT  = Text{"Poste de Travail :", "Poste de Travail:"}
	NoCards    = Text{"Aucune carte dans les lecteurs.", "No card in the readers."}

	CardReading = Text{"lue par {pdt}", "being read by {pdt}"}
	CardHeld    = Text{"prête pour {pdt}", "ready for {pdt}"}
	CardWaits   = Text{"en attente de {pdt}", "waiting for {pdt}"}
	CardFree    = Text{"libre", "free"}
	Reader      = Text{"lecteur {text}", "reader {text}"}
)

// EndWords name the ends of which the user is warned.
var EndWords = map[tla.Code]Text{
	tla.CodeTimeOver: {"durée maximale atteinte.", "the longest time is over."},
	tla.CodeInactive: {"aucune carte n'est utilisée.", "no card is in use."},
	tla.CodeAbsent:   {"sans réponse de votre part.", "without an answer of yours."},
	tla.CodeExpired:  {"le certificat du terminal expire.", "the terminal's certificate ends."},
	tla.CodeCardOut:  {"remettez votre carte CPS.", "put your CPS card back."},
}

// What can be pressed.
var (
	KeyStart   = Text{"Entrée : ouvrir", "Enter: start"}
	KeyChoose  = Text{"1-{n} : choisir", "1-{n}: choose"}
	KeyMore    = Text{"- : suite", "-: more"}
	KeyTest    = Text{"+ : test", "+: test"}
	KeyKeep    = Text{"Entrée : continuer", "Enter: go on"}
	KeyStop    = Text{"0 : fermer", "0: end"}
	KeyGiveUp  = Text{"0 : abandonner", "0: give up"}
	KeyYesStop = Text{"Entrée : oui, fermer", "Enter: yes, end it"}
	KeyNoStop  = Text{"0 : non, continuer", "0: no, go on"}
	KeyStay    = Text{"Entrée : oui, continuer", "Enter: yes, go on"}
	KeyNoStay  = Text{"0 : non, fermer", "0: no, end it"}
	KeyBack    = Text{"0 : retour", "0: back"}
	KeyOK      = Text{"Entrée : valider", "Enter: done"}
	KeyErase   = Text{"- : effacer", "-: erase"}
	KeyRefuse  = Text{"/ : refuser", "/: refuse"}
	KeyInsist  = Text{"Entrée : taper mon code", "Enter: type my PIN"}
)

// Keys returns the texts of keys in the user's language.
func (t Tongue) Keys(list ...Text) (texts []string) {
	for _, k := range list {
		texts = append(texts, t.Say(k, nil))
	}
	return texts
}
