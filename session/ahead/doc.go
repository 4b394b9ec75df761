// Package ahead has the rules of read-ahead (docs/protocol.md, section 4.2): [Promiser] those of the TLA, [Desk] those
// of the PdT, each for one slot. They send nothing, lock nothing, have no clock, and execute nothing.
//
// Numbers of commands, and what is executed once, are not here but in the books of package session. Whatever these
// rules forget, a command that takes no promise is executed as if there were no read-ahead.
package ahead
