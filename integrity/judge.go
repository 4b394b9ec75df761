package integrity

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"tlagate/bundle"
	"tlagate/internal/files"
	"tlagate/internal/stamp"
	"tlagate/pki"
)

// ahead is how far the clock of who made a manifest may be ahead of this machine's.
const ahead = 5 * time.Minute

// open reads a manifest and makes every check of it: form, signature, name and number against the last one that was
// taken from the same file, dates, signer. It returns what is to be remembered of it, or what is wrong with it: then
// what was taken before is remembered.
func (c Config) open(file string, last accepted, now time.Time) (*Signed, accepted, *Difference) {
	wrong := func(why Why, format string, args ...any) (*Signed, accepted, *Difference) {
		return nil, last, &Difference{Path: file, Why: why, Found: fmt.Sprintf(format, args...), Manifest: file}
	}
	der, err := files.ReadRegular(c.under(file), bundle.MaxSigned)
	if errors.Is(err, fs.ErrNotExist) {
		return wrong(Missing, "there is no manifest")
	}
	if err != nil {
		return wrong(Unreadable, "%s", plain(err))
	}
	m, err := Read(der)
	if err != nil {
		return wrong(Why(bundle.Altered), "it is no signed manifest: %v", err)
	}
	switch {
	case last.Name != "" && m.Name != last.Name:
		return wrong(OtherName, "it is %q, and was %q", m.Name, last.Name)
	case m.Number < last.Number:
		return wrong(Why(bundle.Outdated), "its number is %d and %d was taken before", m.Number, last.Number)
	case m.Number == last.Number && m.Content != last.Content:
		return wrong(Why(bundle.Outdated), "it is another one of the number %d that was taken before", m.Number)
	case m.Made.After(now.Add(ahead)):
		return wrong(Why(bundle.Untrusted), "it was made at %s, which is yet to come here", stamp.Instant(m.Made))
	case !m.ValidUntil.IsZero() && now.After(m.ValidUntil):
		return wrong(Why(bundle.Expired), "it was valid until %s", stamp.Instant(m.ValidUntil))
	}
	taken := last
	if m.Digest != last.Digest {
		taken = accepted{m.Name, m.Number, m.Digest, m.Content, now.UTC()}
	}
	if err := c.Judge(m.Chain, taken.At); err != nil {
		return wrong(whyOf(err), "its signer is not accepted: %v", err)
	}
	return m, taken, nil
}

// whyOf returns the word for a signer that is not accepted.
func whyOf(err error) Why {
	if r, ok := errors.AsType[*pki.Refusal](err); ok && r.Revokes() {
		return Why(bundle.Revoked)
	}
	return Why(bundle.Untrusted)
}

// signer names who signed a manifest.
func signer(chain []*x509.Certificate) string {
	id, err := pki.IdentityOf(chain[0])
	if err != nil {
		return chain[0].Subject.CommonName
	}
	return id.String()
}
