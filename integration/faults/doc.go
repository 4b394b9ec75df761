// Package faults breaks TCP connections at an exact octet, as a mobile link does at a random one. A [Proxy] between two
// programs cuts, resets, stalls or silently swallows connections, refuses new ones as a network does that is down, and
// drops those with long TLS hellos. A [Plan] draws faults from a seed, so that a run can be repeated. A [Resolver]
// answers names, or does not. An [Inspector] opens TLS.
//
// A world.Proxy delays and alters what passes; a Proxy of this package counts it.
package faults
