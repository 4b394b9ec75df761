package main

import (
	"fmt"
	"slices"

	"tlagate/cmd/internal/cli"
	"tlagate/internal/stamp"
	"tlagate/pki"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// coverage prints by what we can tell whether certificates of our CAs are revoked, from which peers usually have
// theirs. Otherwise what is missing shows only when a peer is refused.
func (r *report) coverage(trust *trust.Trust, keys *cli.Keys) {
	if trust == nil {
		return
	}
	var ours [][]byte
	if keys != nil {
		ours = keys.Certificate().Certificate
	}
	chain, _ := pki.ParseChain(ours) // if it cannot be read, identity has said so
	all := trust.Coverage(true, chain)
	for _, c := range all {
		r.coveredBy(c)
	}
	r.terminals(all)
}

func (r *report) coveredBy(c revocation.Coverage) {
	switch {
	case c.Source == pki.SourceCRL:
		r.line("revocation", "of %s that %s issued: by CRL, until %s", c.Of, c.CA, stamp.Minute(c.Until))
	case c.Source != "":
		r.line("revocation", "of %s that %s issued: by OCSP", c.Of, c.CA)
	case c.Revoked:
		r.line("revocation", "of %s that %s issued: the one looked at is revoked", c.Of, c.CA)
	case c.Covered():
		r.line("revocation", "of %s that %s issued: responders are asked", c.Of, c.CA)
	case !c.Listed: // what is wrong with a list, its own line says
		r.problem(fmt.Errorf("cannot tell which %s that %s issued are revoked, and they will all be refused (%s): "+
			"name its list under trust.crls, or a responder under trust.ocsp", c.Of, c.CA, pki.CRLMissing))
	}
	if c.Leaf && c.Silence != nil {
		r.problem(fmt.Errorf("cannot get an OCSP answer about our own certificate, and terminals without a CRL of %s "+
			"will refuse us: %w", c.CA, c.Silence))
	}
}

// terminals warns of what terminals will miss: as packaged, they have an ARL and no CRL, and rely on the OCSP answers
// that we send.
func (r *report) terminals(all []revocation.Coverage) {
	if slices.ContainsFunc(all, func(c revocation.Coverage) bool { return c.Asked }) {
		return
	}
	r.warning("no OCSP responder is asked: TLAs and PdTs that hold no CRL of their own will refuse us and each other "+
		"(%s); name one under trust.ocsp, or see that each has the CRL", pki.CRLMissing)
}
