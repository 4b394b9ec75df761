package officers

import (
	"time"

	"tlagate/ca/store"
)

// What is asked for is JSON, as is what is answered; fields that a request does not need are left out. Times are RFC
// 3339.

// Issue asks for a certificate. One of the PKI's own (roles admin, pki, ocsp) waits for a second officer.
type Issue struct {
	Profile  string   `json:"profile"`
	Identity string   `json:"identity"`
	DNS      []string `json:"dns,omitempty"`
	CSR      string   `json:"csr"`            // PEM
	Days     int      `json:"days,omitempty"` // 0 = the profile's default
	Why      string   `json:"why,omitempty"`
}

// Issued is the answer: a certificate, or what waits for a second officer.
type Issued struct {
	store.Record
	Chain   string   `json:"chain,omitempty"` // PEM: the certificate, then the issuing CA's
	Notes   []string `json:"notes,omitempty"`
	Waiting *Waiting `json:"waiting,omitempty"`
}

// Guest is a device to invite.
type Guest struct {
	Identity string   `json:"identity"`
	DNS      []string `json:"dns,omitempty"`
}

// Invite asks for a code for each guest, or for none.
type Invite struct {
	Guests  []Guest `json:"guests"`
	Seconds int64   `json:"seconds,omitempty"` // how long the codes are good; 0 = a day
	Again   bool    `json:"again,omitempty"`
	OneCode bool    `json:"one_code,omitempty"`
	Why     string  `json:"why,omitempty"`
}

// Invited has the codes, in the order of the guests. They are secrets, and nowhere else.
type Invited struct {
	Codes     []string           `json:"codes"`
	Withdrawn []store.Invitation `json:"withdrawn,omitempty"` // of the same guests, whose codes are worthless now
}

// Withdraw makes the code of an invitation worthless.
type Withdraw struct {
	ID  int64  `json:"id"`
	Why string `json:"why,omitempty"`
}

// Replace revokes what a device has and invites another under its name.
type Replace struct {
	Guest
	Seconds int64  `json:"seconds,omitempty"`
	Reason  string `json:"reason"` // RFC 5280's name
	Why     string `json:"why,omitempty"`
}

// Revoke revokes certificates, or (as release, without Reason) makes those on hold good again. Exactly one of the first
// three is set.
type Revoke struct {
	Serial      string `json:"serial,omitempty"`
	Certificate string `json:"certificate,omitempty"` // PEM
	Identity    string `json:"identity,omitempty"`
	Reason      string `json:"reason,omitempty"` // RFC 5280's name
	Why         string `json:"why,omitempty"`
}

// Changed is what became of certificates, and the list that says so.
type Changed struct {
	Records  []store.Record `json:"records"`
	Code     string         `json:"code,omitempty"` // of replace
	List     *List          `json:"list,omitempty"` // nil = none is published
	Warnings []string       `json:"warnings,omitempty"`
}

// List is a published CRL.
type List struct {
	Number  int64     `json:"number"`
	Entries int       `json:"entries"`
	Until   time.Time `json:"until"`
}

// Decide approves or rejects what waits.
type Decide struct {
	ID  int64  `json:"id"`
	Why string `json:"why,omitempty"`
}

// Acknowledge says that an officer knows of what was done past them.
type Acknowledge struct {
	Why string `json:"why"`
}

// Whoami is who the server takes an officer for.
type Whoami struct {
	Identity string `json:"identity"`
	Roles    []Role `json:"roles"`
}

// Done is the answer to what needs no other.
type Done struct {
	Warnings []string `json:"warnings,omitempty"`
}

// Succeed asks for an issuing CA that the root has signed to come after this one. It waits for a second officer.
type Succeed struct {
	Certificate string `json:"certificate"` // PEM
	Why         string `json:"why,omitempty"`
}
