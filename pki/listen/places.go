package listen

const (
	fewest = 1000  // places, whatever the limit says
	most   = 16384 // of them: each costs some 30 KB of memory during a handshake
	others = 256   // files that are no connections
)

// Places returns how many connections of strangers the process may hold beside so many others, by its limit of open
// files.
func Places(beside int) int { return max(fewest, min(most, openFiles()-beside-others)) }
