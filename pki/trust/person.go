package trust

import (
	"crypto/x509"
	"slices"

	"tlagate/internal/stamp"
	"tlagate/pki"
	"tlagate/pki/internal/describe"
)

// This file is for the persons who use terminals, by the card that signs for them (annex codes C2, SA1). Their
// certificates come from another PKI, as from IGC-Santé, whose anchors are in a store of their own: nothing that such a
// store trusts is a component's, and nothing that a component's store trusts is a person's.

// personChecks are the checks of the profile Persons. The leaf comes alone; the CAs are configured.
var personChecks = []check{
	{"path", (*verification).describePersonPath},
	{"format", (*verification).checkFormat},
	{"algorithms", (*verification).checkAlgorithms},
	{"signatures", (*verification).checkSignatures},
	{"dates", (*verification).checkDates},
	{"lifetime", (*verification).checkLifetime},
	{"test CA", (*verification).checkTestCA},
	{"basic constraints", (*verification).checkBasicConstraints},
	{"key usage", (*verification).checkPersonKeyUsage},
	{"extended key usage", (*verification).checkPersonUsages},
	{"extensions", (*verification).checkExtensions},
	{"policy", (*verification).checkPersonPolicy},
	{"name space", (*verification).checkNoDevice},
	{"person", (*verification).checkPerson},
	{"X.509", (*verification).checkPersonX509},
	{"revocation", (*verification).checkPersonRevocation},
}

// VerifyPerson judges the certificate of a person, which comes without its issuers. The error is a *Refusal, without
// anything of the certificate's subject. Like Verify it may ask OCSP responders, and wait for them.
func (t *Trust) VerifyPerson(leaf *x509.Certificate) (*Person, error) {
	p, _, err := t.JudgePerson(leaf)
	return p, err
}

// JudgePerson is VerifyPerson with the checks that were made, for people; the Verdict is never nil.
func (t *Trust) JudgePerson(leaf *x509.Certificate) (*Person, *Verdict, error) {
	return t.person(leaf, circumstances{online: true, person: true})
}

// RecheckPerson judges a person who passed again, by the store of now, which may be another one, with the present data
// and time. It never waits for the network. t nil = nobody can be judged any more.
func RecheckPerson(t *Trust, p *Person) error {
	if t == nil {
		return &pki.Refusal{Reason: pki.UserStatus, Subject: aPerson, Detail: "no CA of persons is configured any more"}
	}
	again, _, err := t.person(p.Certificate, circumstances{person: true})
	if err == nil && again.ID != p.ID {
		err = &pki.Refusal{Reason: pki.BadIdentity, Subject: aPerson,
			Detail: "by the mapping of now it names somebody else"}
	}
	return err
}

func (t *Trust) person(leaf *x509.Certificate, how circumstances) (*Person, *Verdict, error) {
	verdict, err := t.verify([]*x509.Certificate{leaf}, Want{Usage: x509.ExtKeyUsageClientAuth}, how)
	if err != nil {
		return nil, verdict, err
	}
	p := verdict.person
	p.Chain, p.NotAfter = verdict.Path, verdict.NotAfter
	return p, verdict, nil
}

// apart returns a refusal when a store of persons is asked about anything but a person, or another store about one.
func (t *Trust) apart(chain []*x509.Certificate, how circumstances) *pki.Refusal {
	switch {
	case how.person && t.cfg.Profile != Persons:
		return &pki.Refusal{Reason: pki.WrongRole, Subject: aPerson,
			Detail: "the trust store of components vouches for no person"}
	case !how.person && t.cfg.Profile == Persons && len(chain) > 0:
		return &pki.Refusal{Reason: pki.WrongRole, Subject: describe.Leaf(chain[0], how.standing),
			Detail: "the trust store of persons vouches for no component"}
	}
	return nil
}

// aPerson stands for the certificate of a person in texts: its subject and its serial number say who they are.
const aPerson = "the certificate of the terminal's user"

func (v *verification) describePersonPath() (string, *pki.Refusal) {
	above := *v
	above.path.certs = v.path.certs[1:]
	names, _ := above.describePath()
	return aPerson + " ← " + names, nil
}

// longestLife is how many years IGC-Santé's certificates are valid.
const longestLife = 3

func (v *verification) checkLifetime() (string, *pki.Refusal) {
	leaf := v.leaf()
	if leaf.NotAfter.After(leaf.NotBefore.AddDate(longestLife, 0, 1)) {
		return "", v.refuse(0, pki.BadCertificate, "it is valid from %s to %s, want at most %d years",
			stamp.Day(leaf.NotBefore), stamp.Day(leaf.NotAfter), longestLife)
	}
	return "no longer than three years", nil
}

// checkPersonKeyUsage also refuses keys of signatures that bind their holder: a program may not ask for such.
func (v *verification) checkPersonKeyUsage() (string, *pki.Refusal) {
	if v.leaf().KeyUsage&x509.KeyUsageContentCommitment != 0 {
		return "", v.refuse(0, pki.KeyUsage, "its key is for signatures that bind its holder (nonRepudiation), "+
			"want the card's certificate of authentication")
	}
	return v.checkKeyUsage()
}

func (v *verification) checkPersonUsages() (string, *pki.Refusal) {
	if found, refusal := v.checkAmongUsages(); refusal != nil {
		return found, refusal
	}
	leaf := v.leaf()
	if len(leaf.ExtKeyUsage) > 1 || !onlyLogon(leaf.UnknownExtKeyUsage) {
		return "", v.refuse(0, pki.ExtKeyUsage, "its extended key usage is %s, want clientAuth, and none besides but "+
			"smartcardLogon", describe.Usages(leaf))
	}
	return describe.Usages(leaf), nil
}

// checkPersonPolicy wants policies as in every certificate, and in the leaf one of those that are configured.
func (v *verification) checkPersonPolicy() (string, *pki.Refusal) {
	wanted := v.t.persons.policies
	found, refusal := v.checkPolicy()
	if refusal != nil || len(wanted) == 0 {
		return found, refusal
	}
	for _, have := range v.leaf().Policies {
		if slices.Contains(wanted, have.String()) {
			return have.String(), nil
		}
	}
	return "", v.refuse(0, pki.Policy, "it names none of the certificate policies of the mapping")
}

// checkNoDevice refuses what could be taken for a component's certificate, too.
func (v *verification) checkNoDevice() (string, *pki.Refusal) {
	if pki.NamesComponent(v.leaf()) {
		return "", v.refuse(0, pki.WrongRole, "it names a component (urn:tlagate:…), a person's is wanted")
	}
	if i := v.t.persons.ofDevices(v.path.certs); i > 0 {
		return "", v.refuse(i, pki.NameSpace, "it is a CA of components here, which vouches for no person")
	}
	return "no component's", nil
}

func (v *verification) checkPerson() (string, *pki.Refusal) {
	person, fault := v.t.persons.whom(v.leaf())
	if fault != "" {
		return "", v.refuse(0, pki.BadIdentity, "%s", fault)
	}
	v.verdict.person = person
	return "one identifier, as the mapping wants it", nil
}

// checkPersonX509 keeps what crypto/x509 says of names to itself.
func (v *verification) checkPersonX509() (string, *pki.Refusal) {
	found, refusal := v.checkX509()
	if refusal != nil {
		refusal.Detail = "crypto/x509 does not accept its path: names, policies or usages that its issuers may not give"
	}
	return found, refusal
}

// checkPersonRevocation has one reason for all that revocation data can lack: user_status.
func (v *verification) checkPersonRevocation() (string, *pki.Refusal) {
	found, refusal := v.checkRevocation()
	switch {
	case refusal == nil && len(v.verdict.Revocation) == 0:
		return found, nil
	case refusal == nil:
		return "neither it nor its issuers are revoked", nil
	case refusal.Revokes():
		return "", refusal
	}
	return "", v.refuse(0, pki.UserStatus, "whether it or its issuers are revoked cannot be found out: %v", refusal)
}
