package faults

import (
	"fmt"
	"time"

	"tlagate/integration/world"
)

// Direction is that of octets: from the side that dialled, or from the target.
type Direction = world.Direction

// The directions.
const (
	ToTarget = world.ToTarget
	ToClient = world.ToClient
)

// Kind is what happens to a connection.
type Kind int

// The kinds of fault.
const (
	Cut      Kind = iota // both ends see the end of the stream (FIN)
	Reset                // both ends see the connection reset (RST)
	Stall                // nothing passes in either direction until Release, or the time of the fault is over
	HalfOpen             // nothing passes in either direction ever again, and neither end is told
	Deaf                 // HalfOpen in the fault's direction alone; the other one works
)

var kindNames = [...]string{"cut", "reset", "stall", "half-open", "deaf"}

func (k Kind) String() string { return kindNames[k] }

// Admission is how a Proxy treats new connections.
type Admission int

// The admissions.
const (
	Accept  Admission = iota
	Refuse            // nothing listens
	Swallow           // a connection is accepted and never answered: a black hole
)

var admissionNames = [...]string{"accept", "refuse", "swallow"}

func (a Admission) String() string { return admissionNames[a] }

// Fault is what a Proxy is to do, and when.
type Fault struct {
	Kind  Kind
	Way   Direction     // in which octets are counted
	After int           // octets that one connection still passes; 0 = none, and all open connections are struck
	For   time.Duration // of a Stall; 0 = until Release
	Then  Admission     // how new connections are treated from then on
}

func (f Fault) String() string {
	way := "to target"
	if f.Way == ToClient {
		way = "to client"
	}
	return fmt.Sprintf("%v after %d octets %s, then %v", f.Kind, f.After, way, f.Then)
}
