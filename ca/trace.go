package ca

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"tlagate/audit"
	"tlagate/ca/store"
	"tlagate/pki"
)

// AuditFile is the trace of the CA in dir (annex codes G2, SA2). Whatever program changes the books, it is written
// there.
func AuditFile(dir string) string { return filepath.Join(dir, "audit.jsonl") }

// trail records what is done with the CA, and which account did it.
type trail struct {
	file    string
	by      string
	officer bool // by is an officer's identity: the account is that of the server that acts for them
	clock   func() time.Time
}

func (t *trail) record(kind audit.Kind, attrs ...audit.Attr) error {
	log, err := audit.Open(audit.Config{File: t.file, By: t.by, Clock: t.clock})
	if err != nil {
		return err
	}
	if !t.officer {
		attrs = append(attrs, audit.Account())
	}
	return log.Record(kind, attrs...)
}

// created records a new CA: its two keys, and its certificates.
func (t *trail) created(authorities ...*issuer) error {
	for _, i := range authorities {
		key := audit.Fingerprint(i.cert.RawSubjectPublicKeyInfo)
		err := t.record(audit.KeyCreated, audit.Use(i.use), audit.Store("file"), key)
		if err == nil {
			err = t.record(audit.CACreated, append(audit.Certificate(i.cert), audit.Use(i.use))...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// order records what is about to be signed.
func (t *trail) order(o *order) error {
	return t.record(audit.CertificateIssued, audit.Serial(o.serial), audit.Identity(o.identity.String()),
		audit.Profile(o.profile.Name), audit.Until(o.notAfter))
}

// certificate records a revocation or release.
func (t *trail) certificate(kind audit.Kind, r store.Record, why string) error {
	return t.record(kind, audit.SerialText(r.Serial), audit.Identity(r.Identity), audit.Profile(r.Profile),
		audit.Reason(why))
}

// arl records a list of the root's.
func (t *trail) arl(list *List) error {
	return t.record(audit.ARLPublished, audit.Number(list.Number), audit.Count(list.Entries),
		audit.Until(list.NextUpdate))
}

// keyFailed records that a key of the CA cannot be used.
func (t *trail) keyFailed(use string) error {
	return t.record(audit.KeyFailed, audit.Use(use),
		audit.Reason("it cannot be loaded, or is not the certificate's"))
}

// Heads are what the CA's books know of the audit traces of gateways (SA2, docs/heads.md). That a head is signed is
// for the caller to verify.
type Heads struct{ *core }

// Say records a head; those that were last said longer ago than keep are dropped. It is refused with store.ErrHeadBack
// or store.ErrHeadOther, and the refusal is in the trace. When ctx has ended by the time that the books are free, the
// head is not recorded: its gateway may have sent a later one since.
func (c *Heads) Say(ctx context.Context, h store.Head, keep time.Duration) error {
	err := c.locks.books(func() error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		h.Received = c.now()
		return c.store.Heads().Say(h, h.Received.Add(-keep))
	})
	if errors.Is(err, store.ErrHeadBack) || errors.Is(err, store.ErrHeadOther) {
		return errors.Join(err, c.trail.record(audit.HeadRefused, audit.Identity(h.Gateway),
			audit.Number(int64(h.Number)), audit.Hash(h.Hash), audit.Reason(err.Error())))
	}
	return err
}

// Of returns the heads of a gateway with that number or a higher one, lowest first, up to limit.
func (c *Heads) Of(gateway pki.Identity, from uint64, limit int) ([]store.Head, error) {
	return c.store.Heads().Of(gateway.String(), from, limit)
}

// Newest returns the last head of each gateway.
func (c *Heads) Newest() ([]store.Head, error) { return c.store.Heads().Newest() }

// Late records that a gateway has sent no head for long.
func (c *Heads) Late(last store.Head, limit time.Duration) error {
	return c.trail.record(audit.HeadLate, audit.Identity(last.Gateway), audit.Number(int64(last.Number)),
		audit.From(last.Received.Format(time.RFC3339)), audit.Length(limit))
}

// Forget removes the heads of a gateway whose trace begins anew. The trace has it before it is done: who, why, and the
// last head.
func (c *Heads) Forget(gateway pki.Identity, reason string) (last store.Head, err error) {
	err = c.locks.books(func() error {
		if last, err = c.last(gateway); err != nil {
			return err
		}
		if err := c.trail.record(audit.OperatorAct, audit.Act("forget heads"), audit.Identity(last.Gateway),
			audit.Reason(reason), audit.Number(int64(last.Number)), audit.Hash(last.Hash)); err != nil {
			return err
		}
		return c.store.Heads().Forget(last.Gateway)
	})
	return last, err
}

func (c *Heads) last(gateway pki.Identity) (store.Head, error) {
	all, err := c.store.Heads().Newest()
	for _, h := range all {
		if h.Gateway == gateway.String() {
			return h, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("cannot find heads of %s: the books have none", gateway)
	}
	return store.Head{}, err
}
