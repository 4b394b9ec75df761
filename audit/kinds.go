package audit

// Kind names what happened.
type Kind string

// The kinds of events; what each means, and the annex code that asks for it, is in kinds below.
const (
	ProgramStart Kind = "program.start"
	ProgramStop  Kind = "program.stop"

	KeyLoaded   Kind = "key.loaded"
	KeyCreated  Kind = "key.created"
	KeyReplaced Kind = "key.replaced"
	KeyErased   Kind = "key.erased"
	KeyFailed   Kind = "key.failed"

	CertificateLoaded   Kind = "certificate.loaded"
	CertificateChanged  Kind = "certificate.changed"
	CertificateIssued   Kind = "certificate.issued"
	CertificateRevoked  Kind = "certificate.revoked"
	CertificateReleased Kind = "certificate.released"

	AnchorLoaded  Kind = "anchor.loaded"
	AnchorChanged Kind = "anchor.changed"

	BundleLoaded  Kind = "bundle.loaded"
	BundleChanged Kind = "bundle.changed"
	BundleRefused Kind = "bundle.refused"
	SealBroken    Kind = "seal.broken"

	EnrolmentBegun   Kind = "enrolment.begun"
	EnrolmentDone    Kind = "enrolment.done"
	EnrolmentRefused Kind = "enrolment.refused"
	RenewalDone      Kind = "renewal.done"
	RenewalFailed    Kind = "renewal.failed"
	EraseDone        Kind = "erase.done"

	AccessAccepted Kind = "access.accepted"
	AccessRefused  Kind = "access.refused"
	RequestRefused Kind = "request.refused"
	LinkCut        Kind = "link.cut"
	CloneSuspected Kind = "clone.suspected"

	ConsentAccepted Kind = "consent.accepted"

	HybridsOmitted Kind = "hybrids.omitted"

	SessionOpened  Kind = "session.opened"
	SessionResumed Kind = "session.resumed"
	SessionUp      Kind = "session.up"
	SessionEnded   Kind = "session.ended"
	SessionFailed  Kind = "session.failed"
	SessionChecked Kind = "session.checked"
	SessionRefused Kind = "session.refused"
	SessionSigned  Kind = "session.signed"

	OperatorAct   Kind = "operator.act"
	ConfigLoaded  Kind = "config.loaded"
	ConfigChanged Kind = "config.changed"
	ClockBack     Kind = "clock.back"

	SourceChanged    Kind = "source.changed"
	ResponderCounted Kind = "responder.counted"

	CACreated    Kind = "ca.created"
	CAClock      Kind = "ca.clock"
	ARLPublished Kind = "arl.published"

	HostBaseline        Kind = "host.baseline"
	HostKernelChanged   Kind = "host.kernel.changed"
	HostOSChanged       Kind = "host.os.changed"
	HostProgramChanged  Kind = "host.program.changed"
	HostPackagesAdded   Kind = "host.packages.added"
	HostPackagesRemoved Kind = "host.packages.removed"
	HostPackagesUpdated Kind = "host.packages.updated"
	HostPackagesUnknown Kind = "host.packages.unknown"
	HostImageChanged    Kind = "host.image.changed"

	IntegrityManifest Kind = "integrity.manifest"
	IntegrityCompared Kind = "integrity.compared"
	IntegrityDiffers  Kind = "integrity.differs"
	IntegrityRestored Kind = "integrity.restored"

	AuditRecovered Kind = "audit.recovered"
	AuditGap       Kind = "audit.gap"
	AuditRationed  Kind = "audit.rationed"
	AuditDropped   Kind = "audit.dropped"
	AuditPurged    Kind = "audit.purged"
	HeadLate       Kind = "head.late"
	HeadRefused    Kind = "head.refused"
)

// Meaning is a row of the table.
type Meaning struct {
	Kind     Kind
	Code     string // of the annex
	Sentence string
}

// kinds is the table; docs/audit.md has the same rows, and a test keeps them equal.
var kinds = []Meaning{
	{ProgramStart, "EL1", "A program of ours starts, in this version."},
	{ProgramStop, "EL1", "A program of ours ends in good order; a start without a stop before it was a crash or a " +
		"power cut."},

	{KeyLoaded, "EL1", "A private key is taken into use."},
	{KeyCreated, "EL1", "A private key is made on this machine."},
	{KeyReplaced, "EL1", "Another private key is taken into use in place of the one before."},
	{KeyErased, "EL1, EL3", "A private key is destroyed."},
	{KeyFailed, "G2", "A private key could not be read or used."},

	{CertificateLoaded, "EL1", "One of our certificates is taken into use."},
	{CertificateChanged, "EL1", "Another certificate is taken into use in place of the one before."},
	{CertificateIssued, "G2", "The CA certifies a key: recorded before it is signed, as in the CA's books."},
	{CertificateRevoked, "G2", "The CA revokes a certificate, for good or on hold."},
	{CertificateReleased, "G2", "The CA makes a certificate on hold good again."},

	{AnchorLoaded, "EL1", "A certificate is taken as trust anchor, or as CA below one."},
	{AnchorChanged, "EL1", "A trust anchor, or a CA below one, is added, removed, or vouches for other practices."},

	{BundleLoaded, "EL1, SP1", "The device's bundle is checked and taken into use."},
	{BundleChanged, "EL1, SP1", "A newer bundle is checked and taken into use in place of the one before."},
	{BundleRefused, "SP1", "A bundle is refused: altered, outdated, or signed by nobody we trust."},
	{SealBroken, "SP1", "A sealed file is altered, missing or outdated, so the program refuses to work."},

	{EnrolmentBegun, "EL1, G2", "An enrolment begins: a key is about to be certified for the first time."},
	{EnrolmentDone, "EL1, G2", "An enrolment is complete: key and certificate are in place."},
	{EnrolmentRefused, "EL1, G2", "An enrolment ended without a certificate."},
	{RenewalDone, "EL1, G2", "A certificate was renewed before its end."},
	{RenewalFailed, "G2", "A certificate could not be renewed; the one before stays in use."},
	{EraseDone, "EL3", "An identity is erased from this machine."},

	{AccessAccepted, "C2, SA2", "A peer proves who it is, and is let in."},
	{AccessRefused, "C2, SA2", "A peer is not let in: it does not prove who it is, or may not come."},
	{RequestRefused, "C1, SA2", "A request of a proven peer is refused."},
	{LinkCut, "C2, SA2", "A proven peer is cut: its certificate no longer passes."},
	{CloneSuspected, "C1, SA2", "Two programs seem to use one certificate."},

	{ConsentAccepted, "C4, SA2", "The consent of a terminal's user to a session is verified; the statement and this " +
		"certificate of the terminal prove it."},
	{HybridsOmitted, "C2, G5", "A gateway answers no hello with post-quantum groups: until then it is sent none."},
	{SessionOpened, "C4, SA2", "The gateway joins a terminal with a Poste de Travail: a session begins."},
	{SessionResumed, "SA2", "A session goes on over a further link."},
	{SessionUp, "C4, SA2", "A session is up, by this act of its user."},
	{SessionEnded, "SA2", "A session that was up is over, and why."},
	{SessionFailed, "SA2", "A start came to no session, and why."},
	{SessionChecked, "SA2", "The test before a visit was made; with a code, it found something."},
	{SessionRefused, "C1, SA2", "The card policy stopped three commands of a session, and its user is told."},
	{SessionSigned, "C2, SA2", "A program of the Poste de Travail used the key by which the terminal's user proves " +
		"who they are: the first time in a session, the second, the fourth …, and at its end."},

	{OperatorAct, "SP3, SA2", "An operator acts: recorded before it is done."},
	{ConfigLoaded, "EL1", "A configuration is taken into use."},
	{ConfigChanged, "EL1", "Another configuration is taken into use in place of the one before."},
	{ClockBack, "SA2", "The clock of the machine was set back."},

	{SourceChanged, "C2, EL1", "The OCSP responder answers from other data: another list, or another log of " +
		"revocations."},
	{ResponderCounted, "SA2", "How many answers the OCSP responder gave in the hour before."},

	{CACreated, "G2, EL1", "A CA is made: its root and its issuing key."},
	{CAClock, "G2", "An operator vouches for the CA's clock, which is far from the time of its last list."},
	{ARLPublished, "C2", "The root's list of revoked CAs is signed and published; CRLs, which come every day, are " +
		"not recorded."},

	{HostBaseline, "EL1", "Kernel, OS release, program and packages are recorded for the first time, or anew after " +
		"the record was lost."},
	{HostKernelChanged, "EL1", "The kernel is not that of the last comparison."},
	{HostOSChanged, "EL1", "The OS release is not that of the last comparison."},
	{HostProgramChanged, "EL1", "Our own program file is not that of the last comparison."},
	{HostPackagesAdded, "EL1", "Packages are installed that were not at the last comparison."},
	{HostPackagesRemoved, "EL1", "Packages of the last comparison are no longer installed."},
	{HostPackagesUpdated, "EL1", "Packages have another version than at the last comparison."},
	{HostPackagesUnknown, "EL1", "The installed packages cannot be read here, so their changes are not seen."},
	{HostImageChanged, "EL1", "The image of the system is not that of the last comparison: its build, or the root " +
		"hash by which dm-verity verifies it."},

	{IntegrityManifest, "DL3, EL1", "A signed manifest is taken: the machine is compared with this one from now on."},
	{IntegrityCompared, "DL3, EL1", "A program starts, and the machine was compared with its manifests: how many " +
		"lines, and whether something differs."},
	{IntegrityDiffers, "DL3, EL1", "A program, unit, drop-in, configuration or other file is not as its manifest " +
		"says, or the manifest itself cannot be used: recorded once."},
	{IntegrityRestored, "DL3, EL1", "What differed is again as the manifests say, or is no longer listed."},

	{AuditRecovered, "EL1, SA2", "The trace did not end as its head says: what was half written is set aside, and " +
		"the chain goes on from the head."},
	{AuditGap, "SA2", "Events are missing here: the trace could not be written, for instance on a full disk."},
	{AuditRationed, "SA2", "Further events of the same kind about strangers of one network, or by one peer that " +
		"repeats itself, are counted, not recorded."},
	{AuditDropped, "SA2", "Lines that a device sent are dropped: too many, or not of the table."},
	{AuditPurged, "SA2", "The oldest lines are removed, up to this one: they were kept for as long as they must be. " +
		"The line is signed, and the chain may begin after them."},
	{HeadLate, "SA2, G7", "No head of this trace, or in the CA's of that gateway's, reached the PKI in time: " +
		"meanwhile it could be rewritten unseen."},
	{HeadRefused, "SA2, G7", "The PKI knows another line of that number, or a later one: somebody rewrote this " +
		"trace, or in the CA's that gateway's, or went back in it."},
}

// Kinds returns the table.
func Kinds() []Meaning { return append([]Meaning(nil), kinds...) }

// essentials are the kinds that may use the room that is kept for them when there is no other: what ends or takes away,
// and what an operator does.
var essentials = map[Kind]bool{ProgramStop: true, KeyErased: true, EraseDone: true, CertificateRevoked: true,
	LinkCut: true, SessionResumed: true, SessionEnded: true, OperatorAct: true, ClockBack: true,
	AuditRecovered: true, AuditGap: true, AuditRationed: true, AuditDropped: true, AuditPurged: true,
	HeadLate: true, HeadRefused: true, IntegrityDiffers: true}

func (k Kind) essential() bool { return essentials[k] }

func (k Kind) known() bool {
	for _, m := range kinds {
		if m.Kind == k {
			return true
		}
	}
	return false
}
