// Package state has what a gateway knows beyond a restart: whom its operators deny (SP3, C1), and who was seen when
// (SA1). Each is a file that this process alone writes.
package state
