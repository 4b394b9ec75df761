package main

import (
	"tlagate/bundle"
	"tlagate/cmd/internal/enrol"
	"tlagate/dialer"
	"tlagate/pki"
	"tlagate/session"
	"tlagate/session/link"
	"tlagate/tla"
	ctl "tlagate/tla/control"
)

// words is one text in the languages of the user, for a professional: plain, without names of machines or programs, which
// log and trace have under the incident number. {peer}, {pdt}, {reason}, {n} and the like are filled in; {n:essai:essais} is
// what {n} makes of it.
type words struct{ fr, en string }

var (
	up     = words{"Session ouverte avec {pdt}.", "Session up with {pdt}."}
	unseen = words{
		"Les programmes du Poste de Travail ne voient pas encore votre {card}{why}.",
		"Programs at the Poste de Travail do not see your {card} yet{why}."}
	declining = words{
		"Le lecteur ne fait plus ce qui est demandé à votre {card} : retirez-la et remettez-la, ou changez de lecteur.",
		"The reader no longer does what is asked of your {card}: take it out and put it back, or use another reader."}
	notSeen = words{"pas encore visible pour le Poste de Travail", "not yet seen by the Poste de Travail"}
	stopped = words{"Aucune session : les cartes sont libres.", "No session: the cards are free."}
	notFree = words{
		"La session est fermée, mais un lecteur ne répond pas : sa carte n'est pas encore libre. Retirez-la du lecteur.",
		"The session has ended, but a reader does not answer: its card is not free yet. Take it out of the reader."}
	unknown = words{"cause inconnue", "unknown reason"}
	noRelay = words{
		"Ce terminal ne répond pas : le service tla-relay est-il démarré ?",
		"The terminal does not answer: is the tla-relay service running?"}
	unreadable = words{
		"La réponse de ce terminal est illisible : appelez votre opérateur.",
		"The terminal's answer cannot be read: call your operator."}
	givenUp  = words{"Abandonné.", "Given up."}
	stayed   = words{"La session continue.", "The session goes on."}
	versions = words{
		"il ne comprend pas la demande, les versions sont-elles compatibles ?",
		"it does not understand the request, do the versions fit?"}
	misunderstood = words{"il ne comprend pas ce terminal", "it does not understand this terminal"}
	pinGood       = words{"Code porteur correct.", "PIN accepted."}
	pinWrong      = words{"Code porteur faux : il reste {n} {n:essai:essais}.", "Wrong PIN: {n} {n:try:tries} left."}
	pinNo         = words{
		"Vous avez refusé de donner le code porteur : rien n'a été présenté à la carte.",
		"You declined to enter the PIN: the card was shown none."}
	pinBlocked = words{
		"La carte est bloquée : trop de codes faux. Adressez-vous à l'émetteur de la carte.",
		"The card is blocked: too many wrong PINs. Ask the card's issuer."}
	pinRefused = words{
		"La carte n'a pas accepté le code porteur (réponse {answer}).",
		"The card did not accept the PIN (answer {answer})."}
	numbered = words{"Numéro d'incident : {incident}", "Incident number: {incident}"}
	detailed = words{"Détail : {detail}", "Detail: {detail}"} // of an enrolment, for whoever installs
)

// faults are what the control socket itself refuses.
var faults = map[string]words{
	ctl.FaultNotAllowed: {
		"Vous n'avez pas le droit de commander ce terminal : demandez à votre opérateur de vous l'accorder.",
		"You may not command this terminal: ask your operator for that right."},
	ctl.FaultNotLocal: {
		"Cette commande est réservée à la personne qui est devant ce terminal.",
		"This command is for the person in front of this terminal."},
	ctl.FaultTooMany: {
		"Trop de programmes parlent à ce terminal en ce moment : réessayez dans un instant.",
		"Too many programs talk to this terminal just now: try again in a moment."},
	ctl.FaultVersion:    oldProgram,
	ctl.FaultBadRequest: oldProgram,
}

var oldProgram = words{
	"Ce terminal ne comprend pas cette demande : les versions sont-elles compatibles ?",
	"The terminal does not understand this request: do the versions fit?"}

// whys are why a session did not start, or ended.
var whys = map[tla.Code]words{
	tla.CodeAlready: {"Une session est déjà ouverte ou en cours d'ouverture.", "A session is already running or starting."},
	tla.CodeConfiguration: {
		"La configuration de ce terminal est inutilisable.",
		"This terminal's configuration cannot be used."},
	tla.CodeUnreachable: {"Le service de votre opérateur ne répond pas.", "Your operator's service does not answer."},
	tla.CodeProxy: {
		"Le proxy de ce réseau ne laisse pas passer ce terminal : {reason}.",
		"This network's proxy does not let the terminal through: {reason}."},
	tla.CodePortal: {"Ce réseau répond par une page web : il demande de s'y identifier avant de laisser passer.",
		"This network answers with a web page: it wants a login there before it lets anything through."},
	tla.CodeRefused: {
		"Ce terminal n'a pas accepté {peer} : {reason}.",
		"This terminal did not accept {peer}: {reason}."},
	tla.CodeRejected: {"{peer} a refusé ce terminal : {reason}.", "{peer} refused this terminal: {reason}."},
	tla.CodeProblem: {
		"Le service de votre opérateur a refusé la session : {reason}.",
		"Your operator's service refused the session: {reason}."},
	tla.CodePdT: {
		"Le Poste de Travail a mis fin à la session : {reason}.",
		"The Poste de Travail ended the session: {reason}."},
	tla.CodeNotice: {
		"Le service de votre opérateur a mis fin à la session : {reason}.",
		"Your operator's service ended the session: {reason}."},
	tla.CodeTimeout: {"{peer} n'a pas répondu à temps.", "{peer} did not answer in time."},
	tla.CodeLost:    {"La connexion a été perdue.", "The connection was lost."},
	tla.CodeProtocol: {
		"{peer} et ce terminal ne se comprennent pas : les versions sont-elles compatibles ?",
		"{peer} and this terminal do not understand each other: do the versions fit?"},
	tla.CodeStopped:   {"Session terminée par l'utilisateur.", "The user ended the session."},
	tla.CodeCancelled: {"Démarrage abandonné par l'utilisateur.", "The user gave up the start."},
	tla.CodeTimeOver:  {"La session a atteint sa durée maximale.", "The session reached its longest time."},
	tla.CodeInactive:  {"La session est restée trop longtemps inactive.", "The session was inactive for too long."},
	tla.CodeClock: {
		"L'horloge de ce terminal est fausse : mettez-le à l'heure, puis recommencez.",
		"This terminal's clock is wrong: set it, then try again."},
	tla.CodeAbsent:    {"Personne n'a répondu au terminal.", "Nobody at the terminal answered."},
	tla.CodeNoSession: {"Aucune session n'est ouverte.", "There is no session."},
	tla.CodeUnknownPdT: {
		"Ce Poste de Travail n'est pas de ceux de ce terminal.",
		"That Poste de Travail is none of this terminal's."},
	tla.CodeManyRefused: {
		"Le Poste de Travail a demandé plusieurs fois ce que ce terminal interdit.",
		"The Poste de Travail asked several times for what this terminal forbids."},
	tla.CodeCheck:    {"Le test a trouvé un problème.", "The test found something."},
	tla.CodeExpired:  {"Le certificat de ce terminal a expiré.", "This terminal's certificate has ended."},
	tla.CodeShutdown: {"Ce terminal s'arrête.", "This terminal is stopping."},
	tla.CodeNoPIN:    {"Aucun code porteur n'est demandé en ce moment.", "No PIN is asked for now."},
	tla.CodeLastTry: {
		"Il ne reste qu'un essai avant le blocage de la carte. Si vous êtes sûr de votre code : tla-relay pin --last-try.",
		"One try is left before the card blocks. If you are sure of your PIN: tla-relay pin --last-try."},
	tla.CodeBadPIN: {
		"Ce n'est pas un code porteur : il a trop ou trop peu de chiffres, ou autre chose que des chiffres.",
		"That is no PIN: too many or too few digits, or not only digits."},
	tla.CodePINFailed: {"Le code porteur n'a pas pu être présenté à la carte : elle a été retirée, ou le temps est écoulé.",
		"The PIN could not be shown to the card: it was taken out, or the time is over."},
	tla.CodeSeal: {
		"Ce terminal refuse de travailler : sa configuration signée {reason}.",
		"This terminal refuses to work: its signed configuration {reason}."},
	tla.CodeUnknownCommand: oldProgram,
}

// whysOf are those of one command that mean something else there.
var whysOf = map[string]map[tla.Code]words{
	"check":               {tla.CodeCancelled: testGivenUp, tla.CodeStopped: testGivenUp},
	"start":               {tla.CodeStopped: whys[tla.CodeCancelled]},
	ctl.CommandPIN:        {tla.CodeCancelled: pinNo},
	ctl.CommandPINLastTry: {tla.CodeCancelled: pinNo},
}

var testGivenUp = words{"Test abandonné par l'utilisateur.", "The user gave up the test."}

// reasons are the second part of a why, by its code. "" is the answer when only the peer knows.
var reasons = map[tla.Code]map[string]words{
	tla.CodeProxy: {
		string(dialer.Unreachable): {"il ne répond pas", "it does not answer"},
		string(dialer.NoPassword): {
			"son mot de passe ne peut pas être lu sur ce terminal",
			"its password cannot be read on this terminal"},
		string(dialer.Credentials): {
			"il refuse le nom d'utilisateur ou le mot de passe de ce terminal",
			"it does not take this terminal's user name and password"},
		string(dialer.OtherScheme): {
			"il demande une identification que ce terminal n'a pas (NTLM, Negotiate)",
			"it wants an authentication that this terminal does not have (NTLM, Negotiate)"},
		string(dialer.Portal): {
			"il renvoie à une page web, sans doute pour s'y identifier",
			"it sends to a web page, for a login most likely"},
		string(dialer.Denied): {"il interdit cette connexion", "it forbids this connection"},
		string(dialer.TargetFailed): {
			"il ne peut pas joindre le service de votre opérateur",
			"it cannot reach your operator's service"},
		string(dialer.NoHTTP): {
			"ce qui répond à sa place n'est pas un proxy",
			"what answers in its place is no proxy"},
		string(dialer.Slow):   {"pas de réponse à temps", "no answer in time"},
		string(dialer.Closed): {"il a coupé la connexion", "it closed the connection"},
	},
	tla.CodeRefused:  certificateReasons,
	tla.CodeRejected: certificateReasons,
	tla.CodeProblem: {
		string(link.ProblemBadRequest):       versions,
		string(link.ProblemConsentRequired):  versions,
		string(link.ProblemNotFound):         versions,
		string(link.ProblemMethodNotAllowed): versions,
		string(link.ProblemUpgradeRequired):  versions,
		string(link.ProblemWrongRole):        {"ce certificat n'est pas celui d'un terminal", "this certificate is not a terminal's"},
		string(link.ProblemWrongPractice):    {"ce terminal n'a pas accès à ce Poste de Travail", "this terminal may not reach that Poste de Travail"},
		string(link.ProblemTLABusy):          {"ce terminal a déjà une session", "this terminal already has a session"},
		string(link.ProblemTooMany):          {"trop de connexions", "too many connections"},
		string(link.ProblemPdTAbsent):        {"le Poste de Travail n'est pas connecté", "the Poste de Travail is not connected"},
		string(link.ProblemDraining):         {"il s'arrête un instant", "it is stopping for a moment"},
		string(link.ProblemNoBundle): {
			"il n'a pas de configuration signée pour ce terminal",
			"it has no signed configuration for this terminal"},
		string(link.ProblemBundleOutdated):   {"la configuration signée de ce terminal est périmée et la nouvelle n'a pas pu être chargée", "the signed configuration of this terminal is outdated and the new one could not be fetched"},
		string(link.ProblemBundleRequired):   {"ce terminal n'a pas de configuration signée", "this terminal has no signed configuration"},
		string(link.ProblemBadAuthorization): {"la demande n'a pas été acceptée", "the request was not accepted"},
		string(link.ProblemBadConsent): {
			"la demande signée par ce terminal n'a pas été acceptée",
			"the request that this terminal signed was not accepted"},
		string(link.ProblemBadTicket): {
			"il n'a pas permis de reprendre la session",
			"it did not let the session be resumed"},
		string(link.ProblemClockWrong): {
			"l'horloge de ce terminal est fausse",
			"this terminal's clock is wrong"},
		string(link.ProblemBadServerCertificate): {"le certificat du Poste de Travail n'est pas accepté", "the certificate of the Poste de Travail does not pass"},
	},
	tla.CodeSeal: {
		string(bundle.Missing): {"est absente ou illisible", "is missing or cannot be read"},
		string(bundle.Altered): {"a été modifiée", "has been altered"},
		string(bundle.Outdated): {
			"est plus ancienne que la version déjà acceptée",
			"is older than the version accepted before"},
		string(bundle.Expired):     {"n'est plus valable (ou l'horloge est fausse)", "is no longer valid (or the clock is wrong)"},
		string(bundle.Revoked):     {"a été signée par un certificat révoqué", "was signed by a revoked certificate"},
		string(bundle.Untrusted):   {"n'a pas de signataire accepté", "has no accepted signer"},
		string(bundle.WrongDevice): {"est celle d'un autre appareil", "is another device's"},
		string(bundle.Unusable):    {"dit des choses que ce terminal ne comprend pas", "says what this terminal does not understand"},
		tla.ReasonChanged: {
			"désigne un autre Poste de Travail qu'à votre demande",
			"names another Poste de Travail than when you asked"},
	},
	tla.CodePdT: {
		string(session.ByeStopped):  {"arrêt demandé", "it was stopped"},
		string(session.ByeBusy):     {"tous ses lecteurs sont occupés", "all of its readers are taken"},
		string(session.ByeRemoved):  {"ses lecteurs ont disparu", "its readers are gone"},
		string(session.ByeProtocol): misunderstood,
		string(session.ByeShutdown): {"il s'arrête", "it is stopping"},
		string(session.ByeTimeOver): {"durée maximale atteinte", "the longest time is over"},
		string(session.ByeInactive): {"inactivité", "inactivity"},
		string(session.ByeGone):     {"la session n'y existe plus", "the session is no longer there"},
		string(session.ByeRefused):  {"ce terminal n'y est pas accepté", "this terminal is not accepted there"},
	},
	tla.CodeNotice: {
		string(link.CodeRevoked):         {"un certificat n'est plus accepté", "a certificate no longer passes"},
		string(link.CodeExpired):         {"un certificat a expiré", "a certificate has ended"},
		string(link.CodeTimeOver):        {"durée maximale atteinte", "the longest time is over"},
		string(link.CodeDraining):        {"il s'arrête un instant", "it is stopping for a moment"},
		string(link.CodePeerGone):        {"le Poste de Travail est injoignable", "the Poste de Travail is gone"},
		string(link.CodeEndedByOperator): {"l'opérateur l'a demandé", "the operator asked for it"},
		string(link.CodeProtocol):        misunderstood,
	},
}

// What a professional needs of most reasons for which a certificate or a connection is refused; log and trace have the reason
// itself.
var (
	unfit      = words{"certificat non conforme", "unfit certificate"}
	unverified = words{
		"la validité du certificat n'a pas pu être vérifiée",
		"whether the certificate is still good could not be found out"}
	futureDate = words{
		"la validité du certificat n'a pas pu être vérifiée (horloge fausse ?)",
		"whether the certificate is still good could not be found out (clock wrong?)"}
	unencrypted = words{"connexion chiffrée non conforme", "unfit encryption"}
)

var certificateReasons = map[string]words{
	"":                         {"il ne dit pas pourquoi", "it does not say why"},
	string(pki.NoCertificate):  {"aucun certificat présenté", "no certificate shown"},
	string(pki.BadCertificate): {"certificat illisible", "unreadable certificate"},
	string(pki.UnknownIssuer):  {"certificat d'une autorité inconnue", "certificate of an unknown authority"},
	string(pki.Inspected): {
		"ce réseau intercepte les connexions chiffrées",
		"this network intercepts encrypted connections"},
	string(pki.SelfSigned):           {"certificat d'une autorité inconnue", "certificate of an unknown authority"},
	string(pki.BadSignature):         unfit,
	string(pki.Expired):              {"certificat expiré (ou horloge fausse)", "certificate ended (or clock wrong)"},
	string(pki.NotYetValid):          {"certificat pas encore valide (ou horloge fausse)", "certificate not yet valid (or clock wrong)"},
	string(pki.KeyUsage):             unfit,
	string(pki.ExtKeyUsage):          unfit,
	string(pki.AnyExtKeyUsage):       unfit,
	string(pki.NotCA):                unfit,
	string(pki.Policy):               unfit,
	string(pki.WeakKey):              unfit,
	string(pki.WeakSignature):        unfit,
	string(pki.NameMismatch):         {"le certificat porte un autre nom", "the certificate has another name"},
	string(pki.BadIdentity):          unfit,
	string(pki.NameSpace):            {"certificat d'un autre cabinet", "certificate of another practice"},
	string(pki.WrongRole):            {"certificat d'un autre appareil", "certificate of another device"},
	string(pki.WrongPractice):        {"certificat d'un autre cabinet", "certificate of another practice"},
	string(pki.WrongPeer):            {"ce n'est pas le Poste de Travail demandé", "it is not the Poste de Travail that was asked for"},
	string(pki.TestCA):               {"certificat d'essai", "certificate for trials"},
	string(pki.Revoked):              {"certificat révoqué", "certificate revoked"},
	string(pki.CARevoked):            {"autorité révoquée", "authority revoked"},
	string(pki.CRLMissing):           unverified,
	string(pki.CRLStale):             unverified,
	string(pki.CRLFuture):            futureDate,
	string(pki.CRLBadSignature):      unverified,
	string(pki.CRLWrongIssuer):       unverified,
	string(pki.CRLNumberBack):        unverified,
	string(pki.CRLBad):               unverified,
	string(pki.OnDenyList):           {"certificat interdit par l'opérateur", "certificate denied by the operator"},
	string(pki.StapleMissing):        unverified,
	string(pki.OCSPMissing):          unverified,
	string(pki.OCSPStale):            unverified,
	string(pki.OCSPFuture):           futureDate,
	string(pki.OCSPUnknown):          {"certificat inconnu de son autorité", "certificate unknown to its authority"},
	string(pki.OCSPBadSigner):        unverified,
	string(pki.OCSPBadSignature):     unverified,
	string(pki.OCSPWrongCertificate): unverified,
	string(pki.OCSPNonce):            unverified,
	string(pki.OCSPError):            unverified,
	string(pki.OCSPBad):              unverified,
	string(pki.TLSVersion):           unencrypted,
	string(pki.CipherSuite):          unencrypted,
	string(pki.ALPN):                 {"un autre service répond à sa place", "another service answers in its place"},
	string(pki.HandshakeSlow):        {"pas de réponse à temps", "no answer in time"},
	string(pki.HandshakeFailed):      {"la connexion a été interrompue", "the connection was broken off"},
}

// The words of the status.
var (
	states = map[tla.State]words{
		tla.StateIdle:     {"aucune session", "no session"},
		tla.StateStarting: {"session en cours d'ouverture", "session starting"},
		tla.StateUp:       {"session ouverte", "session up"},
		tla.StateEnding:   {"session en cours de fermeture", "session ending"},
		tla.StateChecking: {"test en cours", "test under way"},

		tla.StateReconnecting: {"connexion perdue, reconnexion en cours", "connection lost, reconnecting"},
	}
	kinds = map[tla.Kind]words{
		tla.KindVitale1: {"carte Vitale 1", "Vitale 1 card"},
		tla.KindVitale2: {"carte Vitale 2", "Vitale 2 card"},
		tla.KindCPS3:    {"carte CPS 3", "CPS 3 card"},
		tla.KindCPS4:    {"carte CPS 4", "CPS 4 card"},
		tla.KindUnknown: {"carte inconnue", "unknown card"},
		tla.KindMute:    {"carte muette (mal insérée ?)", "mute card (wrong way round?)"},
	}
	cards = map[string]words{
		session.SlotVitale.String(): {"carte Vitale", "Vitale card"},
		session.SlotCPS.String():    {"carte CPS", "CPS card"},
	}
	uses = map[tla.Use]words{
		tla.UseSecond:  {"ignorée : une autre carte du même type est déjà présente", "ignored: another card of that type is in already"},
		tla.UseUnknown: {"ignorée", "ignored"},
		tla.UseNoRule:  {"inutilisable : ce terminal n'a pas de règle pour elle", "of no use: this terminal has no rule for it"},
	}
	holds = map[tla.Hold]words{
		tla.HoldTaken:  {"utilisée par la session", "in use by the session"},
		tla.HoldBusy:   {"un autre programme l'occupe", "another program holds it"},
		tla.HoldStuck:  {"le lecteur ne répond pas : débranchez-le et rebranchez-le", "the reader does not answer: unplug it and plug it again"},
		tla.HoldFailed: {"inutilisable", "cannot be used"},
	}
	lines = struct {
		state, pdt, since, noPCSC, noReader, reader, empty, last, own, noOwn, noRoom, refused, ask words
		pin, pinTries, pinAsked, pinPad, pdtTLS, gatewayTLS                                        words
	}{
		state:    words{"État", "State"},
		pdt:      words{"Poste de Travail", "Poste de Travail"},
		since:    words{"Depuis", "Since"},
		noPCSC:   words{"Le service des lecteurs de cartes ne répond pas", "The card readers' service does not answer"},
		noReader: words{"Aucun lecteur", "No reader"},
		reader:   words{"Lecteur", "Reader"},
		empty:    words{"vide", "empty"},
		last:     words{"Dernière session", "Last session"},
		own:      words{"Certificat valable jusqu'au", "Certificate valid until"},
		noOwn: words{
			"Certificat inutilisable : appelez votre opérateur.",
			"Certificate that cannot be used: call your operator."},
		noRoom: words{
			"Ce terminal ne peut plus tenir son journal : prévenez votre opérateur.",
			"This terminal can no longer keep its trace: tell your operator."},
		pin: words{"Code porteur de la {card}, demandé par {pdt} (vide pour refuser) : ", "PIN of the {card}, asked for by {pdt} (empty to refuse): "},
		pinTries: words{
			"Code porteur de la {card}, demandé par {pdt}, {n} {n:essai restant:essais restants} (vide pour refuser) : ",
			"PIN of the {card}, asked for by {pdt}, {n} {n:try:tries} left (empty to refuse): "},
		pinAsked: words{"Le code porteur de la {card} est demandé : entrez-le avec tla-relay pin.", "The PIN of the {card} is asked for: enter it with tla-relay pin."},
		pinPad:   words{"Le code porteur de la {card} est demandé : entrez-le sur le clavier du lecteur.", "The PIN of the {card} is asked for: enter it on the reader's keys."},
		ask: words{"Êtes-vous toujours là ? Sans réponse, la session se ferme à {at} : tla-relay stay pour la garder.",
			"Are you still there? Without an answer the session ends at {at}: tla-relay stay keeps it."},
		refused: words{
			"Attention : ce terminal a refusé {n} {n:demande:demandes} du Poste de Travail. Prévenez l'opérateur.",
			"Careful: this terminal refused {n} {n:request:requests} of the Poste de Travail. Tell the operator."},
		pdtTLS: words{"Chiffrement jusqu'au Poste de Travail", "Encryption to the Poste de Travail"},
		gatewayTLS: words{
			"Chiffrement jusqu'au service de votre opérateur",
			"Encryption to your operator's service"},
	}
)

// warnings are of ends that are near.
var warnings = map[tla.Code]words{
	tla.CodeTimeOver: {"La session atteint sa durée maximale à {at} et se fermera alors.", "The session reaches its longest time at {at}, and ends then."},
	tla.CodeInactive: {"Aucune carte n'est utilisée : la session se ferme à {at} ; tla-relay stay pour la garder.",
		"No card is in use: the session ends at {at}; tla-relay stay keeps it."},
	tla.CodeAbsent:  {"Sans réponse de votre part, la session se ferme à {at} : tla-relay stay pour la garder.", "Without an answer of yours the session ends at {at}: tla-relay stay keeps it."},
	tla.CodeExpired: {"Le certificat de ce terminal expire à {at} : la session se fermera alors.", "This terminal's certificate ends at {at}, and the session with it."},
}

// The words of enrolment. {place} and {now} are filled in, too.
var enrolWords = struct{ prompt, confirm, done, late, warning words }{
	prompt: words{"Code : ", "Code: "},
	confirm: words{"Ce terminal va faire confiance à l'autorité « {ca} », jointe par {place}. Continuer ? [o/N] ",
		"This terminal will trust the authority \"{ca}\", reached through {place}. Go on? [y/N] "},
	done: words{"Terminal enrôlé : {identity}, jusqu'au {until}. Vous pouvez maintenant démarrer le service tla-relay, puis une session avec tla-relay start.",
		"Terminal enrolled: {identity}, until {until}. You may now start the service tla-relay, then a session with tla-relay start."},
	late: words{"Le certificat de ce terminal se termine le {until} et n'est pas encore renouvelé : prévenez votre opérateur",
		"This terminal's certificate ends on {until} and is not renewed yet: tell your operator"},
	warning: words{"Attention", "Warning"},
}

// enrolFailures are why there is no certificate: what is the matter, and what to do.
var enrolFailures = map[enrol.Kind]words{
	enrol.CodeMistyped:  {"Le code est mal tapé : vérifiez-le et recommencez.", "The code is mistyped: check it and type it again."},
	enrol.CodeMissing:   {"Il manque le code : tapez-le quand il est demandé, ou donnez - pour le lire sur l'entrée standard.", "The code is missing: type it when asked, or give - to read it from standard input."},
	enrol.NoPlace:       {"Il manque l'adresse de la passerelle : donnez-la avec --gateway HÔTE:PORT.", "The gateway's address is missing: give it with --gateway HOST:PORT."},
	enrol.CodeUnknown:   {"La PKI ne connaît pas ce code : demandez-en un nouveau.", "The PKI does not know this code: ask for a new one."},
	enrol.CodeExpired:   {"Ce code a expiré : demandez-en un nouveau.", "The time of this code is over: ask for a new one."},
	enrol.CodeUsed:      {"Ce code a déjà servi : demandez-en un nouveau.", "This code has been used already: ask for a new one."},
	enrol.OtherProgram:  {"Ce code n'est pas pour un terminal : demandez celui de ce terminal.", "This code is not for a terminal: ask for this terminal's."},
	enrol.TooMany:       {"Trop d'essais ont échoué : attendez quelques minutes.", "Too many attempts failed: wait some minutes."},
	enrol.NotAvailable:  {"La PKI ne peut pas délivrer de certificat pour l'instant : réessayez plus tard.", "The PKI cannot issue just now: try again later."},
	enrol.Unreachable:   {"{place} ne répond pas : vérifiez l'adresse et le réseau.", "{place} does not answer: check the address and the network."},
	enrol.NoPKI:         {"Aucune PKI n'est joignable par {place} : vérifiez l'adresse, ou prévenez votre opérateur.", "No PKI is to be reached through {place}: check the address, or tell your operator."},
	enrol.NotOurPKI:     {"La PKI jointe par {place} n'est pas celle de ce code ; rien de secret ne lui a été envoyé. Vérifiez l'adresse et le code.", "The PKI at {place} is not the one that made this code; nothing secret was sent to it. Check the address and the code."},
	enrol.TestCA:        {"La PKI jointe par {place} est celle d'un essai, son nom commence par TEST ; rien de secret ne lui a été envoyé. Prévenez votre opérateur.", "The PKI at {place} is a trial's, its name begins with TEST; nothing secret was sent to it. Tell your operator."},
	enrol.Clock:         {"Les dates ne concordent pas, et il est {now} ici : mettez ce terminal à l'heure ; si elle est juste, prévenez votre opérateur.", "The dates do not fit, and it is {now} here: set this terminal's clock; if it is right, tell your operator."},
	enrol.Refused:       {"Le serveur de la PKI joint par {place} n'est pas accepté ; rien de secret ne lui a été envoyé. Prévenez votre opérateur.", "The PKI's server at {place} does not pass; nothing secret was sent to it. Tell your operator."},
	enrol.Rejected:      {"La PKI a refusé le certificat de ce terminal : prévenez votre opérateur.", "The PKI refused this terminal's certificate: tell your operator."},
	enrol.BadAnswer:     {"La réponse de la PKI est inutilisable : prévenez votre opérateur.", "The PKI's answer cannot be used: tell your operator."},
	enrol.Living:        {"Ce terminal a déjà une identité valable ; pour l'abandonner, ajoutez --replace.", "This terminal has an identity that is still good; to give it up, add --replace."},
	enrol.ForeignAnchor: {"Ce terminal fait déjà confiance à une autre PKI ; pour l'abandonner, ajoutez --replace.", "This terminal trusts another PKI; to give that up, add --replace."},
	enrol.Configuration: {"La configuration ne permet pas l'enrôlement : complétez-la.", "The configuration does not allow enrolment: complete it."},
	enrol.Files:         {"Le certificat ne peut pas être enregistré ; corrigez cela, puis recommencez avec le même code.", "The certificate cannot be kept; put that right, then enrol again with the same code."},
	enrol.Declined:      {"Enrôlement abandonné ; le code est toujours valable.", "Not enrolled; the code is still good."},
	enrol.Ended:         {"Le certificat de ce terminal a expiré : enrôlez-le avec un nouveau code.", "This terminal's certificate has ended: enrol it with a new code."},
	enrol.Revoked:       {"Le certificat de ce terminal est révoqué : prévenez votre opérateur.", "This terminal's certificate is revoked: tell your operator."},
	enrol.Other:         {"L'enrôlement a échoué : prévenez votre opérateur.", "The enrolment failed: tell your operator."},
}

// enrolReasons are why a renewal failed last; what only an enrolment can fail for is not among them.
var enrolReasons = map[enrol.Kind]words{
	enrol.CodeUnknown: {"l'opérateur ne reconnaît pas ce terminal", "the operator does not know this terminal"},
	enrol.OtherProgram: {
		"l'opérateur n'a pas de certificat de cette sorte pour ce terminal",
		"the operator has no such certificate for this terminal"},
	enrol.TooMany:      {"trop d'essais ont échoué", "too many attempts failed"},
	enrol.NotAvailable: {"l'opérateur ne peut pas délivrer de certificat", "the operator cannot issue one"},
	enrol.Unreachable:  {"le service de l'opérateur ne répond pas", "the operator's service does not answer"},
	enrol.NoPKI: {
		"le service de l'opérateur ne délivre pas de certificat",
		"the operator's service issues none"},
	enrol.Clock: {"les dates ne concordent pas", "the dates do not fit"},
	enrol.Refused: {
		"le service qui délivre les certificats n'est pas accepté",
		"the service that issues certificates does not pass"},
	enrol.Rejected:      {"l'opérateur refuse le certificat actuel", "the operator refuses the present certificate"},
	enrol.BadAnswer:     {"la réponse de l'opérateur est inutilisable", "the operator's answer cannot be used"},
	enrol.Files:         {"le nouveau certificat ne peut pas être enregistré", "the new certificate cannot be kept"},
	enrol.Ended:         {"il a expiré, un nouvel enrôlement est nécessaire", "it has ended, a new enrolment is needed"},
	enrol.Revoked:       {"il est révoqué", "it is revoked"},
	enrol.Configuration: {"configuration inutilisable", "unusable configuration"},
	enrol.Other:         {"cause inconnue", "unknown reason"},
}
