package revocation

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"time"

	"tlagate/internal/stamp"
	"tlagate/pki"
	"tlagate/pki/crl"
	"tlagate/pki/internal/describe"
)

// answers remembers the verified OCSP answers about certificates in use, and when each is to be fetched. Its mutex is
// never locked while anything is verified, fetched or logged.
type answers struct {
	mu      sync.Mutex // protects the rest, the fields of records included
	records map[answerKey]*record
	pending []*ocspAnswer           // from status records, about certificates of CAs that are not known yet
	kept    map[string][]keptAnswer // from before the restart, by serial
	version uint64                  // of what is to be kept across restarts
}

const (
	maxRecords = 32 << 10      // three a session, for 9 000 of them, and room
	maxPending = 32            // answers from status records
	keepUnused = 1 * time.Hour // how long a record stays that is not in use
)

// answerKey identifies a certificate by its issuer's name and key, and its serial.
type answerKey [32]byte

func (who about) key() answerKey {
	h := sha256.New()
	fmt.Fprintf(h, "%d %d ", len(who.issuer.RawSubject), len(who.serial))
	h.Write(who.issuer.RawSubject)
	h.Write(who.serial)
	h.Write(who.issuer.RawSubjectPublicKeyInfo)
	return answerKey(h.Sum(nil))
}

// record is what is known about one certificate.
type record struct {
	who      about
	urls     []string // responders to ask
	answer   *answer  // the best one there has been; nil = none
	used     time.Time
	next     time.Time     // when to ask again
	failures int           // in a row
	refusal  *pki.Refusal  // why the last attempt failed; nil = it did not, or there was none
	fetching chan struct{} // closed when the attempt under way ends; nil = there is none
}

// use notes that a certificate is in use, so that its answer is renewed.
func (s *answers) use(q Question, urls []string) {
	key := q.about().key()
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.records[key]; r != nil {
		r.used, r.urls = q.Now, urls
		return
	}
	if len(urls) > 0 {
		s.add(key, &record{who: q.about(), urls: urls, used: q.Now, next: q.Now})
	}
}

// add makes room for a record and adds it; s.mu is locked. It returns false when all the records there are must stay.
func (s *answers) add(key answerKey, r *record) bool {
	if s.records == nil {
		s.records = map[answerKey]*record{}
	}
	if len(s.records) >= maxRecords {
		s.sweep(r.used)
	}
	for old, have := range s.records {
		if len(s.records) < maxRecords {
			break
		}
		if !have.mustStay() {
			delete(s.records, old)
		}
	}
	if len(s.records) >= maxRecords {
		return false
	}
	s.records[key] = r
	return true
}

// mustStay reports whether a record must not be forgotten: it revokes.
func (r *record) mustStay() bool { return r.answer != nil && r.answer.status == statusRevoked }

// sweep forgets the records that are not in use; s.mu is locked.
func (s *answers) sweep(now time.Time) {
	for key, r := range s.records {
		if now.Sub(r.used) > keepUnused && !r.mustStay() && r.fetching == nil {
			delete(s.records, key)
		}
	}
}

// put records an answer, unless the one at hand is better; it returns the better one, and whether the status of the
// certificate has changed.
func (s *answers) put(who about, a *answer, next, now time.Time) (best *answer, changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := who.key()
	r := s.records[key]
	if r == nil {
		r = &record{who: who, used: now, next: next}
		s.add(key, r)
	}
	r.next = next
	if r.answer != nil && !a.supersedes(r.answer) {
		return r.answer, false
	}
	changed = r.answer != nil && r.answer.status != a.status
	r.answer = a
	s.version++
	return a, changed
}

// supersedes reports whether a replaces old. What is revoked for good stays revoked.
func (a *answer) supersedes(old *answer) bool {
	switch {
	case a.final() != old.final():
		return a.final()
	case !a.thisUpdate.Equal(old.thisUpdate):
		return a.thisUpdate.After(old.thisUpdate)
	case a.status != old.status:
		return a.worse(&old.single)
	}
	return !a.nextUpdate.Before(old.nextUpdate)
}

// get returns the answer at hand for a certificate; nil = none.
func (s *answers) get(who about) *answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.records[who.key()]; r != nil {
		return r.answer
	}
	return nil
}

// release forgets the answers by which a certificate is on hold.
func (s *answers) release(issuerKeyID, serial []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.records {
		if bytes.Equal(r.who.serial, serial) && bytes.Equal(r.who.issuer.SubjectKeyId, issuerKeyID) &&
			r.answer != nil && !r.answer.final() {
			r.answer, r.next = nil, time.Time{}
			s.version++
		}
	}
}

// fromStaple looks at what the peer stapled. An answer that is known is not verified again.
func (t *ocspClient) fromStaple(q Question) (*answer, string, *pki.Refusal) {
	if len(q.Staple) == 0 {
		return nil, "", nil
	}
	from := origin{kind: pki.SourceStaple}
	if have := t.answers.get(q.about()); have != nil && bytes.Equal(have.der, q.Staple) {
		return t.current(have, pki.SourceStaple, q)
	}
	read, err := parseAnswer(q.Staple)
	if err != nil {
		return nil, "", from.refuse(answerReason(err), "%v", err)
	}
	a, refusal := t.believe(read, from, q.about(), nil, q.Now)
	if refusal == nil {
		refusal = t.checkDates(a, q.Issuer, q.Now)
	}
	if refusal != nil {
		return nil, "", refusal
	}
	best := t.remember(q.about(), a, q.Now)
	if best != a {
		return t.current(best, pki.SourceCache, q)
	}
	return a, pki.SourceStaple, nil
}

// fromMemory looks at earlier answers, and at those from status records that could not be judged yet.
func (t *ocspClient) fromMemory(q Question) (*answer, string, *pki.Refusal) {
	t.judgePending(q)
	t.judgeKept(q, true)
	have := t.answers.get(q.about())
	if have == nil {
		return nil, "", nil
	}
	kind := pki.SourceCache
	if have.origin.kind == pki.SourceStatus {
		kind = pki.SourceStatus
	}
	return t.current(have, kind, q)
}

// current returns an answer if it is in date or revokes for good, and otherwise why it is refused.
func (t *ocspClient) current(a *answer, kind string, q Question) (*answer, string, *pki.Refusal) {
	if refusal := t.checkDates(a, q.Issuer, q.Now); refusal != nil && !a.final() {
		return nil, "", refusal
	}
	return a, kind, nil
}

// judge returns what an answer, which is in date, says about the certificate.
func (a *answer) judge(q Question, kind string) (pki.Revocation, *pki.Refusal) {
	switch a.status {
	case statusRevoked:
		return pki.Revocation{}, q.revoked("revoked at %s (%s), says the %s, until %s", stamp.Instant(a.revokedAt),
			crl.ReasonWord(a.reason), a.origin, stamp.Instant(a.nextUpdate))
	case statusUnknown:
		return pki.Revocation{}, a.origin.refuse(pki.OCSPUnknown,
			"the responder does not know it: its CA has not issued it, or the responder lags behind")
	}
	return pki.Revocation{Serial: describe.Serial(q.Cert), Kind: kind, Source: a.origin.String(),
		ThisUpdate: a.thisUpdate, NextUpdate: a.nextUpdate}, nil
}

// remember records a verified answer, and announces it when it changes the certificate's status; it returns the best
// answer at hand.
func (t *ocspClient) remember(who about, a *answer, now time.Time) *answer {
	t.vouch(a.thisUpdate, now)
	best, changed := t.answers.put(who, a, t.refreshAt(a, now), now)
	if changed {
		t.TellChanged()
	}
	return best
}

// refreshAt returns when an answer is to be asked for again: after Refresh, or halfway to its end if that is sooner.
func (t *ocspClient) refreshAt(a *answer, now time.Time) time.Time {
	wait := min(t.cfg.OCSP.Refresh, a.nextUpdate.Sub(now)/2)
	return now.Add(withJitter(max(wait, minRefresh)))
}

// minRefresh prevents a responder whose answers are about to end from being asked all the time.
const minRefresh = time.Second

// refusedStatus logs a refusal, but not all that a gateway could make it log.
func (t *ocspClient) refusedStatus(err error) {
	if n := t.statusRefused.Add(1); n <= 20 || n%1000 == 0 {
		t.log.Warn("status record refused", "reason", pki.ReasonOf(err), "error", err, "so_far", n)
	}
}

// AddStatus adds an OCSP answer (DER) that a status record brought. It is believed only if it passes every check that
// any other answer has to pass; the error is a *Refusal. An answer for a CA that is not known yet waits for the first
// certificate of that CA.
func (t *ocspClient) AddStatus(der []byte) error {
	from := origin{kind: pki.SourceStatus}
	read, err := parseAnswer(bytes.Clone(der))
	if err != nil {
		return from.refuse(answerReason(err), "%v", err)
	}
	now := t.now()
	matched := false
	for _, who := range t.speaksOf(read) {
		matched = true
		if refusal := t.takeIn(read, from, who, now); refusal != nil {
			return refusal
		}
	}
	if !matched {
		t.answers.wait(read)
	}
	return nil
}

// takeIn verifies an answer, unless it is the one at hand, and remembers it.
func (t *ocspClient) takeIn(read *ocspAnswer, from origin, who about, now time.Time) *pki.Refusal {
	if have := t.answers.get(who); have != nil && bytes.Equal(have.der, read.der) {
		return nil
	}
	a, refusal := t.believe(read, from, who, nil, now)
	if refusal == nil {
		refusal = t.checkDates(a, who.issuer, now)
	}
	if refusal == nil {
		t.remember(who, a, now)
	}
	return refusal
}

// speaksOf returns the certificates of known CAs that an answer is about.
func (t *ocspClient) speaksOf(a *ocspAnswer) []about {
	var list []about
	for _, ca := range t.allCAs() {
		for _, s := range a.singles {
			if s.id.names(ca, s.id.serial) {
				list = append(list, about{ca, s.id.serial})
			}
		}
	}
	return list
}

// wait remembers an answer until its CA is known; the oldest makes room.
func (s *answers) wait(a *ocspAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) >= maxPending {
		s.pending = slices.Delete(s.pending, 0, 1)
	}
	s.pending = append(s.pending, a)
}

// judgePending judges the waiting answers about a certificate: its CA is known by now.
func (t *ocspClient) judgePending(q Question) {
	for _, a := range t.answers.takePending(q.about()) {
		if refusal := t.takeIn(a, origin{kind: pki.SourceStatus}, q.about(), q.Now); refusal != nil {
			t.refusedStatus(refusal)
		}
	}
}

func (s *answers) takePending(who about) []*ocspAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	var taken []*ocspAnswer
	s.pending = slices.DeleteFunc(s.pending, func(a *ocspAnswer) bool {
		match := slices.ContainsFunc(a.singles, func(s single) bool { return s.id.names(who.issuer, who.serial) })
		if match {
			taken = append(taken, a)
		}
		return match
	})
	return taken
}
