package words

import (
	"fmt"
	"time"

	"tlagate/cmd/internal/enrol"
	"tlagate/tla"
)

// The words of enrolment; what stands in braces is filled in.
var enrolWords = struct{ prompt, confirm, done, late, warning Text }{
	prompt: Text{"Code : ", "Code: "},
	confirm: Text{"Ce terminal va faire confiance à l'autorité « {ca} », jointe par {place}. Continuer ? [o/N] ",
		"This terminal will trust the authority \"{ca}\", reached through {place}. Go on? [y/N] "},
	done: Text{"Terminal enrôlé : {identity}, jusqu'au {until}. Vous pouvez maintenant démarrer le service " +
		"tla-relay, puis une session avec tla-relay start.",
		"Terminal enrolled: {identity}, until {until}. You may now start the service tla-relay, then a session with " +
			"tla-relay start."},
	late: Text{"Le certificat de ce terminal se termine le {until} et n'est pas encore renouvelé : prévenez votre " +
		"opérateur",
		"This terminal's certificate ends on {until} and is not renewed yet: tell your operator"},
	warning: Text{"Attention", "Warning"},
}

// enrolFailures say why there is no certificate, and what to do. {place} and {now} are filled in.
var enrolFailures = map[enrol.Kind]Text{
	enrol.CodeMistyped: {
		"Le code est mal tapé : vérifiez-le et recommencez.",
		"The code is mistyped: check it and type it again."},
	enrol.CodeMissing: {
		"Il manque le code : tapez-le quand il est demandé, ou donnez - pour le lire sur l'entrée standard.",
		"The code is missing: type it when asked, or give - to read it from standard input."},
	enrol.NoPlace: {
		"Il manque l'adresse de la passerelle : donnez-la avec --gateway HÔTE:PORT.",
		"The gateway's address is missing: give it with --gateway HOST:PORT."},
	enrol.CodeUnknown: {
		"La PKI ne connaît pas ce code : demandez-en un nouveau.",
		"The PKI does not know this code: ask for a new one."},
	enrol.CodeExpired: {
		"Ce code a expiré : demandez-en un nouveau.",
		"This code has expired: ask for a new one."},
	enrol.CodeUsed: {
		"Ce code a déjà servi : demandez-en un nouveau.",
		"This code has been used already: ask for a new one."},
	enrol.OtherProgram: {
		"Ce code n'est pas pour un terminal : demandez celui de ce terminal.",
		"This code is not for a terminal: ask for this terminal's."},
	enrol.TooMany: {
		"Trop d'essais ont échoué : attendez quelques minutes.",
		"Too many attempts failed: wait some minutes."},
	enrol.NotAvailable: {
		"La PKI ne peut pas délivrer de certificat pour l'instant : réessayez plus tard.",
		"The PKI cannot issue just now: try again later."},
	enrol.Unreachable: {
		"{place} ne répond pas : vérifiez l'adresse et le réseau.",
		"{place} does not answer: check the address and the network."},
	enrol.NoPKI: {
		"Aucune PKI n'est joignable par {place} : vérifiez l'adresse, ou prévenez votre opérateur.",
		"No PKI can be reached through {place}: check the address, or tell your operator."},
	enrol.NotOurPKI: {
		"La PKI jointe par {place} n'est pas celle de ce code ; rien de secret ne lui a été envoyé. Vérifiez " +
			"l'adresse et le code.",
		"The PKI at {place} is not the one that made this code; nothing secret was sent to it. Check the address " +
			"and the code."},
	enrol.TestCA: {
		"La PKI jointe par {place} est celle d'un essai, son nom commence par TEST ; rien de secret ne lui a été " +
			"envoyé. Prévenez votre opérateur.",
		"The PKI at {place} is a trial's, its name begins with TEST; nothing secret was sent to it. " +
			"Tell your operator."},
	enrol.Clock: {
		"Les dates ne concordent pas, et il est {now} ici : mettez ce terminal à l'heure ; si elle est juste, " +
			"prévenez votre opérateur.",
		"The dates do not agree, and it is {now} here: set this terminal's clock; if it is right, tell your operator."},
	enrol.Refused: {
		"Le serveur de la PKI joint par {place} n'est pas accepté ; rien de secret ne lui a été envoyé. Prévenez " +
			"votre opérateur.",
		"The PKI's server at {place} is not accepted; nothing secret was sent to it. " +
			"Tell your operator."},
	enrol.Rejected: {
		"La PKI a refusé le certificat de ce terminal : prévenez votre opérateur.",
		"The PKI refused this terminal's certificate: tell your operator."},
	enrol.BadAnswer: {
		"La réponse de la PKI est inutilisable : prévenez votre opérateur.",
		"The PKI's answer cannot be used: tell your operator."},
	enrol.Living: {
		"Ce terminal a déjà une identité valable ; pour l'abandonner, ajoutez --replace.",
		"This terminal has an identity that is still good; to give it up, add --replace."},
	enrol.ForeignAnchor: {
		"Ce terminal fait déjà confiance à une autre PKI ; pour l'abandonner, ajoutez --replace.",
		"This terminal trusts another PKI; to give that up, add --replace."},
	enrol.Configuration: {
		"La configuration ne permet pas l'enrôlement : complétez-la.",
		"The configuration does not allow enrolment: complete it."},
	enrol.Files: {
		"Le certificat ne peut pas être enregistré ; corrigez cela, puis recommencez avec le même code.",
		"The certificate cannot be saved; put that right, then enrol again with the same code."},
	enrol.Declined: {
		"Enrôlement abandonné ; le code est toujours valable.",
		"Not enrolled; the code is still good."},
	enrol.Ended: {
		"Le certificat de ce terminal a expiré : enrôlez-le avec un nouveau code.",
		"This terminal's certificate has ended: enrol it with a new code."},
	enrol.Revoked: {
		"Le certificat de ce terminal est révoqué : prévenez votre opérateur.",
		"This terminal's certificate is revoked: tell your operator."},
	enrol.Other: {
		"L'enrôlement a échoué : prévenez votre opérateur.",
		"The enrolment failed: tell your operator."},
}

// enrolReasons say why a renewal failed last; kinds of which only an enrolment can fail are not among them.
var enrolReasons = map[enrol.Kind]Text{
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
	enrol.Clock: {"les dates ne concordent pas", "the dates do not agree"},
	enrol.Refused: {
		"le service qui délivre les certificats n'est pas accepté",
		"the service that issues certificates is not accepted"},
	enrol.Rejected:  {"l'opérateur refuse le certificat actuel", "the operator refuses the present certificate"},
	enrol.BadAnswer: {"la réponse de l'opérateur est inutilisable", "the operator's answer cannot be used"},
	enrol.Files:     {"le nouveau certificat ne peut pas être enregistré", "the new certificate cannot be saved"},
	enrol.Ended: {
		"il a expiré, un nouvel enrôlement est nécessaire",
		"it has ended, a new enrolment is needed"},
	enrol.Revoked:       {"il est révoqué", "it is revoked"},
	enrol.Configuration: {"configuration inutilisable", "unusable configuration"},
	enrol.Other:         {"cause inconnue", "unknown reason"},
}

// Enrolment returns the texts in the user's language.
func (t Tongue) Enrolment() enrol.Texts {
	return enrol.Texts{
		Prompt:  t.Say(enrolWords.prompt, nil),
		Confirm: func(ca, place string) string { return t.Say(enrolWords.confirm, []string{"ca", ca, "place", place}) },
		Yes:     []string{"o", "oui", "y", "yes"},
		Done: func(d *enrol.Done) string {
			return t.Say(enrolWords.done, []string{"identity", d.Identity.String(), "until",
				d.NotAfter.Local().Format(time.DateOnly)}) + "\n"
		},
		Failure: t.enrolFailure,
	}
}

// enrolFailure returns one sentence, and on a line of its own what a technician needs.
func (t Tongue) enrolFailure(f *enrol.Failure) string {
	text := f.Fill(t.Say(enrolFailures[f.Kind], nil))
	if f.Cause != nil {
		text += "\n" + t.Say(detailed, []string{"detail", f.Cause.Error()})
	}
	return text
}

// Warning returns a warning of a renewal that is late; "" = there is none.
func (t Tongue) Warning(s *tla.Status) string {
	r := s.Renewal
	if r == nil || !r.Warn {
		return ""
	}
	text := t.Say(enrolWords.late, []string{"until", s.Certificate.Local().Format(time.DateOnly)})
	if r.Reason != "" {
		text += fmt.Sprintf(" (%s)", t.Say(enrolReasons[enrol.Kind(r.Reason)], nil))
	}
	return text + "."
}
