package sentences

import (
	"tlagate/bundle"
	"tlagate/dialer"
	"tlagate/pki"
	"tlagate/session"
	"tlagate/session/link"
)

// Whys say why a session did not start, or ended, by its code (docs/control.md).
var Whys = map[string]Text{
	"already_running": {
		"Une session est déjà ouverte ou en cours d'ouverture.",
		"A session is already running or starting."},
	"configuration": {
		"La configuration de ce terminal est inutilisable.",
		"This terminal's configuration cannot be used."},
	"unreachable": {"Le service de votre opérateur ne répond pas.", "Your operator's service does not answer."},
	"proxy": {
		"Le proxy de ce réseau ne laisse pas passer ce terminal : {reason}.",
		"This network's proxy does not let the terminal through: {reason}."},
	"portal": {"Ce réseau répond par une page web : il demande de s'y identifier avant de laisser passer.",
		"This network answers with a web page: it wants a login there before it lets anything through."},
	"refused": {
		"Ce terminal n'a pas accepté {peer} : {reason}.",
		"This terminal did not accept {peer}: {reason}."},
	"rejected": {"{peer} a refusé ce terminal : {reason}.", "{peer} refused this terminal: {reason}."},
	"problem": {
		"Le service de votre opérateur a refusé la session : {reason}.",
		"Your operator's service refused the session: {reason}."},
	"pdt": {
		"Le Poste de Travail a mis fin à la session : {reason}.",
		"The Poste de Travail ended the session: {reason}."},
	"notice": {
		"Le service de votre opérateur a mis fin à la session : {reason}.",
		"Your operator's service ended the session: {reason}."},
	"timeout":         {"{peer} n'a pas répondu à temps.", "{peer} did not answer in time."},
	"connection_lost": {"La connexion a été perdue.", "The connection was lost."},
	"protocol": {
		"{peer} et ce terminal ne se comprennent pas : les versions sont-elles compatibles ?",
		"{peer} and this terminal do not understand each other: are the versions compatible?"},
	"stopped":   {"Session terminée par l'utilisateur.", "The user ended the session."},
	"cancelled": {"Démarrage abandonné par l'utilisateur.", "The user gave up the start."},
	"time_over": {"La session a atteint sa durée maximale.", "The session reached its longest time."},
	"inactive":  {"La session est restée trop longtemps inactive.", "The session was inactive for too long."},
	"clock_wrong": {
		"L'horloge de ce terminal est fausse : mettez-le à l'heure, puis recommencez.",
		"This terminal's clock is wrong: set it, then try again."},
	"user": {
		"Vous n'avez pas été reconnu par votre carte CPS : {reason}.",
		"You were not recognised by your CPS card: {reason}."},
	"card_out": {
		"Votre carte CPS est restée trop longtemps hors du lecteur.",
		"Your CPS card was out of the reader for too long."},
	"other_card": {
		"La carte CPS d'une autre personne a été insérée.",
		"Another person's CPS card was put in."},
	"absent":     {"Personne n'a répondu au terminal.", "Nobody at the terminal answered."},
	"no_session": {"Aucune session n'est ouverte.", "There is no session."},
	"unknown_pdt": {
		"Ce Poste de Travail n'est pas de ceux de ce terminal.",
		"That Poste de Travail is not one of this terminal's."},
	"many_refused": {
		"Le Poste de Travail a demandé plusieurs fois ce que ce terminal interdit.",
		"The Poste de Travail asked several times for what this terminal forbids."},
	"check":             {"Le test a trouvé un problème.", "The test found a problem."},
	"certificate_ended": {"Le certificat de ce terminal a expiré.", "This terminal's certificate has ended."},
	"shutdown":          {"Ce terminal s'arrête.", "This terminal is stopping."},
	"no_pin_wanted":     {"Aucun code porteur n'est demandé en ce moment.", "No PIN is asked for now."},
	"last_try": {
		"Il ne reste qu'un essai avant le blocage de la carte. Si vous êtes sûr de votre code : tla-relay pin " +
			"--last-try.",
		"One try is left before the card blocks. If you are sure of your PIN: tla-relay pin --last-try."},
	"bad_pin": {
		"Ce n'est pas un code porteur : il a trop ou trop peu de chiffres, ou autre chose que des chiffres.",
		"That is no PIN: too many or too few digits, or not only digits."},
	"pin_failed": {"Le code porteur n'a pas pu être présenté à la carte : elle a été retirée, ou le temps est " +
		"écoulé.",
		"The PIN could not be sent to the card: it was taken out, or the time is over."},
	"seal": {
		"Ce terminal refuse de travailler : sa configuration signée {reason}.",
		"This terminal refuses to work: its signed configuration {reason}."},
	"integrity": {
		"Ce terminal refuse de travailler : ce qui y est installé ne correspond pas à ce qui a été signé.",
		"This terminal refuses to work: what is installed on it does not match what was signed."},
}

// Reasons are what {reason} stands for, by its code. "" is for a reason that only the peer knows.
var Reasons = map[string]map[string]Text{
	"proxy": {
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
			"it redirects to a web page, most likely for a login"},
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
	"refused":  certificateReasons,
	"rejected": certificateReasons,
	"problem": {
		string(link.ProblemBadRequest):       versions,
		string(link.ProblemConsentRequired):  versions,
		string(link.ProblemNotFound):         versions,
		string(link.ProblemMethodNotAllowed): versions,
		string(link.ProblemUpgradeRequired):  versions,
		string(link.ProblemWrongRole): {
			"ce certificat n'est pas celui d'un terminal",
			"this certificate is not a terminal's"},
		string(link.ProblemWrongPractice): {
			"ce terminal n'a pas accès à ce Poste de Travail",
			"this terminal may not reach that Poste de Travail"},
		string(link.ProblemTLABusy): {"ce terminal a déjà une session", "this terminal already has a session"},
		string(link.ProblemTooMany): {"trop de connexions", "too many connections"},
		string(link.ProblemPdTAbsent): {
			"le Poste de Travail n'est pas connecté",
			"the Poste de Travail is not connected"},
		string(link.ProblemDraining): {"il s'arrête un instant", "it is stopping for a moment"},
		string(link.ProblemTraceFull): {
			"il ne peut pas enregistrer la session dans son journal d'audit",
			"it cannot record the session in its audit trace"},
		string(link.ProblemNoBundle): {
			"il n'a pas de configuration signée pour ce terminal",
			"it has no signed configuration for this terminal"},
		string(link.ProblemBundleOutdated): {
			"la configuration signée de ce terminal est périmée et la nouvelle n'a pas pu être chargée",
			"the signed configuration of this terminal is outdated and the new one could not be fetched"},
		string(link.ProblemVersionOutdated): {
			"le logiciel de ce terminal est trop ancien : il doit être mis à jour",
			"the software of this terminal is too old: it must be updated"},
		string(link.ProblemCloneSuspected): {
			"un autre appareil semble utiliser le certificat de ce terminal",
			"another device seems to use this terminal's certificate"},
		string(link.ProblemBundleRequired): {
			"ce terminal n'a pas de configuration signée",
			"this terminal has no signed configuration"},
		string(link.ProblemNotRGS): {
			"il exige le chiffrement strict du RGS, qui n'est pas activé sur ce terminal",
			"it demands the strict encryption of the RGS, which is not switched on at this terminal"},
		string(link.ProblemBadAuthorization): {"la demande n'a pas été acceptée", "the request was not accepted"},
		string(link.ProblemBadConsent): {
			"la demande signée par ce terminal n'a pas été acceptée",
			"the request that this terminal signed was not accepted"},
		string(link.ProblemUserRequired): {
			"il vous demande de vous identifier par votre carte CPS ({cause})",
			"it asks you to identify yourself by your CPS card ({cause})"},
		string(link.ProblemBadProof): {
			"ce que votre carte CPS a signé n'a pas été accepté",
			"what your CPS card signed was not accepted"},
		string(link.ProblemUserRefused): {
			"votre carte CPS n'est pas acceptée ({cause})",
			"your CPS card is not accepted ({cause})"},
		string(link.ProblemUserDenied): {
			"vous n'avez pas le droit d'ouvrir cette session",
			"you may not start this session"},
		string(link.ProblemBadTicket): {
			"il n'a pas permis de reprendre la session",
			"it did not let the session be resumed"},
		string(link.ProblemClockWrong): {
			"l'horloge de ce terminal est fausse",
			"this terminal's clock is wrong"},
		string(link.ProblemBadServerCertificate): {
			"le certificat du Poste de Travail n'est pas accepté",
			"the certificate of the Poste de Travail is not accepted"},
	},
	"user": {
		"no_card": {"aucune carte CPS dans les lecteurs", "no CPS card in the readers"},
		"no_application": {
			"ce terminal ne sait pas vous reconnaître par cette carte",
			"this terminal cannot recognise you by that card"},
		"card_busy":    {"un autre programme l'occupe", "another program holds it"},
		"reader_stuck": {"le lecteur ne répond pas", "the reader does not answer"},
		"card_failed": {
			"elle n'a pas fait ce qui lui était demandé",
			"it did not do what was asked of it"},
		"unfit_key": {"elle n'a pas de certificat d'authentification", "it has no certificate for authentication"},
		"too_long": {
			"son certificat d'authentification est trop long",
			"its certificate for authentication is too long"},
		"card_out":  {"elle a été retirée avant la fin", "it was taken out before the end"},
		"blocked":   {"elle est bloquée, trop de codes faux", "it is blocked, too many wrong PINs"},
		"declined":  {"vous avez refusé de donner votre code", "you declined to enter your PIN"},
		"no_answer": {"votre code n'a pas été donné à temps", "your PIN was not entered in time"},
	},
	"seal": {
		string(bundle.Missing): {"est absente ou illisible", "is missing or cannot be read"},
		string(bundle.Altered): {"a été modifiée", "has been altered"},
		string(bundle.Outdated): {
			"est plus ancienne que la version déjà acceptée",
			"is older than the version accepted before"},
		string(bundle.Expired): {
			"n'est plus valable (ou l'horloge est fausse)",
			"is no longer valid (or the clock is wrong)"},
		string(bundle.Revoked):     {"a été signée par un certificat révoqué", "was signed by a revoked certificate"},
		string(bundle.Untrusted):   {"n'a pas de signataire accepté", "has no accepted signer"},
		string(bundle.WrongDevice): {"est celle d'un autre appareil", "is another device's"},
		string(bundle.Unusable): {
			"dit des choses que ce terminal ne comprend pas",
			"says what this terminal does not understand"},
		"changed": {
			"désigne un autre Poste de Travail qu'à votre demande",
			"names another Poste de Travail than the one you asked for"},
	},
	"pdt": {
		string(session.ByeStopped):  {"arrêt demandé", "it was stopped"},
		string(session.ByeBusy):     {"tous ses lecteurs sont occupés", "all of its readers are taken"},
		string(session.ByeRemoved):  {"ses lecteurs ont disparu", "its readers are gone"},
		string(session.ByeProtocol): misunderstood,
		string(session.ByeShutdown): {"il s'arrête", "it is stopping"},
		string(session.ByeTimeOver): {"durée maximale atteinte", "the longest time is over"},
		string(session.ByeInactive): {"inactivité", "inactivity"},
		string(session.ByeGone):     {"la session n'y existe plus", "the session is no longer there"},
		string(session.ByeRefused):  {"ce terminal n'y est pas accepté", "this terminal is not accepted there"},
		string(session.ByeUser): {
			"votre carte CPS n'y est pas acceptée, ou n'y est plus",
			"your CPS card is not accepted there, or no longer"},
	},
	"notice": {
		string(link.CodeRevoked): {"un certificat n'est plus accepté", "a certificate is no longer accepted"},
		string(link.CodeExpired): {"un certificat a expiré", "a certificate has ended"},
		string(link.CodeUserRevoked): {
			"votre carte CPS n'est plus acceptée",
			"your CPS card is no longer accepted"},
		string(link.CodeTimeOver):        {"durée maximale atteinte", "the longest time is over"},
		string(link.CodeDraining):        {"il s'arrête un instant", "it is stopping for a moment"},
		string(link.CodePeerGone):        {"le Poste de Travail est injoignable", "the Poste de Travail is gone"},
		string(link.CodeEndedByOperator): {"l'opérateur l'a demandé", "the operator asked for it"},
		string(link.CodeProtocol):        misunderstood,
	},
}

// cardRefusals say why a professional's card is not accepted, by the reason for which its certificate is refused.
var cardRefusals = map[string]Text{
	string(pki.UnknownIssuer): strangeCard,
	string(pki.SelfSigned):    strangeCard,
	string(pki.Expired):       {"elle n'est plus valable", "it is no longer valid"},
	string(pki.NotYetValid):   {"elle n'est pas encore valable", "it is not valid yet"},
	string(pki.BadIdentity):   {"elle ne dit pas qui vous êtes", "it does not say who you are"},
	string(pki.TestCA):        {"c'est une carte de test", "it is a card for tests"},
	string(pki.Revoked):       {"elle a été révoquée", "it has been revoked"},
	string(pki.CARevoked):     {"l'autorité qui l'a émise a été révoquée", "the authority that issued it is revoked"},
	string(pki.OnDenyList):    {"l'opérateur l'a interdite", "the operator denies it"},
	string(pki.UserStatus): {
		"il n'a pas pu être vérifié si elle est révoquée",
		"it could not be checked whether it is revoked"},
}

var strangeCard = Text{"l'autorité qui l'a émise n'est pas connue ici", "the authority that issued it is unknown here"}

// CardRefused returns why a professional's card is not accepted; log and trace have the reason itself.
func CardRefused(reason string) Text {
	if t, ok := cardRefusals[reason]; ok {
		return t
	}
	if _, ok := certificateReasons[reason]; ok {
		return Text{"son certificat n'est pas conforme", "its certificate is unfit"}
	}
	return Unknown
}

// What a professional need know of most reasons for which a certificate or a connection is refused; log and trace have
// the reason itself.
var (
	unfit      = Text{"certificat non conforme", "unfit certificate"}
	unverified = Text{
		"la validité du certificat n'a pas pu être vérifiée",
		"it could not be checked whether the certificate is still valid"}
	futureDate = Text{
		"la validité du certificat n'a pas pu être vérifiée (horloge fausse ?)",
		"it could not be checked whether the certificate is still valid (clock wrong?)"}
	unencrypted = Text{"connexion chiffrée non conforme", "unfit encryption"}
)

var certificateReasons = map[string]Text{
	"":                         {"il ne dit pas pourquoi", "it does not say why"},
	string(pki.NoCertificate):  {"aucun certificat présenté", "no certificate shown"},
	string(pki.BadCertificate): {"certificat illisible", "unreadable certificate"},
	string(pki.UnknownIssuer):  {"certificat d'une autorité inconnue", "certificate of an unknown authority"},
	string(pki.Inspected): {
		"ce réseau intercepte les connexions chiffrées",
		"this network intercepts encrypted connections"},
	string(pki.SelfSigned):   {"certificat d'une autorité inconnue", "certificate of an unknown authority"},
	string(pki.BadSignature): unfit,
	string(pki.Expired):      {"certificat expiré (ou horloge fausse)", "certificate ended (or clock wrong)"},
	string(pki.NotYetValid): {
		"certificat pas encore valide (ou horloge fausse)",
		"certificate not yet valid (or clock wrong)"},
	string(pki.KeyUsage):       unfit,
	string(pki.ExtKeyUsage):    unfit,
	string(pki.AnyExtKeyUsage): unfit,
	string(pki.NotCA):          unfit,
	string(pki.Policy):         unfit,
	string(pki.WeakKey):        unfit,
	string(pki.WeakSignature):  unfit,
	string(pki.NameMismatch):   {"le certificat porte un autre nom", "the certificate has another name"},
	string(pki.BadIdentity):    unfit,
	string(pki.NameSpace):      {"certificat d'un autre cabinet", "certificate of another practice"},
	string(pki.WrongRole):      {"certificat d'un autre appareil", "certificate of another device"},
	string(pki.WrongPractice):  {"certificat d'un autre cabinet", "certificate of another practice"},
	string(pki.WrongPeer): {
		"ce n'est pas le Poste de Travail demandé",
		"it is not the Poste de Travail that was asked for"},
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
	string(pki.UserStatus): {
		"il n'a pas pu être vérifié si la carte est révoquée",
		"it could not be checked whether the card is revoked"},
	string(pki.TLSVersion):  unencrypted,
	string(pki.CipherSuite): unencrypted,
	string(pki.NotRGS): {
		"sa connexion chiffrée n'est pas celle, stricte, du RGS",
		"its encryption is not the strict one of the RGS"},
	string(pki.ALPN):            {"un autre service répond à sa place", "another service answers in its place"},
	string(pki.HandshakeSlow):   {"pas de réponse à temps", "no answer in time"},
	string(pki.HandshakeFailed): {"la connexion a été interrompue", "the connection was broken off"},
}
