package revocation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/files"
	"tlagate/internal/retry"
	"tlagate/pki"
	"tlagate/pki/crl"
)

// OCSP answers are kept in a file across restarts, one DER OCSPResponse after the other, for a restart while no
// responder can be reached. They are signed, and verified again like any other when they are needed. Those that were
// good before the restart are used last, since the status may have changed meanwhile; those that revoke for good are
// used first.

const (
	maxKept   = 64 << 20    // octets of the file
	keepEvery = time.Minute // how often it is written if there is something new
)

// keptAnswer is an answer from before the restart that has not been needed yet.
type keptAnswer struct {
	der   []byte
	final bool // it revokes a certificate for good
	until time.Time
}

// openAnswers reads the file. If it is missing, this is a first start; if it is unreadable, that is an error: it may
// have a revocation that no CRL has yet.
func (t *ocspClient) openAnswers() error {
	t.answers.kept = map[string][]keptAnswer{}
	if _, err := files.Load(t.cfg.Answers, maxKept, t.answers.load); err != nil {
		return fmt.Errorf("cannot read the OCSP answers kept, %s: %w; restore it, or remove it to start anew",
			t.cfg.Answers, err)
	}
	return nil
}

// load reads the content of the file.
func (s *answers) load(data []byte) error {
	for in := cryptobyte.String(data); !in.Empty(); {
		var der cryptobyte.String
		if !in.ReadASN1Element(&der, cbasn1.SEQUENCE) {
			return errors.New("it is no sequence of DER OCSPResponses")
		}
		read, err := parseAnswer(der)
		if err != nil {
			return err
		}
		for serial, k := range read.kept() {
			s.kept[serial] = append(s.kept[serial], k)
		}
	}
	return nil
}

// kept returns the answer under each serial number that it is about.
func (a *ocspAnswer) kept() map[string]keptAnswer {
	all := map[string]keptAnswer{}
	for _, s := range a.singles {
		final := s.status == statusRevoked && s.reason != crl.ReasonHold
		all[string(s.id.serial)] = keptAnswer{a.der, final || all[string(s.id.serial)].final, s.nextUpdate}
	}
	return all
}

// takeKept removes the kept answers about a certificate, those that revoke for good if final, else the others, and
// returns them.
func (s *answers) takeKept(who about, final bool) []*ocspAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	var taken []*ocspAnswer
	left := slices.DeleteFunc(s.kept[string(who.serial)], func(k keptAnswer) bool {
		if k.final != final {
			return false
		}
		read, err := parseAnswer(k.der)
		match := err == nil && slices.ContainsFunc(read.singles, func(s single) bool {
			return s.id.names(who.issuer, who.serial)
		})
		if match {
			taken = append(taken, read)
		}
		return match
	})
	if s.kept[string(who.serial)] = left; len(left) == 0 {
		delete(s.kept, string(who.serial))
	}
	return taken
}

// judgeKept verifies the kept answers about a certificate, and remembers the good ones; it returns why the last bad one
// is refused.
func (t *ocspClient) judgeKept(q Question, final bool) (last *pki.Refusal) {
	for _, read := range t.answers.takeKept(q.about(), final) {
		a, refusal := t.believe(read, origin{pki.SourceCache, "before the restart"}, q.about(), nil, q.Now)
		if refusal == nil && !a.final() {
			refusal = t.checkDates(a, q.Issuer, q.Now)
		}
		if refusal != nil {
			last = refusal
			continue
		}
		t.remember(q.about(), a, q.Now)
	}
	return last
}

// fromKept looks at the answers from before the restart that do not revoke for good.
func (t *ocspClient) fromKept(q Question) (*answer, string, *pki.Refusal) {
	refusal := t.judgeKept(q, false)
	have := t.answers.get(q.about())
	if have == nil || have.origin.kind != pki.SourceCache {
		return nil, "", refusal
	}
	return t.current(have, pki.SourceCache, q)
}

// keepAnswers writes the file every minute when there is something new, and at the end.
func (t *ocspClient) keepAnswers(ctx context.Context) {
	if t.cfg.Answers == "" {
		return
	}
	var saved uint64
	for running := true; running; {
		running = retry.Sleep(ctx, keepEvery)
		content, version := t.answers.content(t.now())
		if version == saved {
			continue
		}
		if err := files.Replace(t.cfg.Answers, content, 0o600); err != nil {
			t.log.Error("cannot keep the OCSP answers at hand: after a restart they are asked for again",
				"file", t.cfg.Answers, "error", err)
			continue
		}
		saved = version
	}
}

// content returns the answers to be kept, those that revoke first, as room is limited.
func (s *answers) content(now time.Time) ([]byte, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []keptAnswer
	for _, r := range s.records {
		if r.answer != nil {
			all = append(all, keptAnswer{r.answer.der, r.answer.final(), r.answer.nextUpdate})
		}
	}
	for _, list := range s.kept {
		all = append(all, list...)
	}
	slices.SortStableFunc(all, func(a, b keptAnswer) int {
		if a.final == b.final {
			return 0
		}
		return map[bool]int{true: -1, false: 1}[a.final]
	})
	var out bytes.Buffer
	seen := map[string]bool{}
	for _, k := range all {
		if (k.final || now.Before(k.until)) && !seen[string(k.der)] && out.Len()+len(k.der) <= maxKept {
			seen[string(k.der)] = true
			out.Write(k.der)
		}
	}
	return out.Bytes(), s.version
}
