package tla

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tlagate/pki/revocation"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/link"
	"tlagate/tla/cards"
)

// Rehearsal is the test before a visit: what a start would meet, item by item.
type Rehearsal struct {
	OK       bool            `json:"ok"` // every item is OK
	Incident string          `json:"incident,omitempty"`
	Items    []RehearsalItem `json:"items"` // in the order of the constants below
}

// RehearsalItem is one thing that a start needs.
type RehearsalItem struct {
	Item    Item     `json:"item"`
	OK      bool     `json:"ok"`
	Skipped bool     `json:"skipped,omitempty"` // not looked at, because an item before it failed
	Names   []string `json:"names,omitempty"`   // of readers; kinds of cards
	Use     Use      `json:"use,omitempty"`     // of cards: why the first useless one is of no use
	// when the certificate of certificate, link or pdt ends; the revocation list, when link is not OK
	Until   time.Time `json:"until,omitzero"`
	Version uint64    `json:"version,omitempty"` // of bundle
	Detail  string    `json:"detail,omitempty"`  // English: what was seen
	Error   *Why      `json:"error,omitempty"`   // what a start would have said
}

// Item names what a rehearsal looks at.
type Item string

// The items.
const (
	ItemClock       Item = "clock"
	ItemReaders     Item = "readers"
	ItemCards       Item = "cards"
	ItemCertificate Item = "certificate" // ours
	ItemBundle      Item = "bundle"      // absent without one
	ItemLink        Item = "link"        // to the gateway
	ItemPdT         Item = "pdt"
	// the card by which the user would prove who they are; absent where no gateway asks for that
	ItemUser Item = "user"
)

// Items are all items, in order.
var Items = []Item{ItemClock, ItemReaders, ItemCards, ItemCertificate, ItemBundle, ItemLink, ItemPdT, ItemUser}

// Rehearse does all of a start up to the PdT's answer and ends there, or where the gateway wants the user's proof: no
// card is taken, none gets a command, no code is asked for. Like a start it needs a local act of the user, and no
// session (C4). The error is a *Why, for a rehearsal that could not be made.
func (r *Relay) Rehearse(ctx context.Context, act Act) (Rehearsal, error) {
	c, err := r.rehearse(ctx, act, true)
	if w := (*Why)(nil); errors.As(err, &w) && w.Code == codeRenewed {
		return r.rehearse(ctx, act, false)
	}
	return c, err
}

func (r *Relay) rehearse(ctx context.Context, act Act, mayRenew bool) (Rehearsal, error) {
	l, err := r.begin(act, mayRenew, true)
	if err != nil {
		return r.rehearseUnbegun(act, explain(err))
	}
	defer r.idle(l)
	defer context.AfterFunc(ctx, func() { l.end(&Why{Code: CodeCancelled}) })()
	n, asks, why := l.tryOut()
	if why != nil && (why.Code == codeRenewed || slices.Contains(unnumbered, why.Code)) {
		return Rehearsal{}, why
	}
	v := r.Status()
	occupants, _ := l.readers.Now()
	cps := occupants[session.SlotCPS]
	return l.report(&trial{status: v, now: time.Now(), route: n, asks: asks, why: why, cps: cps,
		proves: cps != nil && l.cfg.Policy.Proves(cps.ATR), lists: l.cfg.Party.Trust.Lists()}), nil
}

// rehearseUnbegun returns the rehearsal of a start that could not even begin.
func (r *Relay) rehearseUnbegun(act Act, why *Why) (Rehearsal, error) {
	if blame(why) == "" {
		return Rehearsal{}, r.fail(EventRehearsed, act, why)
	}
	why = r.fail(EventRehearsed, act, why)
	t := &trial{status: r.Status(), now: time.Now(), why: why}
	return Rehearsal{Incident: why.Incident, Items: t.items()}, nil
}

// idle ends what begin began.
func (r *Relay) idle(l *live) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live = nil
	close(l.over)
}

// tryOut runs a session that ends as soon as the PdT has accepted it, or before the user would be asked for their code.
// The *Why says why it came to neither; nil = it did.
func (l *live) tryOut() (*route, *asked, *Why) {
	l.log.Info("check asked for", "peer", l.pdt.String(), "act", string(l.act.Kind), "by", l.act.By)
	r, err := l.connect()
	if asks, ok := errors.AsType[*asked](err); ok {
		l.end(&Why{Code: CodeStopped})
		return nil, asks, nil
	}
	if err != nil {
		l.end(explain(err))
		return nil, nil, l.why()
	}
	defer r.terminal.Close()
	l.end(&Why{Code: CodeStopped})
	l.leave(r)
	return r, nil, nil
}

// report turns what was seen into the rehearsal, and logs and traces it.
func (l *live) report(t *trial) Rehearsal {
	c := Rehearsal{Items: t.items()}
	first := slices.IndexFunc(c.Items, func(i RehearsalItem) bool { return !i.OK && !i.Skipped })
	c.OK = first < 0
	var w Why
	if !c.OK {
		failed := c.Items[first]
		w = *(&Why{Code: CodeRehearsal, Reason: string(failed.Item), Detail: failed.Detail}).numberedAs(l.incident)
		if t.why != nil {
			w = *t.why
		}
		c.Incident = w.Incident
	}
	l.log.Info("check made", "ok", c.OK, "peer", l.pdt.String(), "code", string(w.Code), "reason", w.Reason,
		"incident", w.Incident, "detail", w.Detail)
	l.trace(EventRehearsed, t.gateway(), w)
	return c
}

// CodeRehearsal says that a rehearsal found something for which a start would not have been refused: Reason is the
// Item.
const CodeRehearsal Code = "check"

// trial is what a rehearsal has seen.
type trial struct {
	status Status // of the relay
	now    time.Time
	route  *route // nil: the PdT did not accept
	asks   *asked // not nil: a start would ask the user for their code, after which it would go on
	why    *Why   // why neither
	cps    *cards.Occupant
	proves bool // the card policy knows how that card proves its holder
	lists  []revocation.List
}

func (t *trial) items() (list []RehearsalItem) {
	for _, item := range []func() RehearsalItem{t.clock, t.readers, t.cards, t.certificate, t.bundle, t.link, t.pdt,
		t.user} {
		if i := item(); i.Item != "" {
			list = append(list, i)
		}
	}
	return list
}

// blamed returns i, as failed if the failure is about this item.
func (t *trial) blamed(i RehearsalItem) RehearsalItem {
	if t.why != nil && blame(t.why) == i.Item {
		i.OK, i.Skipped, i.Error, i.Detail = false, false, t.why, t.why.Detail
	}
	return i
}

func (t *trial) clock() RehearsalItem {
	return t.blamed(RehearsalItem{Item: ItemClock, OK: true, Detail: "it is " + t.now.Format(time.RFC3339)})
}

func (t *trial) readers() RehearsalItem {
	i := RehearsalItem{Item: ItemReaders, OK: len(t.status.Readers) > 0, Detail: t.status.PCSC}
	for _, r := range t.status.Readers {
		i.Names = append(i.Names, r.Name)
	}
	return i
}

// cards is OK when there is a card, and none is of no use.
func (t *trial) cards() RehearsalItem {
	i := RehearsalItem{Item: ItemCards, Skipped: len(t.status.Readers) == 0}
	var useless []string
	for _, r := range t.status.Readers {
		if r.Card == nil {
			continue
		}
		i.Names = append(i.Names, string(r.Card.Kind))
		if r.Card.Use != UseSlot {
			useless = append(useless, strings.TrimSpace(fmt.Sprintf("%s %s", r.Card.Use, r.Card.ATR)))
			i.Use = cmp.Or(i.Use, r.Card.Use)
		}
	}
	i.OK = len(i.Names) > 0 && len(useless) == 0
	i.Detail = fmt.Sprintf("%d cards, %d of no use", len(i.Names), len(useless))
	if len(useless) > 0 {
		i.Detail += ": " + strings.Join(useless, ", ")
	}
	return i
}

func (t *trial) certificate() RehearsalItem {
	r := t.status.Renewal
	late := r != nil && (r.Warn || r.GivenUp)
	i := RehearsalItem{Item: ItemCertificate, Until: t.status.Certificate, Detail: t.status.Problem,
		OK: t.now.Before(t.status.Certificate) && !late}
	if late {
		i.Detail = "its renewal is late: " + r.Reason
	}
	return t.blamed(i)
}

func (t *trial) bundle() RehearsalItem {
	i := t.blamed(RehearsalItem{Item: ItemBundle, OK: true, Version: t.status.Bundle})
	if i.OK && i.Version == 0 {
		return RehearsalItem{}
	}
	return i
}

// link is OK once the gateway is reached and proven, whatever it says then, if this will last: a gateway brings a new
// revocation list long before the present one ends.
func (t *trial) link() RehearsalItem {
	if peers := t.peers(); peers != nil {
		i := reached(ItemLink, peers[0])
		if late := t.late(); late != nil {
			i.OK, i.Until = false, late.NextUpdate
			i.Detail = fmt.Sprintf("the list %s of %s should have been renewed by now, and the gateway brings no "+
				"newer one", late.Source, late.Issuer)
		}
		return i
	}
	reached := t.why.stage >= stageOpen
	return t.blamed(RehearsalItem{Item: ItemLink, OK: reached, Skipped: !reached, Detail: t.why.Gateway})
}

// late returns, of the lists that should have been renewed by now, the one that ends first; nil = there is none.
func (t *trial) late() (first *revocation.List) {
	for i, l := range t.lists {
		if l.Err == nil && t.now.After(l.Ahead) && (first == nil || l.NextUpdate.Before(first.NextUpdate)) {
			first = &t.lists[i]
		}
	}
	return first
}

// peers returns whom the rehearsal reached: the gateway, and the PdT if it accepted; nil = nobody.
func (t *trial) peers() []*trust.Peer {
	switch {
	case t.route != nil:
		return t.route.peers
	case t.asks != nil:
		return t.asks.peers
	}
	return nil
}

func (t *trial) pdt() RehearsalItem {
	switch {
	case t.route != nil:
		return reached(ItemPdT, t.route.peers[1])
	case t.asks != nil:
		return RehearsalItem{Item: ItemPdT, OK: true, Detail: "it is connected to the gateway, which first wants to " +
			"know who the user is"}
	}
	return t.blamed(RehearsalItem{Item: ItemPdT, Skipped: true})
}

// user is OK when a card is in by which the user can prove who they are.
func (t *trial) user() RehearsalItem {
	if t.asks == nil {
		return RehearsalItem{}
	}
	i := RehearsalItem{Item: ItemUser}
	switch {
	case t.cps == nil:
		i.Detail = "no CPS card is in"
	case !t.proves:
		i.Names = []string{string(t.cps.Kind)}
		i.Detail = "the card policy knows no way by which this card proves its holder"
	default:
		i.Names, i.OK = []string{string(t.cps.Kind)}, true
	}
	return i
}

func reached(i Item, p *trust.Peer) RehearsalItem {
	return RehearsalItem{Item: i, OK: true, Until: p.NotAfter, Detail: p.Identity.String()}
}

// gateway returns the gateway that was reached, or else tried last.
func (t *trial) gateway() string {
	switch {
	case t.route != nil:
		return t.route.gateway
	case t.asks != nil:
		return t.asks.gateway
	}
	return t.why.Gateway
}

// blames maps a failure, by its code or by code and reason, to the item that it is about.
var blames = map[string]Item{
	string(CodeConfiguration): ItemCertificate,
	string(CodeExpired):       ItemCertificate,
	string(CodeClock):         ItemClock,
	string(CodeSeal):          ItemBundle,
	string(CodeUnknownPdT):    ItemPdT,
	string(CodePdT):           ItemPdT,

	string(CodeProblem) + " " + string(link.ProblemClockWrong):           ItemClock,
	string(CodeProblem) + " " + string(link.ProblemNoBundle):             ItemBundle,
	string(CodeProblem) + " " + string(link.ProblemBundleOutdated):       ItemBundle,
	string(CodeProblem) + " " + string(link.ProblemBundleRequired):       ItemBundle,
	string(CodeProblem) + " " + string(link.ProblemCloneSuspected):       ItemCertificate,
	string(CodeProblem) + " " + string(link.ProblemWrongPractice):        ItemPdT,
	string(CodeProblem) + " " + string(link.ProblemPdTAbsent):            ItemPdT,
	string(CodeProblem) + " " + string(link.ProblemBadServerCertificate): ItemPdT,
	string(CodeProblem) + " " + string(link.ProblemWrongRole):            ItemCertificate,
	string(CodeNotice) + " " + string(link.CodePeerGone):                 ItemPdT,
}

// blame returns the item that a failure is about; "" = none: the rehearsal could not be made.
func blame(w *Why) Item {
	for _, key := range []string{string(w.Code) + " " + w.Reason, string(w.Code)} {
		if i, ok := blames[key]; ok {
			return i
		}
	}
	switch {
	case slices.Contains(unnumbered, w.Code):
		return ""
	case w.stage >= stageInner:
		return ItemPdT
	case w.Code == CodeRejected:
		return ItemCertificate
	}
	return ItemLink
}
