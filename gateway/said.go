package gateway

// said takes lines that an end sends of its own trace, as the words of that end alone (SA2; docs/protocol.md, section
// 2.2). Nothing about them ends a session, or holds it up.
func (e *end) said(s *session, lines []byte) { e.g.home.Take(e.client.identity(), s.id, lines) }

// saidAll records what was dropped of what this end sent.
func (e *end) saidAll() {
	if s := e.session.Load(); s != nil {
		e.g.home.Over(e.client.identity(), s.id)
	}
}
