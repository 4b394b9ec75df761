package gateway

import "context"

// watchDenials cuts at once whom a revocation told directly concerns. It looks each peer up and judges only the few it
// finds: watch, which judges everybody after any change, may be busy with the change before.
func (g *Gateway) watchDenials(ctx context.Context) {
	for {
		told := g.party.Trust.Denials() // before the look, or one during it would be missed
		for _, c := range g.allClients() {
			if g.isDenied(c) {
				g.recheckClient(c)
			}
		}
		select {
		case <-told:
		case <-ctx.Done():
			return
		}
	}
}

// isDenied says whether the deny list names one of a client's certificates, or a CA's above them.
func (g *Gateway) isDenied(c *client) bool {
	trust := g.party.Trust
	if trust.Denies(c.peer.Verdict.Path) {
		return true
	}
	e := g.endOf(c)
	return e != nil && e.declared != nil && trust.Denies(e.declared.path)
}
