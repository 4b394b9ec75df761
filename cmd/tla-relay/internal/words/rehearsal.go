package words

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"tlagate/tla"
	"tlagate/tla/cards"
)

// The words of the test before a visit. {names}, {n} and {until} are filled in.
var (
	Items = map[tla.Item]Text{
		tla.ItemClock:       {"Horloge", "Clock"},
		tla.ItemReaders:     {"Lecteurs", "Readers"},
		tla.ItemCards:       {"Cartes", "Cards"},
		tla.ItemCertificate: {"Certificat", "Certificate"},
		tla.ItemBundle:      {"Configuration", "Configuration"},
		tla.ItemLink:        {"Liaison", "Link"},
		tla.ItemPdT:         {"Poste", "Poste"},
		tla.ItemUser:        {"Votre CPS", "Your CPS"},
	}
	// itemsFine say what is good about an item; itemsBad what is wrong with it, if a start would not be refused for it.
	itemsFine = map[tla.Item]Text{
		tla.ItemClock:       {"il est {now}", "it is {now}"},
		tla.ItemReaders:     {"{n} {n:branché:branchés}", "{n} plugged in"},
		tla.ItemCards:       {"{names}", "{names}"},
		tla.ItemCertificate: {"encore {n} {n:jour:jours}", "{n} {n:day:days} left"},
		tla.ItemBundle:      {"signée, version {n}", "signed, version {n}"},
		tla.ItemLink:        {"service de l'opérateur joint et reconnu", "operator's service reached and proven"},
		tla.ItemPdT:         {"prêt à recevoir les cartes", "ready for the cards"},
		tla.ItemUser:        {"présente ; votre code sera demandé", "in; your PIN will be asked for"},
	}
	itemsBad = map[tla.Item]Text{
		tla.ItemReaders:     {"aucun lecteur", "no reader"},
		tla.ItemCards:       {"aucune carte utilisable", "no usable card"},
		tla.ItemCertificate: {"à renouveler, encore {n} {n:jour:jours}", "to be renewed, {n} {n:day:days} left"},
		tla.ItemUser:        {"absente, ou inconnue de ce terminal", "not in, or unknown to this terminal"},
		tla.ItemLink: {"liste de révocation à renouveler, encore {n} {n:jour:jours}",
			"revocation list to be renewed, {n} {n:day:days} left"},
	}
	itemMarks     = map[bool]Text{true: {"OK ", "OK "}, false: {"NON", "NO "}}
	itemSkipped   = Text{"-- ", "-- "}
	notLooked     = Text{"non testé", "not tested"}
	RehearsalGood = Text{"Tout est prêt pour la visite.", "All is ready for the visit."}
)

// Rehearsal prints the checklist, and what to do about what was found.
func (t Tongue) Rehearsal(w io.Writer, c *tla.Rehearsal, own string, now time.Time) {
	for _, i := range c.Items {
		fmt.Fprintf(w, "%s  %s%s %s\n", t.ItemMark(i), t.Say(Items[i.Item], nil), t.Colon(), t.ItemText(i, own, now))
	}
	if c.OK {
		fmt.Fprintln(w, t.Say(RehearsalGood, nil))
		return
	}
	fmt.Fprintln(w, t.Todo(RehearsalWhy(c)))
	if c.Incident != "" {
		fmt.Fprintln(w, t.Say(numbered, []string{"incident", c.Incident}))
	}
}

// ItemMark returns OK, NON or --, three columns wide.
func (t Tongue) ItemMark(i tla.RehearsalItem) string {
	if i.Skipped {
		return t.Say(itemSkipped, nil)
	}
	return t.Say(itemMarks[i.OK], nil)
}

// ItemText returns what was seen of an item; own is as in Sentence.
func (t Tongue) ItemText(i tla.RehearsalItem, own string, now time.Time) string {
	switch {
	case i.Skipped:
		return t.Say(notLooked, nil)
	case i.Error != nil:
		return t.Sentence(i.Error, own)
	case !i.OK && (i.Item != tla.ItemCards || len(i.Names) == 0):
		return t.Say(itemsBad[i.Item], t.itemFill(i, now))
	}
	return t.Say(itemsFine[i.Item], t.itemFill(i, now))
}

func (t Tongue) itemFill(i tla.RehearsalItem, now time.Time) []string {
	n, names := len(i.Names), []string{}
	switch i.Item {
	case tla.ItemCertificate, tla.ItemLink:
		n = max(0, int(i.Until.Sub(now)/(24*time.Hour)))
	case tla.ItemBundle:
		n = int(i.Version)
	}
	for _, name := range i.Names {
		if kind, ok := Kinds[cards.Kind(name)]; ok {
			name = t.Say(kind, nil)
		}
		names = append(names, name)
	}
	return []string{"n", strconv.Itoa(n), "names", strings.Join(names, ", "), "now", now.Local().Format("15:04")}
}

// RehearsalWhy returns what a rehearsal that is not OK found first.
func RehearsalWhy(c *tla.Rehearsal) *tla.Why {
	for _, i := range c.Items {
		switch {
		case i.Error != nil:
			return i.Error
		case !i.OK && !i.Skipped:
			return &tla.Why{Code: tla.CodeRehearsal, Reason: todoKey(i), Incident: c.Incident}
		}
	}
	return &tla.Why{Code: tla.CodeRehearsal, Incident: c.Incident}
}

// todoKey returns the key of an item's advice: for a card that is in, with what is wrong with it.
func todoKey(i tla.RehearsalItem) string {
	if i.Use == "" || slices.Contains(i.Names, string(cards.KindMute)) {
		return string(i.Item)
	}
	return string(i.Item) + " " + string(i.Use)
}
