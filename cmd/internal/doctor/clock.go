package doctor

import (
	"context"
	"os"
	"runtime/debug"
	"time"

	"tlagate/internal/stamp"
)

// Clock returns the check of the time: certificates and revocation lists are judged by it.
func (s System) Clock() Check {
	return Check{"clock", func(context.Context) Finding {
		const do = "set the clock (timedatectl), and keep it by NTP (apt install systemd-timesyncd)"
		now := time.Now()
		if built := buildTime(); now.Before(built) {
			return Fail(do, "it is %s here, before this program was built (%s)", stamp.Instant(now), stamp.Day(built))
		}
		synchronised, err := kernelClock()
		switch {
		case err != nil:
			return Cannot("", "it is %s here; whether NTP keeps it is not known: %v", stamp.Instant(now), err)
		case !synchronised:
			return Warn(do, "it is %s here, and nothing keeps it right (the kernel's clock is not synchronised)",
				stamp.Instant(now))
		}
		return Good("it is %s here, kept by NTP", stamp.Instant(now))
	}}
}

// buildTime returns the time of the sources, if the build recorded it; else that of the program's file, which a wrong
// clock may have stamped.
func buildTime() (at time.Time) {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				at, _ = time.Parse(time.RFC3339, s.Value)
			}
		}
	}
	if at.IsZero() {
		if self, err := os.Executable(); err == nil {
			if info, err := os.Stat(self); err == nil {
				at = info.ModTime()
			}
		}
	}
	return at
}
