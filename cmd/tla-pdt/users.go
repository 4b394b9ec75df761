package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"

	"tlagate/bundle"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/doctor"
	"tlagate/cmd/internal/trail"
	"tlagate/internal/stamp"
	"tlagate/pdt"
	"tlagate/pki/trust"
	"tlagate/session/user"
)

// userSection says whether the users of terminals have to prove who they are, and who may use this PdT.
type userSection struct {
	cli.User    `yaml:",inline"`
	Persons     []string `yaml:"persons"`     // the users who may, by their national identifier
	Professions []string `yaml:"professions"` // likewise, by their profession; both empty = every one who passes
}

func (u userSection) who() user.Who { return user.Who{Persons: u.Persons, Professions: u.Professions} }

func (u userSection) isZero() bool { return u.Mode == "" && len(u.Practices) == 0 && u.who().Empty() }

func (c config) checkUsers() error {
	return cli.CheckUsers(c.User.Rule(), c.Persons, !c.User.who().Empty())
}

// withUsers fills in from a bundle what the file leaves out of who has to prove who they are, and by what.
func (c config) withUsers(b *bundle.Content) config {
	if c.User.isZero() {
		c.User = userSection{User: cli.User{Mode: b.User.Mode, Practices: b.User.Practices}, Persons: b.User.Persons,
			Professions: b.User.Professions}
	}
	switch {
	case c.Persons.NamesCAs():
	case b.Persons.IsZero():
		c.Persons = nil
	default:
		c.Persons = personsOf(b.Persons, c.Persons.Kept())
	}
	return c
}

// personsOf returns the section persons of a bundle, which was checked; where things are kept, kept says.
func personsOf(b bundle.Persons, kept *cli.Persons) *cli.Persons {
	m := b.Mapping
	kept.Mapping = cli.Mapping{Identifier: m.Identifier, Form: m.Form, Profession: m.Profession, Policies: m.Policies}
	kept.OCSP.Responders, kept.CRLs = b.Sources.OCSP, cli.PathsOf(b.Sources.CRLs)
	kept.Known, kept.KnownCAs, _ = b.CAs()
	return kept
}

// users opens the trust store of persons, if there is one.
func (c config) users(trace *trail.Trail, devices *trust.Trust, log *slog.Logger) (pdt.Users, error) {
	u := pdt.Users{Rule: c.User.Rule(), Who: c.User.who()}
	if c.Persons == nil {
		return u, nil
	}
	var err error
	if u.Persons, err = trust.Open(trace.Trust(c.Persons.Config(devices, log))); err != nil {
		return u, fmt.Errorf("persons: %w", err)
	}
	return u, nil
}

// usersFollow has the sections user and persons in force, and puts others in their place.
type usersFollow struct {
	trace   *trail.Trail
	devices *trust.Trust
	running *cli.PersonsRun
	log     *slog.Logger

	mu      sync.Mutex // protects the rest
	persons *cli.Persons
	user    userSection
	now     pdt.Users
}

func (c config) openUsers(trace *trail.Trail, devices *trust.Trust, log *slog.Logger) (*usersFollow, error) {
	now, err := c.users(trace, devices, log)
	return &usersFollow{trace: trace, devices: devices, running: cli.NewPersonsRun(now.Persons), log: log,
		user: c.User, persons: c.Persons, now: now}, err
}

// follow puts what c says in force, if that is something else.
func (f *usersFollow) follow(c config, s *pdt.Service) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	same := reflect.DeepEqual(c.Persons, f.persons)
	if same && reflect.DeepEqual(c.User, f.user) {
		return nil
	}
	next := f.now
	next.Rule, next.Who = c.User.Rule(), c.User.who()
	if !same {
		var err error
		if next, err = c.users(f.trace, f.devices, f.log); err != nil {
			return err
		}
	}
	s.SetUsers(next)
	f.running.Set(next.Persons)
	f.user, f.persons, f.now = c.User, c.Persons, next
	f.log.Info("who has to prove who they are read again", "persons", next.Persons != nil)
	return nil
}

// usersCheck checks by what the users of terminals can be told.
func (c config) usersCheck(d doctor.Device) doctor.Check {
	return doctor.Check{Name: "users", Run: func(context.Context) doctor.Finding { return c.usersFinding(d) }}
}

func (c config) usersFinding(d doctor.Device) doctor.Finding {
	if content, err := d.Content(); err == nil { // else a bundle that cannot be used has a finding of its own
		c = c.withBundle(content)
	}
	rule := c.User.Rule()
	switch {
	case rule.Check() != nil, c.Persons == nil && rule.Has(user.Require):
		return doctor.Cannot("", "see configuration")
	case c.Persons == nil && !rule.Has(user.Tell):
		return doctor.Good("users of terminals are not asked who they are")
	case c.Persons == nil:
		return doctor.Warn("name the CAs of persons (persons), then require a proof (user)",
			"sessions begin whoever uses the terminal: no CA of persons is configured")
	}
	devices, err := d.Store()
	if err != nil {
		return doctor.Cannot("", "see trust anchors")
	}
	store, err := c.Persons.Look(devices)
	if err != nil {
		return doctor.Fail("see deploy/examples/pdt.yaml, section persons", "persons: %v", err)
	}
	for _, l := range store.Lists() {
		if l.Err != nil {
			return doctor.Fail("bring its successor, or see why the URL has none", "persons.crls: %v", l.Err)
		}
	}
	if gaps := cli.Gaps(store); len(gaps) > 0 {
		return doctor.Fail("see deploy/examples/pdt.yaml, section persons", "%v", errors.Join(gaps...))
	}
	if strangers := cli.Strangers(store); len(strangers) > 0 {
		return doctor.Warn("see deploy/examples/pdt.yaml, section persons", "%v", errors.Join(strangers...))
	}
	first := store.Anchors()[0].Cert.NotAfter
	for _, a := range store.Anchors() {
		if a.Cert.NotAfter.Before(first) {
			first = a.Cert.NotAfter
		}
	}
	switch {
	case rule.Has(user.Require) || !c.User.who().Empty():
		return doctor.Good("a proof of who uses the terminal is demanded; anchors of persons until %s",
			stamp.Day(first))
	case !rule.Has(user.Tell):
		return doctor.Warn("write user: {mode: tell} first, then require (docs/operate.md)", "users of terminals are "+
			"not asked who they are")
	}
	return doctor.Warn("when the trace has no more sessions without a proof that passes, write user: {mode: require}",
		"a session begins without a proof of who uses the terminal, too; anchors of persons until %s", stamp.Day(first))
}
