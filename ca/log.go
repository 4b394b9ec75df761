package ca

import cflog "github.com/cloudflare/cfssl/log"

// cfssl writes to stderr on its own. What it has to say comes back as errors too,
// and its debug level names key material we want nowhere.
func init() {
	cflog.Level = cflog.LevelFatal
	cflog.SetLogger(silence{})
}

type silence struct{}

func (silence) Debug(string)   {}
func (silence) Info(string)    {}
func (silence) Warning(string) {}
func (silence) Err(string)     {}
func (silence) Crit(string)    {}
func (silence) Emerg(string)   {}
