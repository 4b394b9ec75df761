package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"tlagate/cmd/internal/cli"
	"tlagate/pki"
	"tlagate/pki/push"
)

// pushSource is one line of push: a `tla-pki serve` that tells us of revocations, and our client certificate, if it is another
// than that of the section client.
type pushSource struct {
	URL    string       `yaml:"url"`
	Client cli.Identity `yaml:"client"`
}

// listeners are the streams of revocations we listen to.
type listeners struct {
	subscribers []*push.Subscriber
	keys        []*cli.Keys
}

// subscribe opens what each source needs; nothing is dialled yet.
func (c config) subscribe(trust *pki.Trust, log *slog.Logger) (*listeners, error) {
	l := &listeners{}
	for i, source := range c.Push {
		keys, err := cmp.Or(source.Client, c.Client).Open()
		if err != nil {
			return nil, fmt.Errorf("push[%d].client: %w", i, err)
		}
		s, err := push.New(push.Config{URL: source.URL, Party: &pki.Party{Trust: trust, Certificate: trust.Staple(keys.Certificate)}, Log: log})
		if err != nil {
			return nil, fmt.Errorf("push[%d].url: %w", i, err)
		}
		l.subscribers, l.keys = append(l.subscribers, s), append(l.keys, keys)
	}
	return l, nil
}

// run listens until ctx ends.
func (l *listeners) run(ctx context.Context) {
	var running sync.WaitGroup
	for _, s := range l.subscribers {
		running.Go(func() { _ = s.Run(ctx) })
	}
	running.Wait()
}

// pushed says whether every source tells us of revocations right now; nil = none is configured.
func (l *listeners) pushed() func() bool {
	if len(l.subscribers) == 0 {
		return nil
	}
	return func() bool {
		return !slices.ContainsFunc(l.subscribers, func(s *push.Subscriber) bool { return !s.State().Up })
	}
}
