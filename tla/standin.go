package tla

import "time"

// What follows stands in for the code of other branches until they are merged: attention (Ask, Warning, CodeAbsent, CodeNoSession) and
// resume (StateReconnecting). Delete this file then.

// Ask says that the session ends unless its user acts: the user is asked whether somebody is still there (SA4).
type Ask struct {
	Until time.Time `json:"until"`
}

// Warning says that the session is about to end, and what its end will be called.
type Warning struct {
	Code Code      `json:"code"` // CodeTimeOver, CodeInactive, CodeAbsent or CodeExpired
	At   time.Time `json:"at"`
}

const (
	CodeAbsent        Code  = "absent"       // nobody at the terminal said to be still there (SA4)
	CodeNoSession     Code  = "no_session"   // answers a stay without a session that is up
	StateReconnecting State = "reconnecting" // the link is lost, and sought again
)
