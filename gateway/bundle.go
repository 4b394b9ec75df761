package gateway

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"tlagate/bundle"
	"tlagate/session/link"
)

// giveBundle answers with the bundle for the peer's own identity (docs/bundle.md, section 4). What OCSP says about its signer goes
// with every answer: a device learns of a revocation by it.
func (g *Gateway) giveBundle(c *client, w http.ResponseWriter, r *http.Request) *link.Problem {
	o := g.offer(c)
	for _, der := range o.Answers {
		w.Header().Add(bundle.HeaderOCSP, bundle.EncodeField(der))
	}
	if o.Bundle == nil {
		return &link.Problem{Code: link.ProblemNoBundle, Detail: fmt.Sprintf("There is no bundle for %s here.", c.identity()),
			Action: "Ask the operator to sign one."}
	}
	w.Header().Set("ETag", o.Bundle.ETag())
	w.Header().Set("Cache-Control", "no-store")
	if r.Header.Get("If-None-Match") == o.Bundle.ETag() {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	w.Header().Set("Content-Type", bundle.MediaType)
	g.log.Info("bundle given", "remote", c.remote, "peer", c.identity(), "version", o.Bundle.Version)
	_, _ = w.Write(o.Bundle.DER)
	return nil
}

func (g *Gateway) offer(c *client) bundle.Offer {
	if g.bundles == nil {
		return bundle.Offer{}
	}
	return g.bundles.For(c.peer.Identity)
}

// signersOf gives what OCSP says about the signers of the bundles of both ends: with it they look at the bundle at hand again.
func (g *Gateway) signersOf(ends ...*end) []link.Status {
	var list []link.Status
	for _, e := range ends {
		for _, der := range g.offer(e.client).Answers {
			s := link.Status{DER: der}
			if !slices.ContainsFunc(list, func(have link.Status) bool { return bytes.Equal(have.DER, der) }) {
				list = append(list, s)
			}
		}
	}
	return list
}

// checkBundle refuses a device that tells of a bundle older than the lowest accepted for it, or of none where one is required.
func (g *Gateway) checkBundle(c *client, w http.ResponseWriter, r *http.Request) *link.Problem {
	told := r.Header.Get(link.HeaderBundle)
	if told == "" {
		return g.checkNoBundle()
	}
	version, err := strconv.ParseUint(told, 10, 64)
	if err != nil {
		return &link.Problem{Code: link.ProblemBadRequest, Detail: "The header " + link.HeaderBundle + " is no number."}
	}
	o := g.offer(c)
	if o.Bundle == nil || version >= o.Bundle.MinVersion {
		return nil
	}
	w.Header().Set(link.HeaderBundle, strconv.FormatUint(o.Bundle.MinVersion, 10))
	return &link.Problem{Code: link.ProblemBundleOutdated,
		Detail: fmt.Sprintf("The bundle of this device has the version %d, at least %d is wanted.", version, o.Bundle.MinVersion),
		Action: "Fetch the bundle and come again."}
}

func (g *Gateway) checkNoBundle() *link.Problem {
	if !g.requireBundle {
		return nil
	}
	return &link.Problem{Code: link.ProblemBundleRequired, Detail: "This gateway lets in no device without a bundle.",
		Action: "Enrol the device, or fetch its bundle."}
}
