package main

import "tlagate/tla"

// tooSmall is in both languages: it must fit in one line.
const tooSmall = "Ecran trop petit / screen too small: 40x12"

// stateWords are what is drawn in block letters.
var stateWords = map[tla.State]words{
	tla.StateIdle:         {"FERMÉE", "CLOSED"},
	tla.StateStarting:     {"ATTENDEZ", "WAIT"},
	tla.StateUp:           {"OUVERTE", "OPEN"},
	tla.StateEnding:       {"FIN", "ENDING"},
	tla.StateChecking:     {"TEST", "TEST"},
	tla.StateReconnecting: {"COUPURE", "NO LINK"},
}

// stateLeads are the sentences beneath them.
var stateLeads = map[tla.State]words{
	tla.StateIdle:         {"Aucune session : vos cartes sont libres.", "No session: your cards are free."},
	tla.StateStarting:     {"La session avec {pdt} s'ouvre.", "The session with {pdt} is starting."},
	tla.StateUp:           {"La session avec {pdt} est ouverte.", "The session with {pdt} is open."},
	tla.StateEnding:       {"La session se ferme.", "The session is ending."},
	tla.StateChecking:     {"Test en cours, sans toucher aux cartes.", "The test is under way; no card is touched."},
	tla.StateReconnecting: {"Le réseau est coupé. Reconnexion en cours, ne retirez pas les cartes.", "The network is cut. Reconnecting; leave the cards in."},
}

// Words of the screens. {pdt}, {card}, {n}, {time}, {text} are filled in.
var (
	bigFailed   = words{"ÉCHEC", "FAILED"}
	bigLost     = words{"PERDUE", "LOST"}
	bigDown     = words{"PANNE", "DOWN"}
	bigPIN      = words{"CODE", "PIN"}
	bigLastTry  = words{"ATTENTION", "CAREFUL"}
	bigStop     = words{"FERMER ?", "CLOSE ?"}
	bigAsk      = words{"RÉPONDEZ", "ANSWER"}
	bigReady    = words{"PRÊT", "READY"}
	bigNotReady = words{"PAS PRÊT", "NOT READY"}

	firstLook = words{"Le terminal se prépare.", "The terminal is getting ready."}
	leadStop  = words{"Voulez-vous fermer la session avec {pdt} ?", "Do you want to end the session with {pdt}?"}
	leadAsk   = words{"Êtes-vous toujours là ?", "Are you still there?"}
	leadPIN   = words{"Tapez le code porteur de votre {card}.", "Type the PIN of your {card}."}
	leadPad   = words{"Tapez le code porteur de votre {card} sur le clavier du lecteur.", "Type the PIN of your {card} on the reader's keys."}
	leadLast  = words{"Il ne reste qu'un essai avant le blocage de votre {card}.", "One try is left before your {card} blocks."}
	doDown    = words{"Attendez une minute ; si rien ne change, appelez votre opérateur.", "Wait a minute; if nothing changes, call your operator."}
	doAllowed = words{"Appelez votre opérateur.", "Call your operator."}
	downLead  = words{
		"Ce terminal n'est pas prêt : il démarre, ou il n'a pas encore été mis en service (enrôlé).",
		"This terminal is not ready: it is starting, or was not put into service (enrolled) yet."}
	leadStuck = words{
		"Aucune session, mais un lecteur ne répond pas : sa carte n'est pas libre. Retirez-la.",
		"No session, but a reader does not answer: its card is not free. Take it out."}
	leadTaken = words{
		"Le code porteur de votre {card} est demandé ; il est peut-être tapé ailleurs.",
		"The PIN of your {card} is asked for; it may be being typed elsewhere."}

	askedBy     = words{"Demandé par {pdt}.", "Asked for by {pdt}."}
	triesLeft   = words{"Il reste {n} {n:essai:essais}.", "{n} {n:try:tries} left."}
	secondsLeft = words{"Encore {n}\u00a0s.", "{n}\u00a0s left."}
	typedSoFar  = words{"Code : {text}", "PIN: {text}"}
	neverShared = words{"Ne donnez jamais votre code à personne.", "Never give your PIN to anybody."}
	timeLeft    = words{"Fin au plus tard à {time} (dans {n}).", "Ends at {time} at the latest (in {n})."}
	endsSoon    = words{"Fin dans {n}\u00a0s : {text}", "Ends in {n}\u00a0s: {text}"}
	askLeft     = words{"Sans réponse, la session se ferme dans {n}\u00a0s.", "Without an answer the session ends in {n}\u00a0s."}
	graceLeft   = words{"Encore {n}\u00a0s avant la fin de la session.", "The session ends in {n}\u00a0s."}
	atTime      = words{"à {time}", "at {time}"}
	incidentNo  = words{"Incident {n}", "Incident {n}"}
	choosePdT   = words{"Poste de Travail :", "Poste de Travail:"}
	noCards     = words{"Aucune carte dans les lecteurs.", "No card in the readers."}

	cardReading = words{"lue par {pdt}", "being read by {pdt}"}
	cardHeld    = words{"prête pour {pdt}", "ready for {pdt}"}
	cardWaits   = words{"en attente de {pdt}", "waiting for {pdt}"}
	cardFree    = words{"libre", "free"}
	reader      = words{"lecteur {text}", "reader {text}"}

	roleNames = map[string]words{
		"gateway": {"le service de votre opérateur", "your operator's service"},
		"pdt":     {"le Poste de Travail {text}", "the Poste de Travail {text}"},
		"tla":     {"ce terminal", "this terminal"},
	}
)

// endWords are the ends that the user is warned of.
var endWords = map[tla.Code]words{
	tla.CodeTimeOver: {"durée maximale atteinte.", "the longest time is over."},
	tla.CodeInactive: {"aucune carte n'est utilisée.", "no card is in use."},
	tla.CodeAbsent:   {"sans réponse de votre part.", "without an answer of yours."},
	tla.CodeExpired:  {"le certificat du terminal expire.", "the terminal's certificate ends."},
}

// What can be pressed.
var (
	keyStart   = words{"Entrée : ouvrir", "Enter: start"}
	keyChoose  = words{"1-{n} : choisir", "1-{n}: choose"}
	keyMore    = words{"- : suite", "-: more"}
	keyTest    = words{"+ : test", "+: test"}
	keyKeep    = words{"Entrée : continuer", "Enter: go on"}
	keyStop    = words{"0 : fermer", "0: end"}
	keyGiveUp  = words{"0 : abandonner", "0: give up"}
	keyYesStop = words{"Entrée : oui, fermer", "Enter: yes, end it"}
	keyNoStop  = words{"0 : non, continuer", "0: no, go on"}
	keyStay    = words{"Entrée : oui, continuer", "Enter: yes, go on"}
	keyNoStay  = words{"0 : non, fermer", "0: no, end it"}
	keyBack    = words{"0 : retour", "0: back"}
	keyOK      = words{"Entrée : valider", "Enter: done"}
	keyErase   = words{"- : effacer", "-: erase"}
	keyRefuse  = words{"/ : refuser", "/: refuse"}
	keyInsist  = words{"Entrée : taper mon code", "Enter: type my PIN"}
)
