package ocsp

import (
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"net/http"
	"strconv"
	"time"
)

// answer is a signed answer, with the HTTP header fields that it determines.
type answer struct {
	der        []byte
	signer     *signer
	thisUpdate time.Time
	nextUpdate time.Time
	fields     headerFields
}

// headerFields are values as http.Header keeps them, shared by all requests and never changed.
type headerFields struct{ etag, lastModified, expires, length []string }

// refusal is an unsigned answer, and why.
type refusal struct {
	der    []byte
	reason string // for logs
	err    error
}

var (
	refuseMalformed = &refusal{der: malformedRequest, reason: "malformed", err: errMalformed}
	refuseForeign   = &refusal{der: unauthorized, reason: "foreign_issuer"}
)

// passingValidity is the validity of an answer that may soon become good: no certificate should be refused for an hour
// because somebody asked about it a moment before it was issued.
const passingValidity = time.Minute

// respond answers one request, with a signed answer or a refusal. q is nil when the request cannot be read.
func (r *Responder) respond(der []byte) (q *request, a *answer, no *refusal) {
	q, err := parseRequest(der, r.cfg.MaxIDs)
	if err != nil {
		return nil, nil, refuseMalformed
	}
	for i := range q.ids {
		if !r.issuer.issued(&q.ids[i]) {
			return q, nil, refuseForeign
		}
	}
	now := r.cfg.Clock()
	if err := r.ready(now); err != nil {
		return q, nil, &refusal{tryLater, "not_ready", err}
	}
	if len(q.ids) == 1 && q.nonce == nil {
		a, err = r.kept(&q.ids[0], now)
	} else {
		a, err = r.live(q, now)
	}
	if err != nil {
		r.log.Error("cannot answer", "error", err)
		return q, nil, &refusal{internalError, "failed", err}
	}
	return q, a, nil
}

// kept returns the answer that is kept for a certificate, or a new one.
func (r *Responder) kept(id *certID, now time.Time) (*answer, error) {
	e, err := r.know(id)
	if err != nil {
		return nil, err
	}
	if a := e.answer; a != nil && a.signer == r.signer.Load() && a.fresh(now) {
		return a, nil
	}
	a, err := r.sign([]certID{*id}, []status{e.status}, nil, now)
	if err == nil && e.status.kind != unknown {
		r.cache.put(id.Raw, &entry{e.status, e.generation, a})
	}
	return a, err
}

// fresh reports whether less than half of the validity is over, so that a client can use the answer for the other half.
func (a *answer) fresh(now time.Time) bool {
	return !now.Before(a.thisUpdate) && now.Before(a.thisUpdate.Add(a.nextUpdate.Sub(a.thisUpdate)/2))
}

// live signs an answer for this request only.
func (r *Responder) live(q *request, now time.Time) (*answer, error) {
	statuses := make([]status, len(q.ids))
	for i := range q.ids {
		e, err := r.know(&q.ids[i])
		if err != nil {
			return nil, err
		}
		statuses[i] = e.status
	}
	return r.sign(q.ids, statuses, q.nonce, now)
}

// know returns what the books say of a certificate. A cached entry is good until the books change; its answer survives
// a change that was about others.
func (r *Responder) know(id *certID) (*entry, error) {
	generation := r.generation.Load() // before the lookup: a change during it makes the entry old
	e := r.cache.get(id.Raw)
	if e != nil && e.generation == generation {
		return e, nil
	}
	now, err := r.lookup(id)
	if err != nil {
		return nil, err
	}
	fresh := &entry{status: now, generation: generation}
	if e != nil && e.status == now {
		fresh.answer = e.answer
	}
	if now.kind != unknown {
		r.cache.put(id.Raw, fresh)
	}
	return fresh, nil
}

func (r *Responder) lookup(id *certID) (status, error) {
	if id.Serial[0]&0x80 != 0 {
		return status{}, nil // negative: never issued
	}
	return r.books.lookup(new(big.Int).SetBytes(id.Serial))
}

// sign makes an answer; the nextUpdate of an answer about several certificates is the earliest of theirs.
func (r *Responder) sign(ids []certID, statuses []status, nonce []byte, now time.Time) (*answer, error) {
	s := r.signer.Load()
	at := now.UTC().Truncate(time.Second)
	a := &answer{signer: s, thisUpdate: at, nextUpdate: at.Add(r.cfg.Validity)}
	answers := make([]single, len(ids))
	for i := range ids {
		until := r.until(s, statuses[i], at)
		answers[i] = single{ids[i].Raw, statuses[i], until}
		if until.Before(a.nextUpdate) {
			a.nextUpdate = until
		}
	}
	var err error
	r.counts.signed.Add(1)
	if a.der, err = s.sign(at, answers, nonce); err != nil {
		return nil, err
	}
	a.fields = a.header()
	return a, nil
}

// until returns nextUpdate: no answer outlives the certificate it is signed with.
func (r *Responder) until(s *signer, about status, at time.Time) time.Time {
	until := at.Add(r.cfg.Validity)
	if about.passing() {
		until = at.Add(min(passingValidity, r.cfg.Validity))
	}
	if end := s.cert.NotAfter; end.Before(until) {
		return end
	}
	return until
}

func (a *answer) header() headerFields {
	digest := sha256.Sum256(a.der)
	return headerFields{
		etag:         []string{`"` + hex.EncodeToString(digest[:]) + `"`},
		lastModified: []string{a.thisUpdate.Format(http.TimeFormat)},
		expires:      []string{a.nextUpdate.UTC().Format(http.TimeFormat)},
		length:       []string{strconv.Itoa(len(a.der))},
	}
}
