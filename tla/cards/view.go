package cards

import (
	"log/slog"
	"slices"
)

// View is what can be seen of the readers at one time.
type View struct {
	Service string   // what is wrong with PC/SC; "" = it works
	Readers []Reader // in the order of PC/SC
}

// Reader is one reader and its card.
type Reader struct {
	Name string
	Card Insertion // zero: empty
}

// View returns the present view.
func (r *Readers) View() View {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.view()
}

// view copies the table; r.mu is held.
func (r *Readers) view() View {
	var v View
	if r.service != nil {
		v.Service = r.service.Error()
	}
	for _, w := range r.table.readers {
		reader := Reader{Name: w.reader}
		if w.card != nil {
			reader.Card = *w.card
			o := r.occupants[w.card.Slot]
			reader.Card.HasSlot = w.card.Usable && o != nil && o.Number == w.card.Number
		}
		v.Readers = append(v.Readers, reader)
	}
	return v
}

// Moved reports whether somebody has put a card in or taken one out since v, in a reader that is in both views; cards
// that ignore names do not count. A service that was restarted, or a reader that came or went, is not an act of the
// user.
func (v View) Moved(now View, ignore func(Insertion) bool) bool {
	counts := func(i Insertion) bool { return i.Number != 0 && !ignore(i) }
	return slices.ContainsFunc(now.Readers, func(r Reader) bool {
		before := v.card(r.Name)
		return v.has(r.Name) && before.Number != r.Card.Number && (counts(before) || counts(r.Card))
	})
}

func (v View) equal(w View) bool {
	return v.Service == w.Service && slices.Equal(v.Readers, w.Readers)
}

func (v View) card(reader string) Insertion {
	for _, r := range v.Readers {
		if r.Name == reader {
			return r.Card
		}
	}
	return Insertion{}
}

func (v View) has(reader string) bool {
	return slices.ContainsFunc(v.Readers, func(r Reader) bool { return r.Name == reader })
}

// log logs what is new in w.
func (v View) log(log *slog.Logger, w View) {
	if v.Service != w.Service {
		logService(log, w.Service)
	}
	for _, r := range v.Readers {
		if !w.has(r.Name) {
			log.Info("reader gone", "reader", r.Name)
		}
	}
	for _, r := range w.Readers {
		if !v.has(r.Name) {
			log.Info("reader found", "reader", r.Name)
		}
		r.log(log, v.card(r.Name))
	}
}

func logService(log *slog.Logger, problem string) {
	if problem == "" {
		log.Info("PC/SC service in use")
		return
	}
	log.Warn("PC/SC service lost; trying again every second", "error", problem)
}

func (r Reader) log(log *slog.Logger, before Insertion) {
	switch c := r.Card; {
	case c == before:
	case c.Number == 0:
		log.Info("card out", "reader", r.Name, "kind", before.Kind)
	case !c.Usable:
		log.Warn("card ignored: it is neither Vitale nor CPS", "reader", r.Name, "kind", c.Kind, "atr", c.ATR)
	case !c.HasSlot:
		log.Warn("card ignored: another reader holds one of that role", "reader", r.Name, "kind", c.Kind)
	default:
		log.Info("card in", "reader", r.Name, "kind", c.Kind, "slot", c.Slot.String())
	}
}
