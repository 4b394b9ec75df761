// Bench compares three ways for an unmodified PC/SC program to reach a card: the
// local reader, pcscd's socket through stunnel, and tlagate. It prints a table in
// Markdown and asserts nothing. Run it with `go run ./integration/bench`; with -short it only shows that all of it works.
//
// All is measured in one run, in a world of its own: same simulated cards (which
// take no time of their own), same pcscd, same program. The three ways take turns
// every few exchanges, so that what else the machine does hits all of them alike;
// medians and 90th percentiles leave out the exchanges that waited for a reader's
// poll (one in 400 ms). The far network is a TCP proxy that holds every byte back:
// between TLA and gateway for tlagate, between the two ends of stunnel.
package main
