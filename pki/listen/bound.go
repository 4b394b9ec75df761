package listen

// Bound bounds what else is under way on accepted connections, as handshakes are bounded here.
type Bound struct{ gate gate }

// NewBound lets total be under way at once, and each of them from one IPv4 address or IPv6 /64.
func NewBound(total, each int) *Bound { return &Bound{gate{total: total, each: each}} }

// Enter takes a place for a remote address (host:port); leave gives it back.
func (b *Bound) Enter(remote string) (leave func(), ok bool) { return b.gate.enter(remote) }
