package listen

const (
	fewest = 1000  // places, whatever the limit of open files
	most   = 16384 // places: each takes some 30 KB of memory during a handshake
	others = 256   // open files that are not connections
)

// Places returns how many connections of strangers the process may have beside so many others, by its limit of open
// files.
func Places(beside int) int { return max(fewest, min(most, openFiles()-beside-others)) }
