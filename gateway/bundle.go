package gateway

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"

	"tlagate/bundle"
	"tlagate/session/link"
)

// bundles sends devices their signed configuration, and refuses those whose configuration is too old (docs/bundle.md).
type bundles struct {
	shelf    *bundle.Shelf // nil = none
	required bool
	log      *slog.Logger
}

// send answers with the bundle for the peer's own identity (docs/bundle.md, section 4). What OCSP says about its signer
// goes with every answer: a device learns of a revocation by it.
func (b *bundles) send(c *client, w http.ResponseWriter, r *http.Request) *link.Problem {
	o := b.offer(c)
	for _, der := range o.Answers {
		w.Header().Add(bundle.HeaderOCSP, bundle.EncodeField(der))
	}
	if o.Bundle == nil {
		return &link.Problem{Code: link.ProblemNoBundle,
			Detail: fmt.Sprintf("There is no bundle for %s here.", c.identity()),
			Action: "Ask the operator to sign one."}
	}
	w.Header().Set("ETag", o.Bundle.ETag())
	w.Header().Set("Cache-Control", "no-store")
	if r.Header.Get("If-None-Match") == o.Bundle.ETag() {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	w.Header().Set("Content-Type", bundle.MediaType)
	b.log.Info("bundle given", "remote", c.remote, "peer", c.identity(), "version", o.Bundle.Version)
	_, _ = w.Write(o.Bundle.DER)
	return nil
}

func (b *bundles) offer(c *client) bundle.Offer {
	if b.shelf == nil {
		return bundle.Offer{}
	}
	return b.shelf.For(c.peer.Identity)
}

// signerStatus returns what OCSP says about the signers of both ends' bundles: with it they judge their bundle again.
func (b *bundles) signerStatus(ends ...*end) []link.Status {
	var list []link.Status
	for _, e := range ends {
		for _, der := range b.offer(e.client).Answers {
			s := link.Status{DER: der}
			if !slices.ContainsFunc(list, func(have link.Status) bool { return bytes.Equal(have.DER, der) }) {
				list = append(list, s)
			}
		}
	}
	return list
}

// checkVersion refuses a device whose bundle is older than the lowest version accepted for it, or that names none where
// one is required.
func (b *bundles) checkVersion(c *client, w http.ResponseWriter, r *http.Request) *link.Problem {
	named := r.Header.Get(link.HeaderBundle)
	if named == "" {
		return b.checkNone()
	}
	version, err := strconv.ParseUint(named, 10, 64)
	if err != nil {
		return &link.Problem{Code: link.ProblemBadRequest, Detail: "The header " + link.HeaderBundle + " is no number."}
	}
	o := b.offer(c)
	if o.Bundle == nil || version >= o.Bundle.MinVersion {
		return nil
	}
	w.Header().Set(link.HeaderBundle, strconv.FormatUint(o.Bundle.MinVersion, 10))
	return &link.Problem{Code: link.ProblemBundleOutdated,
		Detail: fmt.Sprintf("The bundle of this device has the version %d, at least %d is wanted.",
			version, o.Bundle.MinVersion),
		Action: "Fetch the bundle and come again."}
}

func (b *bundles) checkNone() *link.Problem {
	if !b.required {
		return nil
	}
	return &link.Problem{Code: link.ProblemBundleRequired, Detail: "This gateway lets in no device without a bundle.",
		Action: "Enrol the device, or fetch its bundle."}
}
