package listen

import (
	"container/heap"
	"container/list"
)

// groups are guests by where they come from, the heaviest first.
type groups struct {
	byKey map[string]*group
	heap  groupHeap
}

// group are the guests from one place, those that came first at the front.
type group struct {
	key    string
	favour int // so many of its guests weigh nothing
	guests list.List
	at     int // its index in the heap
}

func (g *group) weight() int { return max(0, g.guests.Len()-g.favour) }

// longestSilent returns the guest that came first of those that wait for octets; nil when all are worked for.
func (g *group) longestSilent() *Guest {
	for e := g.guests.Front(); e != nil; e = e.Next() {
		if guest := e.Value.(*Guest); guest.waits() {
			return guest
		}
	}
	return nil
}

// seat is a guest's place in a group.
type seat struct {
	group   *group // nil = has left
	element *list.Element
}

func (s *groups) add(at *seat, key string, favour int, guest *Guest) {
	g := s.byKey[key]
	if g == nil {
		g = &group{key: key}
		if s.byKey == nil {
			s.byKey = map[string]*group{}
		}
		s.byKey[key] = g
		heap.Push(&s.heap, g)
	}
	g.favour = max(g.favour, favour)
	at.group, at.element = g, g.guests.PushBack(guest)
	heap.Fix(&s.heap, g.at)
}

func (s *groups) remove(at *seat) {
	g := at.group
	g.guests.Remove(at.element)
	at.group, at.element = nil, nil
	if g.guests.Len() > 0 {
		heap.Fix(&s.heap, g.at)
		return
	}
	heap.Remove(&s.heap, g.at)
	delete(s.byKey, g.key)
}

// heaviest is called while there is a guest.
func (s *groups) heaviest() *group { return s.heap[0] }

// groupHeap is a heap.Interface.
type groupHeap []*group

func (h groupHeap) Len() int           { return len(h) }
func (h groupHeap) Less(i, j int) bool { return h[i].weight() > h[j].weight() }
func (h groupHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push appends a *group.
func (h *groupHeap) Push(x any) {
	g := x.(*group)
	g.at = len(*h)
	*h = append(*h, g)
}

// Pop takes the last.
func (h *groupHeap) Pop() any {
	last := len(*h) - 1
	g := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return g
}
