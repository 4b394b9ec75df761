// Package faults breaks TCP connections at an exact octet, as a mobile link does at a chance one: a [Proxy] between two
// programs cuts, resets, stalls or silently swallows, and meets new connections as a network would that is down or that
// cannot be reached, or drops long TLS hellos. [Plan] draws faults from a seed, so that a run can be repeated.
// [Resolver] answers names, or does not. [Inspector] opens TLS.
//
// world.Proxy delays and alters what passes; this one counts it.
package faults
