package revocation

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"time"

	"tlagate/internal/files"
	"tlagate/pemfile"
	"tlagate/pki"
	"tlagate/pki/crl"
)

// maxARL bounds what a status record brings: an ARL lists CAs, and there are few.
const maxARL = 16<<10 - 3

// AddARL adds an ARL (DER) that a status record brought: a list of an anchor, in date, with no lower number than the
// one at hand. It must pass the checks of any other CRL first; the error is a *Refusal. When Config.ARL names a file,
// the ARL is written there, so that it is at hand after a restart.
func (t *crlStore) AddARL(der []byte) error {
	return t.addList(der, t.cfg.Anchors(), "ARL of a status record")
}

// addList is AddARL for lists of these issuers.
func (t *crlStore) addList(der []byte, issuers []*x509.Certificate, where string) error {
	c, refusal := t.judgeReceived(bytes.Clone(der), issuers, where)
	if refusal != nil {
		return refusal
	}
	if t.knowsList(c) {
		return nil
	}
	t.received.refreshing.Lock()
	defer t.received.refreshing.Unlock()
	t.take(t.received, []*crl.List{c})
	return t.keepARLs()
}

func (t *crlStore) judgeReceived(der []byte, issuers []*x509.Certificate, where string) (*crl.List, *pki.Refusal) {
	if len(der) > maxARL {
		return nil, &pki.Refusal{Reason: pki.CRLBad, Subject: where, Detail: "it is too long for one"}
	}
	c, err := crl.ReadFrom(context.Background(), "status record", der)
	if err != nil {
		return nil, &pki.Refusal{Reason: pki.CRLBad, Subject: where, Detail: err.Error(), Cause: err}
	}
	last := c.Refuse(pki.CRLWrongIssuer, "none of the CAs here whose lists a status record may bring issued it")
	for _, issuer := range issuers {
		if !bytes.Equal(issuer.RawSubject, c.Head.RawIssuer) {
			continue
		}
		if last = t.judgeCRLOf(c, issuer); last == nil {
			return c, nil
		}
	}
	return nil, last
}

// judgeCRLOf makes the checks of a CA's list that need no certificate to look up.
func (t *crlStore) judgeCRLOf(c *crl.List, issuer *x509.Certificate) *pki.Refusal {
	now := t.now()
	for _, check := range []func() *pki.Refusal{
		func() *pki.Refusal { return c.CheckIssuer(issuer) },
		func() *pki.Refusal { return t.numbers.check(issuer, c) },
		func() *pki.Refusal { return c.CheckFuture(now) },
		func() *pki.Refusal { return c.CheckStale(now) },
	} {
		if refusal := check(); refusal != nil {
			return refusal
		}
	}
	return nil
}

func (t *crlStore) knowsList(c *crl.List) bool {
	for _, have := range t.snap.Load().crls {
		if bytes.Equal(have.DER, c.DER) {
			return true
		}
	}
	return false
}

// keepARLs writes the ARLs that status records brought to their file.
func (t *crlStore) keepARLs() error {
	if t.cfg.ARL == "" {
		return nil
	}
	var out bytes.Buffer
	lists, _ := t.received.lists()
	for _, c := range lists {
		_ = pem.Encode(&out, &pem.Block{Type: pemfile.CRL, Bytes: c.DER}) // a Buffer never fails
	}
	if err := files.Replace(t.cfg.ARL, out.Bytes(), 0o600); err != nil {
		t.log.Error("ARL not kept: after a restart the one before it counts", "file", t.cfg.ARL, "error", err)
	}
	return nil
}

// newReceived returns the source of what status records bring. Its file need not exist: we write it.
func (t *crlStore) newReceived() *source {
	if t.cfg.ARL == "" {
		return &source{where: "status record", reader: memoryReader{}}
	}
	return &source{where: t.cfg.ARL, reader: &ownFileReader{fileReader{file: t.cfg.ARL, cfg: t.cfg}}}
}

// memoryReader never reads anything.
type memoryReader struct{}

func (memoryReader) read(context.Context, asking) ([]byte, error)   { return nil, nil }
func (memoryReader) next(time.Time, []*crl.List, int) time.Duration { return time.Hour }

// ownFileReader reads a file that may be absent.
type ownFileReader struct{ fileReader }

func (r *ownFileReader) read(ctx context.Context, how asking) ([]byte, error) {
	if _, err := os.Stat(r.file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return r.fileReader.read(ctx, how)
}

// TakeStatus adds what a status record brought, but no list about persons; what it refuses, it logs.
func (t *Store) TakeStatus(s pki.Status) {
	if s.CRL {
		return
	}
	take := t.AddStatus
	if s.ARL {
		take = t.AddARL
	}
	if err := take(s.DER); err != nil {
		t.refusedStatus(err)
	}
}

// StatusFor returns what an end needs to verify the certificates of these paths (leaf first, anchor last) without
// asking any server: the OCSP answers in date, and the ARLs of the anchors. Never a CRL of leaves: it would be large.
func (t *Store) StatusFor(paths ...[]*x509.Certificate) []pki.Status {
	var list []pki.Status
	seen := map[string]bool{}
	add := func(arl bool, der []byte) {
		if !seen[string(der)] {
			seen[string(der)] = true
			list = append(list, pki.Status{ARL: arl, DER: der})
		}
	}
	for _, path := range paths {
		if arl := t.arlOf(path); arl != nil {
			add(true, arl)
		}
		for i := 0; i+1 < len(path); i++ {
			if a := t.answerOf(path[i+1], path[i]); a != nil {
				add(false, a.der)
			}
		}
	}
	return list
}

func (t *crlStore) arlOf(path []*x509.Certificate) []byte {
	n := len(path)
	if n < 3 {
		return nil // the anchor issues leaves: its list is no ARL
	}
	c, refusal := t.bestCRL(path[n-1], path[n-2], true, t.now())
	if refusal != nil || len(c.DER) > maxARL {
		return nil
	}
	return c.DER
}

func (t *ocspClient) answerOf(issuer, cert *x509.Certificate) *answer {
	a := t.answers.get(aboutCert(issuer, cert))
	if a == nil || t.checkDates(a, issuer, t.now()) != nil {
		return nil
	}
	return a
}
