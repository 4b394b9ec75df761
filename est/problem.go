package est

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Word is one stable word for why an EST server does not do what was asked (docs/enrolment.md, section 3).
type Word string

// The words.
const (
	CodeRequired        Word = "code_required"        // neither a code nor a client certificate
	CodeUnknown         Word = "code_unknown"         // mistyped, withdrawn, or never made
	CodeExpired         Word = "code_expired"         // too late
	CodeUsed            Word = "code_used"            // with another key
	CertificateRequired Word = "certificate_required" // simplereenroll without one
	// the client certificate is revoked, on hold, ended or not the CA's
	CertificateRefused Word = "certificate_refused"
	WrongProfile       Word = "wrong_profile" // the identity's role has no such profile
	BadRequest         Word = "bad_request"   // the request cannot be read
	BadKey             Word = "bad_key"       // its key is not allowed, or not proven
	BadBinding         Word = "bad_binding"   // it was made for another connection
	TooMany            Word = "too_many"      // failures from this address
	NotAvailable       Word = "not_available" // the CA cannot sign now
)

// Problem is the answer of an EST server that refuses a request.
type Problem struct {
	Status int    // of HTTP
	Word   Word   // "" when the answer is not in our form
	Text   string // one sentence, for people; at most 200 printable characters
}

// Error returns "WORD: sentence".
func (p *Problem) Error() string {
	if p.Word == "" {
		return fmt.Sprintf("cannot enrol: the PKI answered HTTP %d %s", p.Status, p.Text)
	}
	return fmt.Sprintf("cannot enrol: %s: %s", p.Word, p.Text)
}

const maxText = 200 // characters

// parseProblem reads the first line of an answer: "word: sentence".
func parseProblem(status int, body []byte) *Problem {
	line, _, _ := strings.Cut(string(body[:min(len(body), 4*maxText)]), "\n")
	line = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, line)
	word, text, found := strings.Cut(line, ": ")
	if !found || !isWord(word) {
		return &Problem{Status: status, Text: short(line)}
	}
	return &Problem{Status: status, Word: Word(word), Text: short(text)}
}

func isWord(s string) bool {
	outside := func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' }
	return s != "" && len(s) <= 40 && !strings.ContainsFunc(s, outside)
}

func short(text string) string {
	r := []rune(text)
	return string(r[:min(len(r), maxText)])
}

// ErrAnchor means that the PKI that answers is not the one that made the code. Nothing secret was sent to it.
var ErrAnchor = errors.New("cannot enrol: the PKI that answers there is not the one that made this code; nothing " +
	"secret was sent to it")

// Unreachable means that no server answers at the place.
type Unreachable struct {
	Place Place
	Cause error
}

// Error names the place.
func (e *Unreachable) Error() string {
	return fmt.Sprintf("cannot reach %s: %v", e.Place.Address, e.Cause)
}

// Unwrap returns the cause.
func (e *Unreachable) Unwrap() error { return e.Cause }

// BadAnswer means that the answer of the PKI cannot be used.
type BadAnswer struct {
	To    string // what was asked for
	Cause error
}

// Error says what is wrong with the answer.
func (e *BadAnswer) Error() string {
	return fmt.Sprintf("cannot use the PKI's answer to %s: %v", e.To, e.Cause)
}

// Unwrap returns the cause.
func (e *BadAnswer) Unwrap() error { return e.Cause }
