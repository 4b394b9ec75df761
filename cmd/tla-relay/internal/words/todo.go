package words

import (
	"tlagate/bundle"
	"tlagate/dialer"
	"tlagate/pki"
	"tlagate/session"
	"tlagate/session/link"
	"tlagate/tla"
)

// The one thing that the user is to do.
var (
	doCall = Text{
		"Appelez votre opérateur et donnez le numéro d'incident.",
		"Call your operator and read out the incident number."}
	doNetwork = Text{
		"Vérifiez le réseau (Wi-Fi, câble, mobile), puis recommencez.",
		"Check the network (Wi-Fi, cable, mobile), then start again."}
	doClock = Text{
		"Vérifiez la date et l'heure de ce terminal ; si elles sont justes, appelez votre opérateur.",
		"Check the date and time of this terminal; if they are right, call your operator."}
	doSetClock = Text{
		"Mettez ce terminal à l'heure, puis recommencez.",
		"Set the clock of this terminal, then start again."}

	doPortal = Text{
		"Changez de réseau (partage du téléphone), ou demandez un accès sans page d'accueil.",
		"Change the network (a phone's), or ask for an access without a login page."}
	doElsewhere = Text{
		"Essayez un autre réseau ; si cela se répète, appelez votre opérateur.",
		"Try another network; if it happens again, call your operator."}
	doAllow = Text{
		"Changez de réseau, ou demandez à qui le gère d'autoriser ce terminal.",
		"Change the network, or ask whoever runs it to allow this terminal."}

	doWait = Text{"Attendez une minute, puis recommencez.", "Wait a minute, then start again."}
	doPdT  = Text{ // it may be on its way: after an outage it takes up to ten seconds to be back
		"Attendez une minute et recommencez ; sinon, vérifiez que le Poste de Travail est allumé.",
		"Wait a minute and start again; if it fails again, check that the Poste de Travail is on."}
	doOwnCard = Text{
		"Insérez votre carte CPS, puis recommencez.",
		"Put your CPS card in, then start again."}
	doCardAgain = Text{
		"Remettez votre carte CPS, puis ouvrez une nouvelle session.",
		"Put your CPS card back, then start a new session."}
	doIssuerOr = Text{
		"Adressez-vous à l'émetteur de votre carte (l'ANS), ou appelez votre opérateur.",
		"Ask the issuer of your card (the ANS), or call your operator."}
	doIssuer = Text{
		"Adressez-vous à l'émetteur de votre carte (l'ANS), qui peut la débloquer.",
		"Ask the issuer of your card (the ANS), who can unblock it."}
	doRenewCard = Text{
		"Demandez une nouvelle carte CPS à son émetteur (l'ANS).",
		"Ask the issuer of your CPS card (the ANS) for a new one."}
	doOpen  = Text{"Ouvrez une nouvelle session.", "Start a new session."}
	doAgain = Text{
		"Recommencez ; si cela se répète, appelez votre opérateur.",
		"Start again; if it happens again, call your operator."}
)

// todos say what the user is to do about a Why, by its code; todoReasons, by code and reason, come first.
var todos = map[tla.Code]Text{
	tla.CodeAlready:       {"Fermez d'abord la session en cours.", "End the present session first."},
	tla.CodeConfiguration: doCall,
	tla.CodeUnreachable:   doNetwork,
	tla.CodeProxy:         doNetwork,
	tla.CodePortal:        doPortal,
	tla.CodeRefused:       doCall,
	tla.CodeRejected:      doCall,
	tla.CodeProblem:       doCall,
	tla.CodePdT:           doAgain,
	tla.CodeNotice:        doAgain,
	tla.CodeTimeout:       doAgain,
	tla.CodeLost:          doNetwork,
	tla.CodeProtocol:      doCall,
	tla.CodeStopped:       doOpen,
	tla.CodeCancelled:     doOpen,
	tla.CodeTimeOver:      doOpen,
	tla.CodeInactive:      doOpen,
	tla.CodeAbsent:        doOpen,
	tla.CodeNoSession:     doOpen,
	tla.CodeExpired:       doCall,
	tla.CodeShutdown:      doWait,
	tla.CodeSeal:          doCall,
	tla.CodeIntegrity:     doCall,
	tla.CodeClock:         doSetClock,
	tla.CodeManyRefused:   doCall,
	tla.CodeRehearsal:     doCall,
	tla.CodeUnknownPdT:    {"Choisissez un Poste de Travail de la liste.", "Choose a Poste de Travail of the list."},
	tla.CodeNoPIN: {
		"Relancez la demande depuis le logiciel du Poste de Travail.",
		"Ask for it again from the software of the Poste de Travail."},
	tla.CodeLastTry: {
		"Ne continuez que si vous êtes sûr de votre code.",
		"Go on only if you are sure of your PIN."},
	tla.CodeBadPIN: {"Tapez de nouveau votre code.", "Type your PIN again."},
	tla.CodePINFailed: {
		"Remettez la carte, puis relancez la demande depuis le logiciel.",
		"Put the card back, then ask again from the software."},
	tla.CodeUnknownCommand: doCall,
	tla.CodeUser:           doAgain,
	tla.CodeCardOut:        doCardAgain,
	tla.CodeOtherCard: {
		"Chacun ouvre sa propre session, avec sa carte.",
		"Everybody starts a session of their own, with their card."},
}

// What is wrong with a card that is in (todoKey).
const (
	cardsUnknown = string(tla.ItemCards) + " " + string(tla.UseUnknown)
	cardsNoRule  = string(tla.ItemCards) + " " + string(tla.UseNoRule)
	cardsSecond  = string(tla.ItemCards) + " " + string(tla.UseSecond)
)

var doOtherCard = Text{
	"Retirez la carte que ce terminal ne connaît pas ; si c'est la bonne, appelez votre opérateur.",
	"Take out the card that this terminal does not know; if it is the right one, call your operator."}

var todoReasons = map[tla.Code]map[string]Text{
	tla.CodeProxy: {
		string(dialer.NoPassword):  doCall,
		string(dialer.Credentials): doCall,
		string(dialer.OtherScheme): doCall,
		string(dialer.Portal):      doPortal,
		string(dialer.Denied):      doAllow,
		string(dialer.NoHTTP):      doElsewhere,
	},
	tla.CodeRefused:  todoCertificates,
	tla.CodeRejected: todoCertificates,
	tla.CodeProblem: {
		string(link.ProblemTLABusy):          doWait,
		string(link.ProblemTooMany):          doWait,
		string(link.ProblemDraining):         doWait,
		string(link.ProblemTraceFull):        doCall,
		string(link.ProblemBadAuthorization): doAgain,
		string(link.ProblemPdTAbsent):        doPdT,
		string(link.ProblemClockWrong):       doSetClock,
		string(link.ProblemUserRequired):     doCall, // but for some causes
		string(link.ProblemBadProof):         doAgain,
		string(link.ProblemUserRefused):      doCall,
		string(link.ProblemUserDenied):       doCall,
	},
	tla.CodeUser: {
		tla.UserNoCard:      doOwnCard,
		tla.UserCardBusy:    doWait,
		tla.UserReaderStuck: doReader,
		tla.UserCardOut:     doCardAgain,
		tla.UserBlocked:     doIssuer,
		tla.UserDeclined:    doOpen,
		tla.UserNoAnswer:    doOpen,
	},
	tla.CodePdT: {
		string(session.ByeBusy): {
			"Fermez une autre session de ce Poste de Travail, ou attendez.",
			"End another session of that Poste de Travail, or wait."},
		string(session.ByeRemoved):  doPdT,
		string(session.ByeShutdown): doPdT,
		string(session.ByeProtocol): doCall,
		string(session.ByeRefused):  doCall,
		string(session.ByeTimeOver): doOpen,
		string(session.ByeInactive): doOpen,
		string(session.ByeStopped):  doOpen,
		string(session.ByeUser):     doCall,
	},
	tla.CodeNotice: {
		string(link.CodeRevoked):         doCall,
		string(link.CodeExpired):         doCall,
		string(link.CodeUserRevoked):     doCall, // who sees whether it is the card, or a list about cards that ended
		string(link.CodeEndedByOperator): doCall,
		string(link.CodeProtocol):        doCall,
		string(link.CodeTimeOver):        doOpen,
		string(link.CodeDraining):        doWait,
		string(link.CodePeerGone):        doPdT,
	},
	tla.CodeSeal: {
		string(bundle.Expired): doClock,
		tla.ReasonChanged:      doOpen,
	},
	tla.CodeRehearsal: {
		string(tla.ItemReaders): {"Branchez le lecteur de cartes.", "Plug in the card reader."},
		string(tla.ItemCards):   {"Insérez votre carte, puce en avant.", "Put your card in, chip first."},
		cardsUnknown:            doOtherCard,
		cardsNoRule:             doOtherCard,
		cardsSecond: {
			"Laissez une seule carte de chaque type : retirez l'autre.",
			"Leave one card of each type in: take the other one out."},
		string(tla.ItemUser): doOwnCard,
		string(tla.ItemLink): {"Appelez votre opérateur : la liste de révocation est à renouveler.",
			"Call your operator: the revocation list is to be renewed."},
		string(tla.ItemCertificate): {
			"Appelez votre opérateur : le certificat est à renouveler.",
			"Call your operator: the certificate is to be renewed."},
	},
}

// todoCauses are about a gateway that wants to know who the user is, by why there was no proof, or why the user's card
// is not accepted.
var todoCauses = map[string]map[string]Text{
	string(link.ProblemUserRequired): {
		tla.UserNoCard:      doOwnCard,
		tla.UserCardOut:     doOwnCard,
		tla.UserCardBusy:    doWait,
		tla.UserReaderStuck: doReader,
	},
	string(link.ProblemUserRefused): {
		string(pki.Expired):    doRenewCard,
		string(pki.Revoked):    doIssuerOr,
		string(pki.UserStatus): doAgain,
	},
}

var doReader = Text{
	"Débranchez le lecteur et rebranchez-le, puis recommencez.",
	"Unplug the reader and plug it again, then start again."}

var todoCertificates = map[string]Text{
	string(pki.Expired):         doClock,
	string(pki.NotYetValid):     doClock,
	string(pki.CRLFuture):       doClock,
	string(pki.OCSPFuture):      doClock,
	string(pki.ALPN):            doNetwork,
	string(pki.HandshakeSlow):   doNetwork,
	string(pki.HandshakeFailed): doNetwork,
}

// todoStrangers are about what answers, unproven, in the operator's place: most likely this network is the cause.
var todoStrangers = map[string]Text{
	string(pki.UnknownIssuer):   doElsewhere,
	string(pki.Inspected):       doAllow,
	string(pki.SelfSigned):      doElsewhere,
	string(pki.NameMismatch):    doElsewhere,
	string(pki.TLSVersion):      doElsewhere,
	string(pki.CipherSuite):     doElsewhere,
	string(pki.ALPN):            doElsewhere,
	string(pki.HandshakeFailed): doElsewhere,
}

// Todo returns the one thing to do about a Why.
func (t Tongue) Todo(w *tla.Why) string {
	if known, ok := todoStrangers[w.Reason]; ok && w.Code == tla.CodeRefused && w.Peer == string(pki.RoleGateway) {
		return t.Say(known, nil)
	}
	if known, ok := todoCauses[w.Reason][w.Cause]; ok {
		return t.Say(known, nil)
	}
	if known, ok := todoReasons[w.Code][w.Reason]; ok {
		return t.Say(known, nil)
	}
	if known, ok := todos[w.Code]; ok {
		return t.Say(known, nil)
	}
	return t.Say(doCall, nil)
}
