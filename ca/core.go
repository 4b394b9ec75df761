package ca

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tlagate/ca/store"
	"tlagate/pemfile"
	"tlagate/pki"
)

// core is what the parts of a CA share.
type core struct {
	settings Settings
	dir      string
	root     *issuer
	issuing  *issuer
	ring     *keyring
	store    *store.DB
	locks    locks
	trail    *trail
	time     func() time.Time
	at       func(point string) // tests stop the program here; nil outside tests
}

func openCore(dir string, settings Settings, o Options, ring *keyring) (*core, error) {
	k := &core{settings: settings, dir: dir, ring: ring, locks: locks{dir, o.Stop}, time: o.Clock}
	if k.time == nil {
		k.time = time.Now
	}
	k.trail = &trail{file: AuditFile(dir), by: or(o.By, "tla-pki"), clock: func() time.Time { return k.time() }}
	root, err := loadCertificate(k.public("root.crt"))
	if err != nil {
		return nil, err
	}
	issuing, err := loadCertificate(filepath.Join(dir, "issuing", "issuing.crt"))
	if err != nil {
		return nil, err
	}
	k.root = &issuer{use: "root", cert: root, where: ring.root, ring: ring, trail: k.trail}
	k.issuing = &issuer{use: "issuing", cert: issuing, where: ring.issuing, ring: ring, trail: k.trail}
	k.store, err = store.Open(k.database())
	return k, err
}

func (k *core) now() time.Time { return k.time().UTC().Truncate(time.Second) }

// reach tells a test that the program has reached a point.
func (k *core) reach(point string) {
	if k.at != nil {
		k.at(point)
	}
}

func (k *core) public(name string) string { return filepath.Join(k.dir, "public", name) }

func (k *core) database() string { return databaseIn(k.dir) }

func databaseIn(dir string) string { return filepath.Join(dir, "ca.db") }

// find is CA.Find.
func (k *core) find(serialOrIdentity string) ([]store.Record, error) {
	records, err := k.lookup(serialOrIdentity)
	if err == nil && len(records) == 0 {
		err = fmt.Errorf("cannot find %s: no certificate of this CA has that serial number or identity",
			serialOrIdentity)
	}
	return records, err
}

func (k *core) lookup(serialOrIdentity string) ([]store.Record, error) {
	if strings.HasPrefix(serialOrIdentity, "urn:") {
		return k.store.Of(serialOrIdentity)
	}
	serial, err := store.ParseSerial(serialOrIdentity)
	if err != nil {
		return nil, fmt.Errorf("cannot look for a certificate: %w, nor an identity urn:…", err)
	}
	return k.store.WithSerial(serial)
}

// ours returns the record of a certificate. One that has our names and numbers but that we did not sign is not ours.
func (k *core) ours(cert *x509.Certificate) (store.Record, error) {
	all, err := k.find(store.FormatSerial(cert.SerialNumber))
	if err != nil {
		return store.Record{}, err
	}
	for _, r := range all {
		if r.PEM == "" && cert.CheckSignatureFrom(k.issuing.cert) == nil || isCertificate(r, cert) {
			return r, nil
		}
	}
	return store.Record{}, fmt.Errorf("this CA did not issue it, though it issued another with serial number %s",
		all[0].Serial)
}

// isCertificate reports whether a record has this very certificate.
func isCertificate(r store.Record, cert *x509.Certificate) bool {
	der, err := pemfile.One([]byte(r.PEM), pemfile.Certificate)
	return err == nil && bytes.Equal(der, cert.Raw)
}

// valid returns the certificates of an identity that are good, or may be, oldest first. One on hold counts: it may come
// back.
func (k *core) valid(id pki.Identity) ([]store.Record, error) {
	all, err := k.store.Of(id.String())
	return slices.DeleteFunc(all, func(r store.Record) bool {
		return r.Expired(k.now()) || r.Status == store.Revoked && !r.Held()
	}), err
}

// namesOf returns the DNS names that an identity has now; none for one that never serves.
func (k *core) namesOf(id pki.Identity) ([]string, error) {
	for _, p := range profiles {
		if p.Role == id.Role && p.Server {
			_, names, err := k.lastNames(id, p)
			return names, err
		}
	}
	return nil, nil
}

// lastNames returns the last certificate of a server profile, if there is one, and the identity's DNS names: that
// certificate's, or those of the last invitation that was used, whichever is newer.
func (k *core) lastNames(id pki.Identity, p profile) (last *store.Record, names []string, err error) {
	all, err := k.store.Of(id.String())
	if err != nil {
		return nil, nil, err
	}
	used, err := k.store.Invitations().UsedWithNames(id.String())
	if err != nil {
		return nil, nil, err
	}
	var since time.Time
	for _, r := range all {
		if r.Profile == p.Name {
			last, names, since = &r, dnsOf(r.Names), r.NotBefore.Add(backdate)
		}
	}
	if n := len(used); n > 0 && used[n-1].UsedAt.After(since) {
		names = used[n-1].DNS
	}
	return last, names, nil
}

// dnsOf leaves out the identity.
func dnsOf(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return strings.HasPrefix(n, "urn:") })
}
