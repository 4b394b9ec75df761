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

// coverage says what there is to tell by whether the certificates of peers are revoked: our CAs', of which peers have
// theirs as a rule. What is missing shows nowhere else before somebody is refused.
func (r *report) coverage(trust *trust.Trust, keys *cli.Keys) {
	if trust == nil {
		return
	}
	var ours [][]byte
	if keys != nil {
		ours = keys.Certificate().Certificate
	}
	chain, _ := pki.ParseChain(ours) // what cannot be read is told with our identity
	all := trust.Coverage(true, chain)
	for _, c := range all {
		r.covered(c)
	}
	r.terminals(all)
}

func (r *report) covered(c revocation.Coverage) {
	switch {
	case c.Source == pki.SourceCRL:
		r.line("revocation", "of %s that %s issued: by CRL, until %s", c.Of, c.CA, stamp.Minute(c.Until))
	case c.Source != "":
		r.line("revocation", "of %s that %s issued: by OCSP", c.Of, c.CA)
	case c.Covered():
		r.line("revocation", "of %s that %s issued: responders are asked", c.Of, c.CA)
	case !c.Listed: // of a list that is no good its own line tells
		r.problem(fmt.Errorf("cannot tell which %s that %s issued are revoked, and they will all be refused (%s): "+
			"name its list under trust.crls, or a responder under trust.ocsp", c.Of, c.CA, pki.CRLMissing))
	}
	if c.Leaf && c.Silence != nil {
		r.problem(fmt.Errorf("cannot get an OCSP answer about our own certificate, and terminals without a CRL of %s "+
			"will refuse us: %w", c.CA, c.Silence))
	}
}

// terminals warns of what they will miss: those that are packaged hold an ARL and no CRL, and rely on the answers that
// we bring.
func (r *report) terminals(all []revocation.Coverage) {
	if slices.ContainsFunc(all, func(c revocation.Coverage) bool { return c.Asked }) {
		return
	}
	r.warning("no OCSP responder is asked: TLAs and PdTs that hold no CRL of their own will refuse us and each other "+
		"(%s); name one under trust.ocsp, or see that each has the CRL", pki.CRLMissing)
}
