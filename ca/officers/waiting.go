package officers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"tlagate/audit"
	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/internal/files"
)

// Waiting is an act that one officer asked for and a second one decides. Its key is what that officer compares with
// what the holder of the key says.
type Waiting struct {
	ID     int64     `json:"id"`
	Issue  Issue     `json:"issue"`
	Key    string    `json:"key"` // subject key identifier, hexadecimal
	By     string    `json:"by"`
	With   string    `json:"with"` // serial number of the certificate by which they asked
	At     time.Time `json:"at"`
	Until  time.Time `json:"until"`
	State  string    `json:"state"`
	Second string    `json:"second,omitempty"` // who decided
	Serial string    `json:"serial,omitempty"` // of what was issued
	Chain  string    `json:"chain,omitempty"`  // PEM: the certificate, then the issuing CA's

	// Of an issuing CA that is to come after this one: its certificate, PEM, whose SHA-256 is Key; and what makes it
	// begin, once it is approved.
	Successor string `json:"successor,omitempty"`
	Approval  string `json:"approval,omitempty"`
}

// The values of Waiting.State.
const (
	Open     = "open"
	Approved = "approved" // and about to be done
	Issuance = "issued"
	Failed   = "failed"
	Rejected = "rejected"
)

const (
	waitingFile = "waiting.json"
	waitingTime = 7 * 24 * time.Hour // for a decision; it is shown for as long again
	mostWaiting = 50                 // open ones
	mostKept    = 150                // those that were decided or waited for too long, besides
	maxWaiting  = 16 << 20           // octets
	maxOne      = 32 << 10           // octets of one, before it is decided
)

// waitingRoom keeps what waits in a file beside the CA.
type waitingRoom struct {
	dir string
	mu  sync.Mutex // one reading and writing at a time
}

func (w *waitingRoom) list() ([]Waiting, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.read()
}

func (w *waitingRoom) read() (list []Waiting, err error) {
	data, err := files.Read(filepath.Join(w.dir, waitingFile), maxWaiting)
	if errors.Is(err, fs.ErrNotExist) {
		return []Waiting{}, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read what waits for a second officer: %w", err)
	}
	old := time.Now().Add(-waitingTime)
	return slices.DeleteFunc(list, func(one Waiting) bool { return one.Until.Before(old) }), nil
}

func (w *waitingRoom) write(list []Waiting) error {
	data, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		return err
	}
	return ca.Replace(filepath.Join(w.dir, waitingFile), append(data, '\n'), modePrivate)
}

// add gives an act its number and has it recorded before it waits.
func (w *waitingRoom) add(one Waiting, record func(Waiting) error) (Waiting, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list, err := w.read()
	if err != nil {
		return one, err
	}
	open := 0
	for _, o := range list {
		if one.ID = max(one.ID, o.ID); undecided(o) == nil {
			open++
		}
	}
	if open >= mostWaiting {
		return one, problemf(TooMany, "%d acts wait for a second officer already: decide some.", open)
	}
	list = forget(list, len(list)-open-mostKept)
	one.ID++
	if err := record(one); err != nil {
		return one, err
	}
	return one, w.write(append(list, one))
}

// forget drops the n oldest that were decided, or waited for too long: the trace has them.
func forget(list []Waiting, n int) []Waiting {
	return slices.DeleteFunc(list, func(o Waiting) bool {
		if n <= 0 || undecided(o) == nil {
			return false
		}
		n--
		return true
	})
}

// change changes what waits under a number, if check accepts it.
func (w *waitingRoom) change(id int64, check func(Waiting) error, f func(*Waiting)) (Waiting, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list, err := w.read()
	if err != nil {
		return Waiting{}, err
	}
	i := slices.IndexFunc(list, func(one Waiting) bool { return one.ID == id })
	if i < 0 {
		return Waiting{}, problemf(NotFound, "Nothing waits under the number %d.", id)
	}
	if err := check(list[i]); err != nil {
		return Waiting{}, err
	}
	f(&list[i])
	return list[i], w.write(list)
}

// propose has an act wait for a second officer, if it could be done.
func (s *Server) propose(c *call, m Issue, request ca.Request) (any, error) {
	key, err := c.ca.Certificates.Check(request)
	if err != nil {
		return nil, err
	}
	return s.wait(c, Waiting{Issue: m, Key: key})
}

// succeed has an issuing CA that the root has signed wait for a second officer.
func (s *Server) succeed(c *call) (any, error) {
	var m Succeed
	if err := c.read(&m); err != nil {
		return nil, err
	}
	cert, err := ca.ParseCertificate([]byte(m.Certificate))
	if err != nil {
		return nil, problemf(BadRequest, "The certificate cannot be read: %v.", err)
	}
	if err := checkWhy(m.Why, false); err != nil {
		return nil, err
	}
	if err := c.ca.CheckSuccessor(cert); err != nil {
		return nil, problemf(Refused, "This cannot come after this CA: %v.", err)
	}
	return s.wait(c, Waiting{Issue: Issue{Profile: store.ProfileIssuing, Identity: cert.Subject.CommonName, Why: m.Why},
		Key: ca.Fingerprint(cert), Successor: m.Certificate})
}

// wait has an act wait.
func (s *Server) wait(c *call, one Waiting) (any, error) {
	one.By, one.With, one.State = c.officer.Identity, store.FormatSerial(c.cert.SerialNumber), Open
	one.At = time.Now().UTC().Truncate(time.Second)
	one.Until = one.At.Add(waitingTime)
	if text, err := json.Marshal(one); err != nil || len(text) > maxOne {
		return nil, problemf(TooLarge, "What waits for a second officer has at most %d KiB.", maxOne>>10)
	}
	one, err := s.waiting.add(one, func(w Waiting) error { return c.record("propose", w.Issue.Why, w.about()...) })
	if err != nil {
		return nil, err
	}
	s.log.Warn("an act waits for a second officer: tla-pki waiting", "id", one.ID, "profile", one.Issue.Profile,
		"identity", one.Issue.Identity, "by", one.By)
	return Issued{Waiting: &one}, nil
}

// about is how the trace names it.
func (w Waiting) about() []audit.Attr {
	return []audit.Attr{audit.Identity(w.Issue.Identity), audit.Profile(w.Issue.Profile), audit.Number(w.ID),
		audit.Peer(w.By)}
}

// approve does what another officer asked for.
func (s *Server) approve(c *call) (any, error) {
	one, m, err := s.undecided(c)
	if err != nil {
		return nil, err
	}
	if err := checkWhy(m.Why, true); err != nil {
		return nil, err
	}
	if one.By == c.officer.Identity {
		return nil, problemf(SameOfficer, "You asked for it yourself: another officer approves it.")
	}
	if err := s.stillOfficer(one); err != nil {
		return nil, err
	}
	if err := c.record("approve", m.Why, one.about()...); err != nil {
		return nil, err
	}
	if one, err = s.waiting.change(one.ID, undecided, func(w *Waiting) {
		w.State, w.Second = Approved, c.officer.Identity
	}); err != nil {
		return nil, err
	}
	return s.doApproved(c, one)
}

// stillOfficer returns an error unless who asked may still ask for that, with the certificate that they had: what a
// stolen card asked for is not done once the card is revoked.
func (s *Server) stillOfficer(one Waiting) error {
	o, known := s.officer(one.By)
	if !known || s.rights["POST issue"].as(o) == "" {
		return problemf(Refused, "%s, who asked for it, may no longer.", one.By)
	}
	found, err := s.cfg.CA.Find(one.With)
	if err != nil || !slices.ContainsFunc(found, func(r store.Record) bool {
		return r.Identity == one.By && r.Status == store.Good && !r.Expired(time.Now())
	}) {
		return problemf(Refused, "The certificate by which %s asked for it is no longer good: reject it, and have it "+
			"asked for again.", one.By)
	}
	return nil
}

func (s *Server) doApproved(c *call, one Waiting) (any, error) {
	issued, approval, failure := c.carryOut(one)
	one, err := s.waiting.change(one.ID, anyState, func(w *Waiting) {
		if w.State = Failed; failure == nil {
			w.State, w.Serial, w.Chain, w.Approval = Issuance, issued.Serial, string(issued.Chain), approval
		}
	})
	if failure != nil {
		return nil, errors.Join(failure, err)
	}
	out := Issued{Record: issued.Record, Chain: string(issued.Chain), Notes: issued.Notes, Waiting: &one}
	if err != nil {
		out.Notes = append(out.Notes, err.Error())
	}
	return out, nil
}

// carryOut issues a certificate, or approves a successor.
func (c *call) carryOut(one Waiting) (issued *ca.Issued, approval string, err error) {
	if one.Successor == "" {
		request, err := one.Issue.request()
		if err != nil {
			return nil, "", err
		}
		issued, err = c.ca.Certificates.Issue(request)
		return issued, "", err
	}
	cert, err := ca.ParseCertificate([]byte(one.Successor))
	if err != nil {
		return nil, "", err
	}
	statement, err := c.ca.ApproveSuccessor(cert, one.By, c.officer.Identity)
	if err != nil {
		return nil, "", err
	}
	found, err := c.ca.Find(store.FormatSerial(cert.SerialNumber))
	if err != nil {
		return nil, "", err
	}
	return &ca.Issued{Record: found[0], Certificate: cert}, string(statement), nil
}

// reject ends what waits; whoever asked for it may do so too, if they have the role.
func (s *Server) reject(c *call) (any, error) {
	one, m, err := s.undecided(c)
	if err != nil {
		return nil, err
	}
	if err := checkWhy(m.Why, true); err != nil {
		return nil, err
	}
	if err := c.record("reject", m.Why, one.about()...); err != nil {
		return nil, err
	}
	_, err = s.waiting.change(one.ID, undecided, func(w *Waiting) {
		w.State, w.Second = Rejected, c.officer.Identity
	})
	return Done{c.warnings}, err
}

// undecided returns what a decision is about, before anything is recorded.
func (s *Server) undecided(c *call) (one Waiting, m Decide, err error) {
	if err := c.read(&m); err != nil {
		return one, m, err
	}
	list, err := s.waiting.list()
	if err != nil {
		return one, m, err
	}
	i := slices.IndexFunc(list, func(w Waiting) bool { return w.ID == m.ID })
	if i < 0 {
		return one, m, problemf(NotFound, "Nothing waits under the number %d.", m.ID)
	}
	return list[i], m, undecided(list[i])
}

func undecided(w Waiting) error {
	switch {
	case w.State != Open:
		return problemf(Refused, "It is %s.", w.State)
	case time.Now().After(w.Until):
		return problemf(Refused, "It waited for too long: ask for it again.")
	}
	return nil
}

func anyState(Waiting) error { return nil }
