// Package world provides tests, demo and benchmarks with a world of their own: private user, mount, network and process
// namespaces in which real pcscd daemons with the vpcd driver run, and of which nothing is left when it ends, however
// it ends.
//
// Call [Enter] first thing in TestMain or main. Inside, TMPDIR is a private tmpfs, the loopback interface is the only
// one and ports never collide with the outside. Linux only.
package world
