package faults

import (
	"fmt"
	"time"

	"tlagate/integration/world"
)

// Direction of octets: from the side that dialled, or from the target.
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
	Stall                // nothing passes, either way, until it goes on
	HalfOpen             // nothing passes, either way, ever again, and neither end is told
	Deaf                 // as HalfOpen in the direction of the fault; the other way all is well
)

var kindNames = [...]string{"cut", "reset", "stall", "half-open", "deaf"}

func (k Kind) String() string { return kindNames[k] }

// Admission is how a Proxy meets new connections.
type Admission int

// The admissions.
const (
	Accept  Admission = iota
	Refuse            // nothing listens
	Swallow           // the connection is made, and never answered: a black hole
)

var admissionNames = [...]string{"accept", "refuse", "swallow"}

func (a Admission) String() string { return admissionNames[a] }

// Fault is what a Proxy is to do, and when.
type Fault struct {
	Kind  Kind
	Way   Direction     // whose octets are counted
	After int           // octets of Way that one connection still lets pass; 0 = at once, and to all that are open
	For   time.Duration // of a Stall; 0 = until Release
	Then  Admission     // how new connections are met from then on
}

func (f Fault) String() string {
	way := "to target"
	if f.Way == ToClient {
		way = "to client"
	}
	return fmt.Sprintf("%v after %d octets %s, then %v", f.Kind, f.After, way, f.Then)
}
