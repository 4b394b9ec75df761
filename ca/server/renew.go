package server

import (
	"context"
	"time"
)

// renew publishes a CRL whenever one is due, and says when the ARL is about to end, or the heads of a gateway are late.
func (s *Server) renew(ctx context.Context) {
	tick := time.NewTicker(s.cfg.Renew)
	defer tick.Stop()
	told := map[string]time.Time{} // of late heads; by gateways that the CA knows
	for warned := false; ; {
		s.renewCRL()
		warned = s.warnOfARL(warned)
		s.lateHeads(told)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) renewCRL() {
	due, err := s.cfg.CA.Lists.CRLDue()
	if err == nil && time.Now().Before(due) {
		return
	}
	if err == nil {
		list, publishErr := s.cfg.CA.Lists.PublishCRL()
		if err = publishErr; err == nil {
			s.log.Info("CRL published", "number", list.Number, "entries", list.Entries,
				"until", list.NextUpdate.Format(time.RFC3339))
			return
		}
	}
	s.log.Error("cannot renew the CRL; the old one stays until it ends, and from then on nobody is accepted",
		"error", err)
}

// arlWarning is how long before the ARL's end the operator is told to bring the root's key.
const arlWarning = 30 * 24 * time.Hour

func (s *Server) warnOfARL(warned bool) bool {
	end, err := s.cfg.CA.Lists.ARLEnd()
	soon := err != nil || time.Until(end) < arlWarning
	if soon && !warned {
		s.log.Warn("the ARL ends soon: bring the root's key and run tla-pki crl --arl",
			"until", end.Format(time.RFC3339), "error", err)
	}
	return soon
}
