package words

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"tlagate/tla"
	ctl "tlagate/tla/control"
)

// The words for asking for a PIN, and for what becomes of it.
var (
	askPIN = Text{
		"Code porteur de la {card}, demandé par {pdt} (vide pour refuser) : ",
		"PIN of the {card}, asked for by {pdt} (empty to refuse): "}
	askPINTries = Text{
		"Code porteur de la {card}, demandé par {pdt}, {n} {n:essai restant:essais restants} (vide pour refuser) : ",
		"PIN of the {card}, asked for by {pdt}, {n} {n:try:tries} left (empty to refuse): "}
	askStart = Text{
		"Code porteur de {yours}, pour ouvrir la session (vide pour refuser) : ",
		"PIN of {yours}, to start the session (empty to refuse): "}
	askStartTries = Text{
		"Code porteur de {yours}, pour ouvrir la session, {n} {n:essai restant:essais restants} (vide pour refuser) : ",
		"PIN of {yours}, to start the session, {n} {n:try:tries} left (empty to refuse): "}
	PINGood  = Text{"Code porteur correct.", "PIN accepted."}
	pinWrong = Text{"Code porteur faux : il reste {n} {n:essai:essais}.", "Wrong PIN: {n} {n:try:tries} left."}
	pinNo    = Text{
		"Vous avez refusé de donner le code porteur : rien n'a été présenté à la carte.",
		"You declined to enter the PIN: nothing was sent to the card."}
	pinBlocked = Text{
		"La carte est bloquée : trop de codes faux. Adressez-vous à son émetteur (l'ANS pour une carte CPS).",
		"The card is blocked: too many wrong PINs. Ask its issuer (the ANS for a CPS card)."}
	pinRefused = Text{
		"La carte n'a pas accepté le code porteur (réponse {answer}).",
		"The card did not accept the PIN (answer {answer})."}
)

// Purpose returns what a PIN is for: the start that the user began, or a program that wants it.
func Purpose(p *tla.PINRequest) Text {
	switch {
	case p.For != tla.PINForStart:
		return AskedBy
	case p.Again:
		return AskedForStartAgain
	}
	return AskedForStart
}

// PINPrompt returns the prompt for a PIN.
func (t Tongue) PINPrompt(p *tla.PINRequest) string {
	prompts := []Text{askPIN, askPINTries}
	if p.For == tla.PINForStart {
		prompts = []Text{askStart, askStartTries}
	}
	prompt := prompts[0]
	if p.Tries > 0 {
		prompt = prompts[1]
	}
	why := ""
	if p.Again {
		why = t.Say(AskedForStartAgain, nil) + "\n"
	}
	return why + t.Say(prompt, append(t.CardFill(p.Slot), "pdt", t.Who(p.PdT, ""), "n", strconv.Itoa(p.Tries)))
}

// PINOutcome prints that the card accepted the PIN, or returns in words why not.
func (t Tongue) PINOutcome(w io.Writer, a tla.PINAnswer) error {
	switch {
	case !a.OK:
		return errors.New(t.WhyOf(ctl.CommandPIN, a.Error, ""))
	case a.Result == "9000":
		fmt.Fprintln(w, t.Say(PINGood, nil))
		return nil
	case a.Result == "6983", a.Result == "63c0":
		return errors.New(t.Say(pinBlocked, nil))
	case len(a.Result) == 4 && a.Result[:3] == "63c":
		tries, _ := strconv.ParseUint(a.Result[3:], 16, 8)
		return errors.New(t.Say(pinWrong, []string{"n", strconv.FormatUint(tries, 10)}))
	}
	return errors.New(t.Say(pinRefused, []string{"answer", a.Result}))
}
