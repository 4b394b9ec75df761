package store

import (
	"fmt"
	"strings"
)

// Reason is why a certificate is revoked: a CRLReason of RFC 5280, 5.3.1.
type Reason int

var reasonNames = map[Reason]string{
	0:  "unspecified",
	1:  "keyCompromise",
	2:  "cACompromise",
	3:  "affiliationChanged",
	4:  "superseded",
	5:  "cessationOfOperation",
	6:  "certificateHold",
	9:  "privilegeWithdrawn",
	10: "aACompromise",
}

// The reasons the CA itself looks at.
const (
	KeyCompromise Reason = 1
	CACompromise  Reason = 2
	Hold          Reason = 6 // the only one that can be released
)

// String returns RFC 5280's name, "" for a code that is no reason.
func (r Reason) String() string { return reasonNames[r] }

// ReasonNames lists the reasons, by their codes.
func ReasonNames() []string {
	var names []string
	for code := range Reason(11) {
		if name, ok := reasonNames[code]; ok {
			names = append(names, name)
		}
	}
	return names
}

// ParseReason reads RFC 5280's name of a reason. There is no removeFromCRL: that is for delta CRLs.
func ParseReason(name string) (Reason, error) {
	for code, known := range reasonNames {
		if strings.EqualFold(known, name) {
			return code, nil
		}
	}
	return 0, fmt.Errorf("%q is not a reason for revoking: want one of %s", name, strings.Join(ReasonNames(), ", "))
}
