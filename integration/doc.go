// Package integration tests the whole system: real pcscd daemons, real virtual readers, simulated cards and our real
// programs. Everything runs in a [world].
//
// [world]: tlagate/integration/world
package integration
