package tla

import (
	"log/slog"
	"slices"
)

// view is what shows of the readers at one time.
type view struct {
	service string // "" = PC/SC works
	places  []placeView
}

type placeView struct {
	reader string
	card   insertion // zero: empty
}

// view copies the table; r.mu is held.
func (r *Readers) view() view {
	var v view
	if r.service != nil {
		v.service = r.service.Error()
	}
	for _, p := range r.table.places {
		pv := placeView{reader: p.reader}
		if p.card != nil {
			pv.card = *p.card
			s := r.seats[p.card.slot]
			pv.card.seated = p.card.usable && s != nil && s.number == p.card.number
		}
		v.places = append(v.places, pv)
	}
	return v
}

// current is view for those who hold no lock.
func (r *Readers) current() view {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.view()
}

func (v view) equal(w view) bool {
	return v.service == w.service && slices.Equal(v.places, w.places)
}

func (v view) card(reader string) insertion {
	for _, p := range v.places {
		if p.reader == reader {
			return p.card
		}
	}
	return insertion{}
}

func (v view) has(reader string) bool {
	return slices.ContainsFunc(v.places, func(p placeView) bool { return p.reader == reader })
}

// log tells what is new in w.
func (v view) log(log *slog.Logger, w view) {
	if v.service != w.service {
		logService(log, w.service)
	}
	for _, p := range v.places {
		if !w.has(p.reader) {
			log.Info("reader gone", "reader", p.reader)
		}
	}
	for _, p := range w.places {
		if !v.has(p.reader) {
			log.Info("reader found", "reader", p.reader)
		}
		p.log(log, v.card(p.reader))
	}
}

func logService(log *slog.Logger, problem string) {
	if problem == "" {
		log.Info("PC/SC service in use")
		return
	}
	log.Warn("PC/SC service lost; trying again every second", "error", problem)
}

func (p placeView) log(log *slog.Logger, before insertion) {
	switch {
	case p.card == before:
	case p.card.number == 0:
		log.Info("card out", "reader", p.reader, "kind", before.kind)
	case !p.card.usable:
		log.Warn("card ignored: it is neither Vitale nor CPS", "reader", p.reader, "kind", p.card.kind, "atr", p.card.atr)
	case !p.card.seated:
		log.Warn("card ignored: another reader holds one of that role", "reader", p.reader, "kind", p.card.kind)
	default:
		log.Info("card in", "reader", p.reader, "kind", p.card.kind, "slot", p.card.slot.String())
	}
}
