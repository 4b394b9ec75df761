package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tlagate/bundle"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/keycmd"
	"tlagate/cmd/internal/room"
	"tlagate/cmd/internal/seal"
	"tlagate/internal/stamp"
	"tlagate/keys"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// How long before its end something is worth a warning.
const (
	soonCert = 30 * 24 * time.Hour
	soonList = 2 * time.Hour
)

// Device is what a configuration says of keys, trust and a signed configuration.
type Device struct {
	Offline    bool // nothing is asked over a network
	Identities map[string]cli.Identity
	Trust      cli.Trust
	Seal       seal.Seal
	Usable     seal.Usable    // of a bundle
	Own        string         // which of Identities signs the bundle's state
	Hybrids    *trust.Hybrids // to which gateways hellos go without post-quantum groups; nil = none
}

// Checks returns the checks of what a device holds. They write nothing, and ask nothing over a network if Offline.
func (d Device) Checks() []Check {
	all := []Check{}
	for _, use := range sorted(d.Identities) {
		id := d.Identities[use]
		all = append(all, Check{"key of " + use, func(context.Context) Finding { return d.key(id) }},
			Check{"certificate of " + use, func(context.Context) Finding { return d.certificate(id) }})
	}
	return append(all, Check{"crypto", func(context.Context) Finding { return d.crypto() }},
		Check{"bundle", func(context.Context) Finding { return d.bundle() }},
		Check{"trust anchors", func(context.Context) Finding { return d.anchors() }},
		Check{"revocation lists", func(context.Context) Finding { return d.lists() }},
		Check{"revocation of peers", func(context.Context) Finding { return d.coverage() }})
}

// key checks how the key is kept, and whether it is the certificate's.
func (d Device) key(id cli.Identity) Finding {
	const do = "see docs/keys.md; enrol again when the key is lost"
	about, err := keys.Inspect(id.Key, keys.Config{WrappingKey: string(id.WrappingKey)})
	if denied(err) {
		return Cannot(asRoot, "this user may not read %s", about.Where)
	}
	if err == nil {
		err = d.Seal.CheckKeys(id)
	}
	if err != nil {
		return Fail(do, "%v", err)
	}
	if about.Protection == keys.PKCS11 {
		return Cannot("", "%s is in a token: whether it is the certificate's shows when the program starts",
			about.Where)
	}
	if strings.HasPrefix(string(id.WrappingKey), "credential:") && os.Getenv("CREDENTIALS_DIRECTORY") == "" {
		return Cannot("",
			"%s is encrypted under a credential of the unit: whether it is the certificate's shows when the program "+
				"starts", about.Where)
	}
	pair, err := id.Open()
	if err != nil {
		return Fail(do, "%v", err)
	}
	_ = pair.Close()
	if !about.Protection.Hidden() {
		return Warn("encrypt it under a wrapping_key, or make it in the TPM (docs/keys.md)",
			"%s is not encrypted: a copy of the disk is a copy of the key", about.Where)
	}
	return Good("%s (%s) is the certificate's", about.Where, about.Protection)
}

func (d Device) certificate(id cli.Identity) Finding {
	certs, err := pki.ReadCertificates(string(id.Cert))
	switch {
	case denied(err):
		return Cannot(asRoot, "this user may not read %s", id.Cert)
	case err != nil:
		return Fail("enrol: the command enroll, with a one-time code", "%v", err)
	}
	var e keycmd.Entry
	e.Certify(certs[0], time.Now())
	switch until := certs[0].NotAfter; {
	case e.Status != keycmd.InDate:
		return Fail("set the clock if it is wrong; else enrol again", "%s of %s: %s (%s to %s)", id.Cert, e.Subject,
			e.Status, stamp.Day(certs[0].NotBefore), stamp.Day(until))
	case time.Until(until) < soonCert:
		return Warn("see that it is renewed: the status says why it is not", "%s of %s ends on %s", id.Cert, e.Subject,
			stamp.Day(until))
	default:
		return Good("%s of %s, until %s", id.Cert, e.Subject, stamp.Day(until))
	}
}

// bundle reads the signed configuration as the program does at its start.
func (d Device) bundle() Finding {
	if d.Seal.Bundle == "" {
		return Good("none is configured: this device works by its file alone")
	}
	if d.interrupted() {
		return Warn("restart the program: it completes it", "the change of %s was interrupted", d.Seal.Bundle)
	}
	kept, err := d.kept()
	switch {
	case denied(err) || denied(readable(string(d.Seal.Bundle), string(d.Seal.Bundle)+".state")):
		return Cannot(asRoot, "this user may not read %s, or what it is judged by", d.Seal.Bundle)
	case err != nil:
		return Fail("fetch another one: the command bundle fetch --gateway HOST:PORT", "%v", err)
	case !d.Seal.Sealed:
		return Warn("set sealed: true, so that nothing else counts",
			"version %d is good, and this device is not sealed", kept.Version())
	}
	return Good("sealed, version %d", kept.Version())
}

// kept opens the bundle without recording anything; nil = there is none.
func (d Device) kept() (*bundle.Kept, error) {
	if d.Seal.Bundle == "" {
		return nil, nil
	}
	if d.interrupted() { // reading it would complete the change
		return nil, errors.New("the change of the bundle was interrupted: restart the program")
	}
	own, err := pki.ReadCertificates(string(d.Identities[d.Own].Cert))
	if err != nil {
		return nil, err
	}
	return d.Seal.Open(d.Trust, public(own), d.Usable, nil, slog.New(slog.DiscardHandler))
}

func (d Device) interrupted() bool {
	_, err := os.Lstat(string(d.Seal.Bundle) + ".next")
	return err == nil
}

// Content returns what the bundle says; nil = there is none.
func (d Device) Content() (*bundle.Content, error) {
	kept, err := d.kept()
	return seal.ContentOf(kept), err
}

// Store opens the trust store as the program does, but keeps nothing that it learns.
func (d Device) Store() (*trust.Trust, error) {
	content, err := d.Content()
	if err != nil {
		return nil, err
	}
	t := d.Trust
	if _, err := os.Stat(string(t.ARL)); err == nil && t.ARL != "" {
		t.CRLs = append(append([]cli.Path{}, t.CRLs...), t.ARL)
	}
	t.State, t.Denials, t.Answers, t.ARL = "", "", "", ""
	return d.Seal.OpenTrust(t, content, func(c trust.Config) trust.Config { return c },
		slog.New(slog.DiscardHandler))
}

func (d Device) anchors() Finding {
	t, err := d.Store()
	switch {
	case denied(err):
		return Cannot(asRoot, "this user may not read all of the trust store: %v", err)
	case err != nil:
		return Fail("see trust in the configuration; enroll writes the first anchor", "%v", err)
	}
	soon, unrevocable := "", ""
	for _, a := range t.Anchors() {
		unrevocable = cmp.Or(a.Unrevocable(), unrevocable)
		switch left := time.Until(a.Cert.NotAfter); {
		case left < 0:
			return Fail("ask the PKI's operator for the new anchor", "the anchor %q ended on %s",
				a.Cert.Subject.CommonName, stamp.Day(a.Cert.NotAfter))
		case left < soonCert:
			soon = a.Cert.Subject.CommonName
		}
	}
	switch {
	case len(t.Anchors()) == 0:
		return Fail("name one under trust.anchors, or fetch the bundle", "nobody is trusted: there is no anchor")
	case soon != "":
		return Warn("ask the PKI's operator for the new anchor", "the anchor %q ends soon", soon)
	case unrevocable != "":
		return Warn("name its root under trust.anchors, and it under trust.intermediates", "%s", unrevocable)
	case len(t.Anchors()) == 1:
		return Good("1 anchor")
	}
	return Good("%d anchors", len(t.Anchors()))
}

// lists checks the CRLs and ARLs that are here. OCSP answers are not asked for.
func (d Device) lists() Finding {
	t, err := d.Store()
	if err != nil {
		return Cannot("", "see trust anchors")
	}
	lists := t.Lists()
	if len(lists) == 0 {
		return Fail("name the ARL under trust.crls or trust.arl; enroll writes it",
			"there is no revocation list: every peer will be refused")
	}
	var bad, soon []string
	for _, l := range lists {
		switch {
		case l.Err != nil:
			bad = append(bad, fmt.Sprintf("%s: %v", l.Source, l.Err))
		case time.Until(l.NextUpdate) < soonList || time.Now().After(l.Ahead):
			soon = append(soon, fmt.Sprintf("%s of %s ends at %s", l.Source, l.Issuer,
				stamp.Instant(l.NextUpdate)))
		}
	}
	switch all := strings.Join(append(bad, soon...), "; "); {
	case len(bad) > 0:
		return Fail("bring new ones; if the gateway brings them, connect once", "%s", all)
	case len(soon) > 0:
		return Warn("bring a new one; if the gateway brings them, connect once", "%s", all)
	}
	return Good("%d lists, all in date", len(lists))
}

// Disk returns the check of the disk space for the audit trace: without any the program stops.
func Disk(file string) Check {
	return Check{"disk of the audit trace", func(context.Context) Finding {
		const least = 64 << 20
		if file == "" {
			return Warn("name a file under audit", "no audit trace is kept (EL1)")
		}
		n, err := room.Free(filepath.Dir(file))
		switch {
		case errors.Is(err, os.ErrNotExist):
			return Fail("make the directory, and give it to the program's user", "%s does not exist",
				filepath.Dir(file))
		case err != nil:
			return Cannot("", "%s: %v", filepath.Dir(file), err)
		case n < least:
			return Fail("make room: when the trace cannot be written, the program does not start",
				"%d MiB are free where %s is", n>>20, file)
		}
		return Good("%d MiB are free where %s is", n>>20, file)
	}}
}
