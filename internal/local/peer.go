package local

// Peer is the process at the other end of a Unix socket, when it connected or began to listen.
type Peer struct {
	PID      int
	UID, GID uint32
}
