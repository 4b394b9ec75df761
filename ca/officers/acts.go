package officers

import (
	"slices"
	"time"

	"tlagate/audit"
	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/pki"
)

// acts has what can be done, by name.
func (s *Server) acts() map[string]func(*call) (any, error) {
	return map[string]func(*call) (any, error){
		"issue":       s.issue,
		"succeed":     s.succeed,
		"invite":      invite,
		"withdraw":    withdraw,
		"replace":     replace,
		"revoke":      revoke,
		"release":     release,
		"approve":     s.approve,
		"reject":      s.reject,
		"acknowledge": s.acknowledge,
	}
}

// ofThePKI are the roles whose certificates speak for the PKI. Whoever has one could act as another officer, or be
// believed by every device: so they wait for a second officer.
var ofThePKI = []pki.Role{pki.RoleAdmin, pki.RolePKI, pki.RoleOCSP}

func (s *Server) issue(c *call) (any, error) {
	var m Issue
	if err := c.read(&m); err != nil {
		return nil, err
	}
	request, err := m.request()
	if err != nil {
		return nil, err
	}
	if err := checkWhy(m.Why, false); err != nil {
		return nil, err
	}
	if slices.Contains(ofThePKI, request.Identity.Role) {
		return s.propose(c, m, request)
	}
	if err := c.record("issue", m.Why, audit.Identity(m.Identity), audit.Profile(m.Profile)); err != nil {
		return nil, err
	}
	issued, err := c.ca.Certificates.Issue(request)
	if err != nil {
		return nil, err
	}
	return Issued{Record: issued.Record, Chain: string(issued.Chain), Notes: issued.Notes}, nil
}

func (m Issue) request() (ca.Request, error) {
	id, err := pki.ParseIdentity(m.Identity)
	if err != nil {
		return ca.Request{}, problemf(BadRequest, "%v", err)
	}
	return ca.Request{Profile: m.Profile, Identity: id, DNS: m.DNS, CSR: []byte(m.CSR), Days: m.Days}, nil
}

func invite(c *call) (any, error) {
	var m Invite
	if err := c.read(&m); err != nil {
		return nil, err
	}
	guests, err := m.guests(c.officer.Identity)
	if err != nil {
		return nil, err
	}
	if err := checkWhy(m.Why, false); err != nil {
		return nil, err
	}
	about := []audit.Attr{audit.Count(len(guests))}
	if len(guests) == 1 {
		about = append(about, audit.Identity(guests[0].Identity.String()))
	}
	if err := c.record("invite", m.Why, about...); err != nil {
		return nil, err
	}
	invited, err := c.ca.Invitations.Invite(guests...)
	if err != nil {
		return nil, err
	}
	out := Invited{Withdrawn: invited.Withdrawn}
	for _, code := range invited.Codes {
		out.Codes = append(out.Codes, code.Text())
	}
	return out, nil
}

func (m Invite) guests(by string) (list []ca.Guest, err error) {
	if len(m.Guests) == 0 {
		return nil, problemf(BadRequest, "Nobody is named.")
	}
	for _, g := range m.Guests {
		guest, err := g.guest(m.Seconds, by)
		if err != nil {
			return nil, err
		}
		guest.Again, guest.OneCode = m.Again, m.OneCode
		list = append(list, guest)
	}
	return list, nil
}

// guest refuses administrators: a code would make its holder an officer without a second one's consent.
func (g Guest) guest(seconds int64, by string) (ca.Guest, error) {
	id, err := pki.ParseIdentity(g.Identity)
	switch {
	case err != nil:
		return ca.Guest{}, problemf(BadRequest, "%v", err)
	case slices.Contains(ofThePKI, id.Role):
		return ca.Guest{}, problemf(Refused, "A code for %s could make anybody an officer: have its certificate "+
			"issued from a request, which a second officer approves.", id)
	case seconds < 0 || seconds > int64(maxTTL/time.Second):
		return ca.Guest{}, problemf(BadRequest, "A code for so long is not allowed.")
	}
	return ca.Guest{Identity: id, DNS: g.DNS, TTL: time.Duration(seconds) * time.Second, By: by}, nil
}

const maxTTL = 366 * 24 * time.Hour // keeps the number in range; the CA has the bound

func withdraw(c *call) (any, error) {
	var m Withdraw
	if err := c.read(&m); err != nil {
		return nil, err
	}
	if err := checkWhy(m.Why, false); err != nil {
		return nil, err
	}
	if err := c.record("withdraw", m.Why, audit.Number(m.ID)); err != nil {
		return nil, err
	}
	return Done{c.warnings}, c.ca.Invitations.Withdraw(m.ID)
}

func replace(c *call) (any, error) {
	var m Replace
	if err := c.read(&m); err != nil {
		return nil, err
	}
	guest, err := m.guest(m.Seconds, c.officer.Identity)
	if err != nil {
		return nil, err
	}
	reason, err := store.ParseReason(m.Reason)
	if err != nil {
		return nil, problemf(BadRequest, "%v", err)
	}
	if err := checkWhy(m.Why, false); err != nil {
		return nil, err
	}
	if err := c.record("replace", because(m.Reason, m.Why), audit.Identity(m.Identity)); err != nil {
		return nil, err
	}
	revoked, code, err := c.ca.Invitations.Replace(guest, reason)
	if err != nil && len(revoked) == 0 {
		return nil, err
	}
	out := Changed{Records: revoked}
	if err == nil {
		out.Code = code.Text()
	}
	return c.changed(out, err)
}

func revoke(c *call) (any, error) {
	var m Revoke
	if err := c.read(&m); err != nil {
		return nil, err
	}
	which, about, err := m.selection()
	if err != nil {
		return nil, err
	}
	reason, err := store.ParseReason(m.Reason)
	if err != nil {
		return nil, problemf(BadRequest, "%v", err)
	}
	if err := checkWhy(m.Why, false); err != nil {
		return nil, err
	}
	act := "revoke"
	if reason == store.Hold {
		act = "hold"
	}
	if err := c.record(act, because(m.Reason, m.Why), about); err != nil {
		return nil, err
	}
	revoked, err := c.ca.Revocations.Revoke(which, reason)
	if err != nil && len(revoked) == 0 {
		return nil, err
	}
	return c.changed(Changed{Records: revoked}, err)
}

func release(c *call) (any, error) {
	var m Revoke
	if err := c.read(&m); err != nil {
		return nil, err
	}
	which, about, err := m.selection()
	if err != nil {
		return nil, err
	}
	if err := checkWhy(m.Why, true); err != nil {
		return nil, err
	}
	if err := c.record("release", m.Why, about); err != nil {
		return nil, err
	}
	released, err := c.ca.Revocations.Release(which)
	if err != nil && len(released) == 0 {
		return nil, err
	}
	return c.changed(Changed{Records: released}, err)
}

// because joins the reason that lists have and the one that the officer gives.
func because(reason, why string) string {
	if why == "" {
		return reason
	}
	return reason + ": " + why
}

// selection returns what is selected, and how the trace names it.
func (m Revoke) selection() (which ca.Selection, about audit.Attr, err error) {
	which = ca.Selection{Serial: m.Serial, Identity: m.Identity}
	about = audit.Identity(m.Identity)
	if m.Certificate != "" {
		if which.Certificate, err = ca.ParseCertificate([]byte(m.Certificate)); err != nil {
			return which, about, problemf(BadRequest, "The certificate cannot be read: %v.", err)
		}
		about = audit.Serial(which.Certificate.SerialNumber)
	}
	if m.Serial != "" {
		about = audit.SerialText(m.Serial)
	}
	return which, about, nil
}

// changed publishes the list that says what was changed. What is done is answered, whatever failed besides.
func (c *call) changed(out Changed, failure error) (any, error) {
	if failure != nil {
		c.warnings = append(c.warnings, failure.Error())
	}
	publish := c.ca.Lists.PublishCRL
	if slices.ContainsFunc(out.Records, store.Record.IsCA) {
		publish = c.ca.Lists.PublishARL
	}
	list, err := publish()
	if err != nil {
		c.warnings = append(c.warnings, "no list says so yet: "+err.Error())
	} else {
		out.List = &List{list.Number, list.Entries, list.NextUpdate}
	}
	out.Warnings = c.warnings
	return out, nil
}
