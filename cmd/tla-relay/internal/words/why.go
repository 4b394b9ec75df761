package words

import (
	"tlagate/cmd/internal/sentences"
	"tlagate/session/link"
	"tlagate/tla"
	ctl "tlagate/tla/control"
)

// Text is one text in the languages of the user, for a professional: plain, without names of machines or programs,
// which log and trace have under the incident number. {peer}, {pdt}, {reason}, {n} and the like are filled in;
// {n:essai:essais} becomes its first or second form, by {n}.
type Text struct{ fr, en string }

// unknown stands for what is in no table.
var unknown = textOf(sentences.Unknown)

var (
	numbered = Text{"Numéro d'incident : {incident}", "Incident number: {incident}"}
	detailed = Text{"Détail : {detail}", "Detail: {detail}"} // of an enrolment, for the installer
)

func textOf(t sentences.Text) Text { return Text{t.FR, t.EN} }

// whys say why a session did not start, or ended; reasons are the second part of a Why, by its code.
var whys, reasons = map[tla.Code]Text{tla.CodeUnknownCommand: oldProgram}, map[tla.Code]map[string]Text{}

func init() {
	for code, text := range sentences.Whys {
		whys[tla.Code(code)] = textOf(text)
	}
	for code, table := range sentences.Reasons {
		reasons[tla.Code(code)] = textsOf(table)
	}
}

func textsOf(table map[string]sentences.Text) map[string]Text {
	texts := map[string]Text{}
	for word, text := range table {
		texts[word] = textOf(text)
	}
	return texts
}

// whysOf are the words for a code that means something else after one command.
var whysOf = map[string]map[tla.Code]Text{
	"check":               {tla.CodeCancelled: testGivenUp, tla.CodeStopped: testGivenUp},
	"start":               {tla.CodeStopped: textOf(sentences.Whys[string(tla.CodeCancelled)])},
	ctl.CommandPIN:        {tla.CodeCancelled: pinNo},
	ctl.CommandPINLastTry: {tla.CodeCancelled: pinNo},
}

var testGivenUp = Text{"Test abandonné par l'utilisateur.", "The user gave up the test."}

// Sentence returns a Why as one sentence. own is this terminal's identity; "" = not known.
func (t Tongue) Sentence(w *tla.Why, own string) string {
	sentence, ok := whys[w.Code]
	if !ok {
		sentence = unknown
	}
	return Capital(t.Say(sentence, []string{"peer", t.Who(w.Peer, own), "reason", t.reason(w)}))
}

// Why returns the sentence and, for an incident, what to do and its number. What a technician needs is in log and trace
// under that number.
func (t Tongue) Why(w *tla.Why, own string) string {
	text := t.Sentence(w, own)
	if w.Incident != "" {
		text += "\n" + t.Todo(w) + "\n" + t.Say(numbered, []string{"incident", w.Incident})
	}
	return text
}

// WhyOf returns why a command came to nothing.
func (t Tongue) WhyOf(command string, w *tla.Why, own string) string {
	if other, ok := whysOf[command][w.Code]; ok {
		return t.Say(other, nil)
	}
	return t.Why(w, own)
}

// reason returns the second part of a Why, from the table.
func (t Tongue) reason(w *tla.Why) string {
	known, ok := reasons[w.Code][w.Reason]
	if !ok {
		known = unknown
	}
	if w.Cause == "" {
		known = Text{sentences.WithoutCause(known.fr), sentences.WithoutCause(known.en)}
	}
	return t.Say(known, []string{"cause", t.cause(w)})
}

// cause returns the third part of a Why, which says more of its reason.
func (t Tongue) cause(w *tla.Why) string {
	if w.Reason == string(link.ProblemUserRefused) {
		return t.Say(textOf(sentences.CardRefused(w.Cause)), nil)
	}
	known, ok := reasons[tla.CodeUser][w.Cause]
	if !ok {
		known = unknown
	}
	return t.Say(known, nil)
}
