package listen

import (
	"container/heap"
	"container/list"
)

// groups are the guests grouped by where they come from, the heaviest group first.
type groups struct {
	byKey map[string]*group
	heap  groupHeap
}

// group has the guests from one source or network, those that came first at the front.
type group struct {
	key    string
	favour int // so many of its guests weigh nothing
	guests list.List
	at     int // its index in the heap
}

func (g *group) weight() int { return max(0, g.guests.Len()-g.favour) }

// longestSilent returns the guest that came first of those that wait; nil when all are being served.
func (g *group) longestSilent() *Guest {
	for e := g.guests.Front(); e != nil; e = e.Next() {
		if guest := e.Value.(*Guest); guest.waits() {
			return guest
		}
	}
	return nil
}

// membership is a guest's position in a group.
type membership struct {
	group   *group // nil = it has left
	element *list.Element
}

func (s *groups) add(m *membership, key string, favour int, guest *Guest) {
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
	m.group, m.element = g, g.guests.PushBack(guest)
	heap.Fix(&s.heap, g.at)
}

func (s *groups) remove(m *membership) {
	g := m.group
	g.guests.Remove(m.element)
	m.group, m.element = nil, nil
	if g.guests.Len() > 0 {
		heap.Fix(&s.heap, g.at)
		return
	}
	heap.Remove(&s.heap, g.at)
	delete(s.byKey, g.key)
}

// heaviest returns the heaviest group. There must be a guest.
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

// Pop removes the last and returns it.
func (h *groupHeap) Pop() any {
	last := len(*h) - 1
	g := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return g
}
