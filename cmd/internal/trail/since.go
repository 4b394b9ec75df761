package trail

import "time"

// Since reads the option --since of a command: a day, a time, or how long ago; "" = the zero time.
func Since(text string) (time.Time, error) { return parseTime("--since", text, time.Now()) }
