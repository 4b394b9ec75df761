package bundle

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"tlagate/internal/files"
	"tlagate/internal/stamp"
	"tlagate/pki"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// Config says where a device has its bundle, and by what the bundle is judged.
type Config struct {
	File        string                  // the bundle; its state is in FILE.state
	Anchors     []string                // PEM files of the root pinned at enrolment
	Certificate func() *tls.Certificate // our client certificate and key: who we are, and who signs the state
	ARL         string                  // file of ARLs; "" = none. It need not be there, but must be whole
	CRLs        []string                // files of more lists, in a lab; nil = none
	DenyList    string                  // as trust.Config's
	Production  bool                    // refuse CAs whose name begins with TEST
	Clock       func() time.Time        // nil = time.Now
	Crypto      pki.Crypto              // what a link takes that is made to fetch one without a Party
	Log         *slog.Logger            // nil = discard
	// whether the program can work with it, asked before it is taken in; nil = it can
	Usable func(*Content) error

	// Event is called for everything that happens, for the audit trail; for Loaded and Changed before they count: an
	// error keeps the bundle from being used. Nil = not called.
	Event func(Event) error
}

// ahead is how far the signer's clock may be ahead of the device's.
const ahead = 5 * time.Minute

// Kept is the bundle of a device. Its methods may be called from any goroutine.
type Kept struct {
	cfg   Config
	id    pki.Identity
	trust *trust.Trust // of bundles: the pinned root alone
	root  string       // digest of the pinned root

	mu     sync.Mutex // protects the rest, and the files
	bundle *Bundle    // nil = none yet
	state  state
}

// Open reads the bundle that was taken in before and checks it as at a start of the program (docs/bundle.md, section
// 3). The error is a *Broken, or about our own certificate.
func Open(cfg Config) (*Kept, error) {
	k, err := prepare(cfg)
	if err == nil {
		err = k.load()
	}
	if err == nil {
		err = k.tell(Event{Action: Loaded, Version: k.Version()})
	}
	if err != nil {
		report(cfg, err)
		return nil, err
	}
	return k, nil
}

// prepare opens that by which bundles are judged.
func prepare(cfg Config) (*Kept, error) {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	k := &Kept{cfg: cfg}
	leaf, err := leafOf(cfg.Certificate())
	if err == nil {
		k.id, err = pki.IdentityOf(leaf)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot tell whom the bundle must be for: %w", err)
	}
	if err := k.readRoot(); err != nil {
		return nil, err
	}
	return k, k.openTrust()
}

// readRoot reads the pinned root.
func (k *Kept) readRoot() error {
	var all []byte
	for _, file := range k.cfg.Anchors {
		certs, err := pki.ReadCertificates(file)
		if errors.Is(err, fs.ErrNotExist) {
			return broken(file, Missing, "the root pinned at enrolment is not there; restore it, or enrol again")
		}
		if err != nil {
			return broken(file, Altered, "the root pinned at enrolment cannot be read: %v", err)
		}
		for _, c := range certs {
			all = append(all, c.Raw...)
			if now := k.cfg.Clock(); now.After(c.NotAfter) {
				return broken(file, Expired, "the root pinned at enrolment ended on %s; or the clock is wrong",
					stamp.Instant(c.NotAfter))
			}
		}
	}
	k.root = digest(all)
	return nil
}

func (k *Kept) openTrust() (err error) {
	cfg := trust.Config{Production: k.cfg.Production, Clock: k.cfg.Clock, Crypto: k.cfg.Crypto,
		Revocation: revocation.Config{DenyList: k.cfg.DenyList, CRLs: k.cfg.CRLs}}
	for _, file := range k.cfg.Anchors {
		cfg.Anchors = append(cfg.Anchors, trust.AnchorFile{File: file, Practices: []string{"*"}})
	}
	if k.cfg.ARL != "" {
		cfg.CRLs = append(cfg.CRLs, k.cfg.ARL)
	}
	if k.trust, err = trust.Open(cfg); err != nil {
		return broken(strings.Join(k.cfg.Anchors, ", "), Untrusted,
			"the pinned root or the deny list cannot be used: %v", err)
	}
	return nil
}

// load makes the checks of a start: state, root, bundle, signer, dates, ARL.
func (k *Kept) load() error {
	if err := k.readState(); err != nil {
		return err
	}
	if err := k.completeWrite(); err != nil {
		return err
	}
	for _, check := range []func() error{k.readBundle, k.checkSigner, k.checkDates, k.checkARL} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// readBundle reads the bundle, every octet of which must be the one that was accepted.
func (k *Kept) readBundle() error {
	der, err := files.ReadRegular(k.cfg.File, MaxSigned)
	if errors.Is(err, fs.ErrNotExist) {
		return broken(k.cfg.File, Missing, "the bundle is not there; fetch it again")
	}
	if err != nil {
		return broken(k.cfg.File, Missing, "the bundle cannot be read: %v", err)
	}
	b, err := Read(der)
	switch {
	case err == nil && b.Version < k.state.Version:
		return broken(k.cfg.File, Outdated, "its version is %d and %d was accepted before", b.Version, k.state.Version)
	case err == nil && digest(der) == k.state.Bundle:
		k.bundle = b
		return nil
	case err != nil:
		return broken(k.cfg.File, Altered, "the bundle is not the one that was accepted: %v", err)
	}
	return broken(k.cfg.File, Altered, "the bundle is not the one that was accepted")
}

// checkSigner judges the signer as of the time when the bundle was accepted; a revocation that is known now counts.
func (k *Kept) checkSigner() error {
	if k.state.Revoked {
		return broken(k.cfg.File, Revoked, "its signer was found revoked; fetch another bundle")
	}
	if !k.bundle.Covers(k.id) {
		return broken(k.cfg.File, WrongDevice, "it is for %s, and this is %s", k.bundle.For, k.id)
	}
	if _, err := k.trust.VerifyKept(k.bundle.Chain, Want, k.state.Accepted); err != nil {
		return unacceptable(k.cfg.File, err)
	}
	return nil
}

func (k *Kept) checkDates() error { return checkUntil(k.cfg.File, k.bundle, k.cfg.Clock()) }

func checkUntil(file string, b *Bundle, now time.Time) error {
	if !b.ValidUntil.IsZero() && now.After(b.ValidUntil) {
		return broken(file, Expired, "it was valid until %s and it is %s here", stamp.Instant(b.ValidUntil),
			stamp.Instant(now))
	}
	return nil
}

// Content returns what the bundle says.
func (k *Kept) Content() *Content {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.bundle.Content
}

// Version returns its version; 0 = there is none.
func (k *Kept) Version() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bundle == nil {
		return 0
	}
	return k.bundle.Version
}

// Take takes in a bundle that was offered, with the OCSP answers (DER) that came with it, or returns why not; then the
// old one stays. The error is a *Broken or about the files; changed is false when it is the present one.
func (k *Kept) Take(der []byte, answers [][]byte) (changed bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	b, err := k.judge(der, answers)
	if err == nil && k.bundle != nil && digest(der) == k.state.Bundle {
		return false, k.look()
	}
	if err == nil {
		err = k.tell(Event{Action: Changed, Version: b.Version})
	}
	if err == nil {
		err = k.write(b)
	}
	if err != nil {
		k.refused(b, err)
		return false, err
	}
	return true, nil
}

// judge makes every check of a bundle that is taken in.
func (k *Kept) judge(der []byte, answers [][]byte) (*Bundle, error) {
	const where = "the bundle offered"
	b, err := Read(der)
	if err != nil {
		return nil, broken(where, Altered, "it cannot be read: %v", err)
	}
	now := k.cfg.Clock()
	switch {
	case !b.Covers(k.id):
		return b, broken(where, WrongDevice, "it is for %s, and this is %s", b.For, k.id)
	case b.Version < k.state.Version:
		return b, broken(where, Outdated, "its version is %d and %d was accepted before", b.Version, k.state.Version)
	case b.Version == k.state.Version && digest(der) != k.state.Bundle:
		return b, broken(where, Outdated, "it is another one of the version %d that was accepted before", b.Version)
	case b.Issued.After(now.Add(ahead)):
		return b, broken(where, Untrusted, "it was issued at %s and it is %s here: the clock is wrong",
			stamp.Instant(b.Issued), stamp.Instant(now))
	}
	k.learn(b, answers)
	if _, err := k.trust.VerifyKnown(b.Chain, Want); err != nil {
		return b, unacceptable(where, err)
	}
	if k.cfg.Usable != nil {
		if err := k.cfg.Usable(b.Content); err != nil {
			return b, broken(where, Unusable, "this program cannot work with it: %v", err)
		}
	}
	return b, checkUntil(where, b, now)
}

// learn takes in revocation data, which are judged by their own signatures, wherever they come from.
func (k *Kept) learn(b *Bundle, answers [][]byte) {
	k.trust.Reload()
	lists, _ := b.Lists() // checked when it was read
	for _, der := range lists {
		if err := k.trust.AddARL(der); err != nil {
			k.cfg.Log.Debug("ARL of a bundle not taken", "error", err)
		}
	}
	for _, der := range answers {
		if err := k.trust.AddStatus(der); err != nil {
			k.cfg.Log.Warn("OCSP answer about a bundle's signer refused", "reason", string(pki.ReasonOf(err)),
				"error", err)
		}
	}
}

// Recheck verifies the signer again, with today's OCSP answers. A revocation ends the trust in the bundle, for good;
// then the error is a *Broken.
func (k *Kept) Recheck(answers [][]byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(answers) == 0 {
		k.cfg.Log.Warn("the gateway brings no OCSP answer about the signer of the bundle")
	}
	k.learn(k.bundle, answers)
	return k.look()
}

// look judges the present bundle. It needs k.mu.
func (k *Kept) look() error {
	err := k.checkSigner()
	if err == nil {
		return k.checkDates()
	}
	if b, ok := errors.AsType[*Broken](err); ok && b.Reason == Revoked && !k.state.Revoked {
		k.state.Revoked = true
		err = errors.Join(err, k.writeState(k.state))
	}
	report(k.cfg, err)
	return err
}

func (k *Kept) refused(b *Bundle, err error) {
	e := Event{Action: Refused, Detail: err.Error()}
	if b != nil {
		e.Version = b.Version
	}
	if why, ok := errors.AsType[*Broken](err); ok {
		e.Reason = why.Reason
	}
	k.cfg.Log.Warn("bundle refused, the one before stays", "why", string(e.Reason), "version", e.Version, "error", err)
	if err := k.tell(e); err != nil {
		k.cfg.Log.Error("the refused bundle is not in the audit trace", "error", err)
	}
}

// tell passes an event to the audit trace, whose error it returns, and logs it.
func (k *Kept) tell(e Event) error {
	e.File = k.cfg.File
	if k.cfg.Event != nil {
		if err := k.cfg.Event(e); err != nil {
			return err
		}
	}
	if e.Action != Refused {
		k.cfg.Log.Info(strings.ReplaceAll(string(e.Action), "_", " "), "file", e.File, "version", e.Version)
	}
	return nil
}

// report logs and records that a device does not work with its bundle.
func report(cfg Config, err error) {
	b, ok := errors.AsType[*Broken](err)
	if !ok {
		return
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	log.Error("the seal is broken", "reason", SealBroken, "why", string(b.Reason), "file", b.File, "error", err)
	if cfg.Event == nil {
		return
	}
	if err := cfg.Event(Event{Action: Ended, File: b.File, Reason: b.Reason, Detail: b.Detail}); err != nil {
		log.Error("the broken seal is not in the audit trace", "error", err)
	}
}

// pinned returns the certificates of the pinned root.
func (k *Kept) pinned() []*x509.Certificate {
	var list []*x509.Certificate
	for _, a := range k.trust.Anchors() {
		list = append(list, a.Cert)
	}
	return list
}
