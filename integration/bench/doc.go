// Bench compares three ways for an unmodified PC/SC program to reach a card: the local reader (a), pcscd's socket
// through stunnel (b), and tlagate (c). It prints a table in Markdown and asserts nothing. Run it with `go run
// ./integration/bench`; with -short it only shows that all of it works, and with -apdu it measures the first line alone.
//
// All is measured in one run, in a world of its own, with the same simulated cards (which take no time of their own),
// the same pcscd and the same program. The three ways take turns every few exchanges, so that whatever else the machine
// does hits all of them alike; medians and 90th percentiles leave out the exchanges that waited for a reader's poll
// (one in 400 ms). The far network is a TCP proxy that delays every byte: between TLA and gateway for tlagate, and
// between the two ends of stunnel.
package main
