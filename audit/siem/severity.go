package siem

import "tlagate/audit"

// Severities (RFC 5424 section 6.2.1).
const (
	critical = 2
	failure  = 3
	warning  = 4
	notice   = 5
	info     = 6
)

// severities has the kinds that are more, or less, than normal but significant (notice).
var severities = map[audit.Kind]int{
	audit.SealBroken: critical, audit.HeadRefused: critical, audit.IntegrityDiffers: critical,

	audit.KeyFailed: failure, audit.RenewalFailed: failure, audit.BundleRefused: failure, audit.AuditGap: failure,
	audit.HeadLate: failure, audit.CloneSuspected: failure,

	audit.CertificateRevoked: warning, audit.EnrolmentRefused: warning, audit.AccessRefused: warning,
	audit.RequestRefused: warning, audit.LinkCut: warning, audit.SessionFailed: warning, audit.SessionRefused: warning,
	audit.ClockBack: warning, audit.HostPackagesUnknown: warning, audit.AuditRecovered: warning,
	audit.AuditRationed: warning, audit.AuditDropped: warning,

	audit.AccessAccepted: info, audit.ConsentAccepted: info, audit.HybridsOmitted: info, audit.SessionOpened: info,
	audit.SessionResumed: info, audit.SessionUp: info, audit.SessionEnded: info, audit.SessionChecked: info,
	audit.ResponderCounted: info,
}

func severityOf(kind audit.Kind) int {
	if s, ok := severities[kind]; ok {
		return s
	}
	return notice
}
