package keys

import "runtime"

// wipe overwrites secrets that are no longer needed (EL3).
func wipe(secrets ...[]byte) {
	for _, s := range secrets {
		clear(s[:cap(s)])
		runtime.KeepAlive(&s)
	}
}
