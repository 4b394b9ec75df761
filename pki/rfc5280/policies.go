package rfc5280

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"

	"tlagate/internal/der"
	"tlagate/pki"
	"tlagate/pki/internal/certutil"
	"tlagate/pki/internal/describe"
)

// PolicyWant is the relying party's input to policy processing (RFC 5280 section 6.1.1 (c), (e) to (g)). If Acceptable
// is not empty, the path must be good for one of those policies: initial-explicit-policy is then set too.
type PolicyWant struct {
	Acceptable     []x509.OID // user-initial-policy-set; empty = any policy
	Explicit       bool       // initial-explicit-policy: some policy must hold along the path
	InhibitMapping bool       // initial-policy-mapping-inhibit
	InhibitAny     bool       // initial-any-policy-inhibit
}

// Demands reports whether anything is demanded beyond what the certificates say.
func (w PolicyWant) Demands() bool {
	return len(w.Acceptable) > 0 || w.Explicit || w.InhibitMapping || w.InhibitAny
}

const anyPolicy = "2.5.29.32.0"

// policyNode is a policy that holds at one depth of the path. Nodes form the graph of RFC 9618, which grows linearly
// with the path; the tree of RFC 5280 grows exponentially.
type policyNode struct {
	policy   string
	parents  []*policyNode
	expected []string // what the next certificate may call it
}

// policies processes the certificate policies of a path.
type policies struct {
	want                        PolicyWant
	level                       map[string]*policyNode // nodes of the present depth; empty = no policy holds
	explicit, mapping, anyLimit int                    // certificates until it is demanded or inhibited
}

// Policies is the policy part of RFC 5280 section 6.1, as revised by RFC 9618.
func (p Path) Policies() (string, *Fault) {
	certs := p.below()
	n := len(certs)
	tree := newPolicies(p.Policy, n)
	for i, c := range slices.Backward(certs) {
		tree.enter(c, i == 0)
		if tree.explicit == 0 && len(tree.level) == 0 {
			return "", p.refuse(i, pki.Policy, "no certificate policy holds down to it, and one is demanded")
		}
		if i == 0 {
			break
		}
		if mapsAny(c) {
			return "", p.refuse(i, pki.Policy, "it maps anyPolicy, which no CA may")
		}
		tree.prepare(c)
	}
	found, ok := tree.finish(certs[0])
	if !ok {
		return "", p.refuse(0, pki.Policy, "no acceptable certificate policy holds for it, and one is demanded")
	}
	return found, nil
}

func newPolicies(want PolicyWant, n int) *policies {
	p := &policies{want: want, explicit: n + 1, mapping: n + 1, anyLimit: n + 1}
	if want.Explicit || len(want.Acceptable) > 0 {
		p.explicit = 0
	}
	if want.InhibitMapping {
		p.mapping = 0
	}
	if want.InhibitAny {
		p.anyLimit = 0
	}
	p.level = map[string]*policyNode{anyPolicy: {policy: anyPolicy, expected: []string{anyPolicy}}}
	return p
}

// enter is section 6.1.3 (d) and (e).
func (p *policies) enter(c *x509.Certificate, last bool) {
	expecting := map[string][]*policyNode{}
	for _, node := range p.level {
		for _, e := range node.expected {
			expecting[e] = append(expecting[e], node)
		}
	}
	next, hasAny := map[string]*policyNode{}, false
	for _, oid := range c.Policies {
		policy := oid.String()
		if policy == anyPolicy {
			hasAny = true
			continue
		}
		parents := expecting[policy]
		if len(parents) == 0 {
			parents = expecting[anyPolicy]
		}
		if len(parents) > 0 {
			next[policy] = &policyNode{policy, parents, []string{policy}}
		}
	}
	if hasAny && (p.anyLimit > 0 || !last && certutil.SelfIssued(c)) {
		for policy, parents := range expecting {
			if next[policy] == nil {
				next[policy] = &policyNode{policy, parents, []string{policy}}
			}
		}
	}
	p.level = next
}

func mapsAny(c *x509.Certificate) bool {
	return slices.ContainsFunc(c.PolicyMappings, func(m x509.PolicyMapping) bool {
		return m.IssuerDomainPolicy.String() == anyPolicy || m.SubjectDomainPolicy.String() == anyPolicy
	})
}

// prepare is section 6.1.4 (b) and (h) to (j).
func (p *policies) prepare(c *x509.Certificate) {
	p.mapPolicies(c)
	if !certutil.SelfIssued(c) {
		p.explicit, p.mapping, p.anyLimit = max(p.explicit-1, 0), max(p.mapping-1, 0), max(p.anyLimit-1, 0)
	}
	p.explicit = tighten(p.explicit, c.RequireExplicitPolicy, c.RequireExplicitPolicyZero)
	p.mapping = tighten(p.mapping, c.InhibitPolicyMapping, c.InhibitPolicyMappingZero)
	p.anyLimit = tighten(p.anyLimit, c.InhibitAnyPolicy, c.InhibitAnyPolicyZero)
}

// tighten returns the lower of have and what crypto/x509 read, where 0 without zero means that the field is absent.
func tighten(have, read int, zero bool) int {
	if read > 0 || zero {
		return min(have, max(read, 0))
	}
	return have
}

func (p *policies) mapPolicies(c *x509.Certificate) {
	mapped := map[string][]string{}
	for _, m := range c.PolicyMappings {
		from := m.IssuerDomainPolicy.String()
		if p.mapping == 0 {
			delete(p.level, from)
			continue
		}
		mapped[from] = append(mapped[from], m.SubjectDomainPolicy.String())
	}
	for from, to := range mapped {
		if node := p.level[from]; node != nil {
			node.expected = to
		} else if wild := p.level[anyPolicy]; wild != nil {
			p.level[from] = &policyNode{from, wild.parents, to}
		}
	}
}

// finish is section 6.1.5 (a), (b) and (g); it returns which policies hold.
func (p *policies) finish(leaf *x509.Certificate) (string, bool) {
	if p.explicit = max(p.explicit-1, 0); leaf.RequireExplicitPolicyZero {
		p.explicit = 0
	}
	valid := p.authority()
	if len(p.want.Acceptable) > 0 && !slices.ContainsFunc(p.want.Acceptable, func(o x509.OID) bool {
		return o.String() == anyPolicy
	}) {
		valid = slices.DeleteFunc(valid, func(policy string) bool { return policy != anyPolicy && !p.accepts(policy) })
	}
	if len(valid) == 0 {
		return "none, and none is demanded", p.explicit > 0
	}
	return describe.Cut(fmt.Sprint(valid), 200), true
}

func (p *policies) accepts(policy string) bool {
	return slices.ContainsFunc(p.want.Acceptable, func(o x509.OID) bool { return o.String() == policy })
}

// authority returns the policies that hold for the leaf, by their names in the anchor's domain: those on a path from
// the leaf whose parent is anyPolicy.
func (p *policies) authority() []string {
	var valid []string
	seen := map[*policyNode]bool{}
	var climb func(*policyNode)
	climb = func(node *policyNode) {
		if seen[node] {
			return
		}
		seen[node] = true
		for _, parent := range node.parents {
			if parent.policy == anyPolicy && node.policy != anyPolicy {
				valid = append(valid, node.policy)
			}
			climb(parent)
		}
	}
	for _, node := range p.level {
		if node.policy == anyPolicy {
			valid = append(valid, anyPolicy)
		}
		climb(node)
	}
	slices.Sort(valid)
	return slices.Compact(valid)
}

// Qualifiers that RFC 5280 section 4.2.1.4 knows: where the CA's practice statement is, and a notice for people.
var knownQualifiers = []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 2, 1}, {1, 3, 6, 1, 5, 5, 7, 2, 2}}

// HasUnknownQualifier reports whether critical certificate policies say more than this program understands: a program
// must understand all of such an extension, or refuse it (RFC 5280 section 4.2.1.4).
func HasUnknownQualifier(c *x509.Certificate) bool {
	e, has := der.Find(c, certutil.OIDPolicies)
	if !has || !e.Critical {
		return false
	}
	var list []struct {
		Policy     asn1.ObjectIdentifier
		Qualifiers []struct {
			ID    asn1.ObjectIdentifier
			Value asn1.RawValue
		} `asn1:"optional"`
	}
	if rest, err := asn1.Unmarshal(e.Value, &list); err != nil || len(rest) > 0 {
		return true
	}
	for _, policy := range list {
		for _, q := range policy.Qualifiers {
			if !slices.ContainsFunc(knownQualifiers, q.ID.Equal) {
				return true
			}
		}
	}
	return false
}
