package bundle

import (
	"bytes"
	"crypto/x509"
	"encoding/json/v2"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"tlagate/internal/files"
	"tlagate/pemfile"
	"tlagate/pki/trust"
)

// state is what a device remembers of the bundle that it accepted. It is in FILE.state, signed with the device's own
// key.
type state struct {
	Device   string    `json:"device"`  // our identity
	Version  uint64    `json:"version"` // the highest ever accepted
	Bundle   string    `json:"bundle"`  // SHA-256 of it, in hex
	Root     string    `json:"root"`    // SHA-256 of the pinned root's certificates
	Accepted time.Time `json:"accepted"`
	Revoked  bool      `json:"revoked,omitzero"` // its signer was found revoked since
}

func (k *Kept) stateFile() string { return k.cfg.File + ".state" }
func (k *Kept) nextFile() string  { return k.cfg.File + ".next" }

// readState reads a state that our own key has signed, under the root that is pinned.
func (k *Kept) readState() error {
	file := k.stateFile()
	der, err := files.ReadRegular(file, MaxSigned)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(k.cfg.File); errors.Is(err, fs.ErrNotExist) {
			return broken(k.cfg.File, Missing, "the bundle is not there; fetch it, or enrol")
		}
		return broken(file, Missing, "what was accepted is not known: the state beside the bundle is not there; "+
			"fetch the bundle again")
	}
	if err != nil {
		return broken(file, Missing, "it cannot be read: %v", err)
	}
	s, st, err := parseState(der)
	if err != nil {
		return broken(file, Altered, "it is not what this device wrote: %v", err)
	}
	if st.Root != k.root {
		return broken(k.cfg.Anchors[0], Altered, "the pinned root is not the one under which the bundle was "+
			"accepted; restore it, or enrol again")
	}
	if st.Device != k.id.String() {
		return broken(file, WrongDevice, "it is of %s, and this is %s", st.Device, k.id)
	}
	want := trust.Want{Usage: x509.ExtKeyUsageClientAuth, Identity: k.id}
	if _, err := k.trust.VerifyOwn(s.Chain, want, st.Accepted); err != nil {
		return broken(file, Altered, "it was not signed with this device's key: %v", err)
	}
	k.state = *st
	return nil
}

func parseState(der []byte) (*Signed, *state, error) {
	s, err := OpenSigned(der)
	if err != nil {
		return nil, nil, err
	}
	st := new(state)
	if err := json.Unmarshal(s.Content, st, json.RejectUnknownMembers(true)); err != nil {
		return nil, nil, err
	}
	return s, st, nil
}

// write makes b the present bundle: it writes b beside its place, then the state, then moves b there. It needs k.mu.
func (k *Kept) write(b *Bundle) error {
	if err := files.Replace(k.nextFile(), b.DER, 0o600); err != nil {
		return fmt.Errorf("cannot keep the bundle: %w", err)
	}
	st := state{Device: k.id.String(), Version: b.Version, Bundle: digest(b.DER), Root: k.root,
		Accepted: k.cfg.Clock().UTC()}
	if err := k.writeState(st); err != nil {
		return err
	}
	k.bundle, k.state = b, st
	return k.completeWrite()
}

func (k *Kept) writeState(st state) error {
	text, err := json.Marshal(st)
	if err != nil {
		return err
	}
	der, err := seal(text, k.cfg.Certificate(), k.cfg.Clock())
	if err == nil {
		err = files.Replace(k.stateFile(), der, 0o600)
	}
	if err != nil {
		return fmt.Errorf("cannot keep the state of the bundle, %s: %w", k.stateFile(), err)
	}
	return nil
}

// completeWrite moves a bundle whose state was already written to its place. Anything else in FILE.next is a remainder.
func (k *Kept) completeWrite() error {
	der, err := files.ReadRegular(k.nextFile(), MaxSigned)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && digest(der) == k.state.Bundle {
		err = files.Rename(k.nextFile(), k.cfg.File)
	} else if err == nil {
		err = os.Remove(k.nextFile())
	}
	if err != nil {
		return fmt.Errorf("cannot put the new bundle in its place: %w", err)
	}
	return nil
}

// checkARL checks that every list of the ARL file is one that an anchor signed, and that nothing else is in it.
func (k *Kept) checkARL() error {
	file := k.cfg.ARL
	if file == "" {
		return nil
	}
	text, err := files.ReadRegular(file, MaxSigned)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // we write it ourselves, and the bundle has ARLs
	}
	if err != nil {
		return broken(file, Missing, "the ARL cannot be read: %v", err)
	}
	lists, err := listsOf(text)
	if err != nil {
		return broken(file, Altered, "the ARL is not whole: %v", err)
	}
	anchors, _ := k.bundle.TrustAnchors() // checked when it was read
	for _, a := range k.pinned() {
		anchors = append(anchors, trust.Anchor{Cert: a})
	}
	for _, l := range lists {
		if !slices.ContainsFunc(anchors, func(a trust.Anchor) bool { return l.CheckSignatureFrom(a.Cert) == nil }) {
			return broken(file, Altered, "no anchor has signed the ARL of %q", l.Issuer.CommonName)
		}
	}
	return nil
}

// listsOf reads PEM, or one list in DER; every octet must belong to one.
func listsOf(text []byte) ([]*x509.RevocationList, error) {
	blocks, err := pemfile.Read(text, pemfile.CRL)
	if err != nil {
		return nil, err
	}
	var all []*x509.RevocationList
	var again bytes.Buffer
	for _, b := range blocks {
		l, err := x509.ParseRevocationList(b.Bytes)
		if err != nil {
			return nil, b.At(err)
		}
		all = append(all, l)
		_ = pem.Encode(&again, &pem.Block{Type: pemfile.CRL, Bytes: b.Bytes}) // a Buffer takes everything
	}
	if blocks[0].Line > 0 && !bytes.Equal(bytes.TrimSpace(again.Bytes()), bytes.TrimSpace(text)) {
		return nil, errors.New("there is something else in it than lists")
	}
	return all, nil
}
