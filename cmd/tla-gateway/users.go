package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/trail"
	"tlagate/gateway"
	"tlagate/internal/stamp"
	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session/link"
	"tlagate/session/user"
)

// personsSection is the section persons of a gateway.
type personsSection struct {
	cli.Persons `yaml:",inline"`
	SendCRLs    bool `yaml:"send_crls"` // PdTs get the short CRLs by which persons pass, beside OCSP answers
}

func (p *personsSection) section() *cli.Persons {
	if p == nil {
		return nil
	}
	return &p.Persons
}

func (p *personsSection) writes() []cli.Path { return p.section().Writes() }

func (c config) checkUsers(rules []gateway.Rule) error {
	named := slices.ContainsFunc(rules, func(r gateway.Rule) bool { return !r.Who.Empty() })
	err := cli.CheckUsers(c.User.Rule(), c.Persons.section(), named)
	if err == nil && c.Audit.File != "" && c.PersonKey.File == "" && (named || c.User.Rule().Has(user.Require)) {
		err = errors.New("person_key is missing: who a proof is demanded of is to be found in the trace (SA2); write " +
			"person_key: {file: …}, then make that file with tla-gateway person-key new")
	}
	return err
}

// users opens the trust store of persons, if there is one.
func (c config) users(trace *trail.Trail, devices *trust.Trust, log *slog.Logger) (gateway.Users, error) {
	u := gateway.Users{Rule: c.User.Rule()}
	if c.Persons == nil {
		return u, nil
	}
	var err error
	if u.Mark, err = trail.Marks(c.PersonKey, log); err != nil {
		return u, err
	}
	u.Persons, err = trust.Open(trace.Trust(c.Persons.Config(devices, log)))
	if err != nil {
		return u, fmt.Errorf("persons: %w", err)
	}
	u.SendCRLs = c.Persons.SendCRLs
	for _, why := range c.Persons.tooLong(u.Persons) {
		log.Error("Postes de Travail are not sent a CRL about persons", "error", why)
	}
	return u, nil
}

// tooLong returns why some lists are not sent to PdTs, though the configuration wants it.
func (p *personsSection) tooLong(store *trust.Trust) (errs []error) {
	if !p.SendCRLs {
		return nil
	}
	for _, l := range store.Lists() {
		if l.Octets > link.MaxCRL {
			errs = append(errs, fmt.Errorf("cannot send the CRL of %s: it has %d octets, a status record takes %d; "+
				"name an OCSP responder under persons.ocsp, or have PdTs get the list themselves", l.Issuer, l.Octets,
				link.MaxCRL))
		}
	}
	return errs
}

// usersFollow puts other sections user, persons and person_key in force.
type usersFollow struct {
	trace   *trail.Trail
	devices *trust.Trust
	running *cli.PersonsRun
	log     *slog.Logger
	now     gateway.Users
}

// next returns what the sections say now; changed is false if they say what they said.
func (f *usersFollow) next(c, running config) (u gateway.Users, changed bool, err error) {
	if reflect.DeepEqual(c.Persons, running.Persons) && c.PersonKey == running.PersonKey {
		u = f.now
		u.Rule = c.User.Rule()
		return u, !reflect.DeepEqual(c.User, running.User), nil
	}
	u, err = c.users(f.trace, f.devices, f.log)
	return u, err == nil, err
}

func (f *usersFollow) set(g *gateway.Gateway, u gateway.Users) {
	g.SetUsers(u)
	f.running.Set(u.Persons)
	f.now = u
	f.log.Info("who has to prove who they are read again", "users", modes(u.Rule), "persons", u.Persons != nil)
}

// users says who has to prove who they are, and by what this gateway can tell.
func (r *report) users(c config, devices *trust.Trust) {
	rule := c.User.Rule()
	if rule.Check() == nil {
		r.line("users", "%s", modes(rule))
	}
	if c.Persons == nil {
		if rule.Has(user.Tell) {
			r.warning("no proof of users is asked for, and sessions begin without: no CA of persons is configured " +
				"(persons)")
		}
		return
	}
	store, err := c.Persons.Look(devices) // what it would log is printed below
	if err != nil {
		for _, fault := range cli.FaultsOf(err) {
			r.unreadable(fmt.Errorf("persons: %w", fault))
		}
		return
	}
	r.persons(store)
	r.personKey(c)
	for _, why := range c.Persons.tooLong(store) {
		r.problem(why)
	}
}

// whose says that a line of the access table is for some persons, without naming any.
func whose(who user.Who) string {
	if who.Empty() {
		return ""
	}
	return fmt.Sprintf(", for %d persons and %d professions", len(who.Persons), len(who.Professions))
}

// modes returns what a rule demands, in words.
func modes(rule user.Rule) string {
	words := map[user.Mode]string{user.Off: "not asked who they are",
		user.Tell:    "asked for a proof of who they are, and let in without one, too",
		user.Require: "no session without a proof of who they are"}
	text := words[rule.Of("")]
	for _, practice := range slices.Sorted(maps.Keys(rule.Practices)) {
		text += fmt.Sprintf("; those of %s: %s", practice, words[rule.Of(practice)])
	}
	return text
}

// persons says whose certificates pass, and whether it can be told if they are revoked.
func (r *report) persons(store *trust.Trust) {
	for _, a := range store.Anchors() {
		r.line("persons", "anchor %s, until %s", a.Cert.Subject.CommonName, stamp.Minute(a.Cert.NotAfter))
		r.warnOfEnd("this anchor", a.Cert.NotAfter, soonCert)
	}
	for _, l := range store.Lists() {
		r.list(l)
	}
	for _, gap := range cli.Gaps(store) {
		r.problem(gap)
	}
	for _, stranger := range cli.Strangers(store) {
		r.warning("%v", stranger)
	}
	for _, covered := range store.Coverage(true) {
		if !covered.Covered() && !covered.Listed && !covered.Revoked {
			r.problem(fmt.Errorf("cannot tell which %s that %s issued are revoked, and they will all be refused (%s): "+
				"name its list under persons.crls, or a responder under persons.ocsp",
				strings.Replace(covered.Of, "components", "certificates of persons", 1), covered.CA, pki.UserStatus))
		}
	}
}

// personKey says whether the trace will say who used a terminal.
func (r *report) personKey(c config) {
	if c.PersonKey.File == "" {
		r.warning("the trace does not say who uses a terminal: write person_key: {file: …}, then make that file with " +
			"tla-gateway person-key new")
		return
	}
	if _, err := trail.Marks(c.PersonKey, slog.Default()); err != nil {
		r.problem(err)
		return
	}
	r.line("persons", "marked in the trace by the key in %s", c.PersonKey.File)
}
