package home

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tlagate/audit"
	"tlagate/internal/files"
	"tlagate/internal/retry"
)

// known is the file of a receiver: the last line of each device, as the trace has it up to the line Through. It saves
// reading the whole trace at a start, and can be thrown away.
type known struct {
	Through uint64                `json:"through"`
	Last    map[string]audit.Said `json:"last"`
}

const maxKnown = 16 << 20 // octets of the file

// load reads the file, and then what the trace has since.
func (r *Receiver) load() error {
	var k known
	_, err := files.Load(r.file, maxKnown, func(data []byte) error { return files.DecodeJSON(data, &k) })
	if _, ok := errors.AsType[*files.Damaged](err); ok {
		k, err = known{}, nil
	}
	if err != nil {
		return fmt.Errorf("cannot read which lines of devices the trace has: %w", err)
	}
	for device, said := range k.Last {
		r.knew(device, said)
	}
	lines := audit.Follow(r.log.File(), audit.Place{Seq: k.Through})
	defer lines.Close()
	for line, err := range lines.Rest() {
		if err != nil {
			return fmt.Errorf("cannot read which lines of devices the trace has: %w", err)
		}
		if said := line.Entry.Said; said != nil {
			r.knew(line.Entry.By, *said)
			r.changed = true
		}
	}
	return nil
}

func (r *Receiver) knew(device string, last audit.Said) {
	if o := r.origin(device); o != nil {
		o.last = last
	}
}

// saveEvery is how often a receiver saves what it knows.
const saveEvery = time.Minute

// Run saves what the receiver knows, now and then and at the end of ctx.
func (r *Receiver) Run(ctx context.Context) {
	for r != nil {
		more := retry.Sleep(ctx, saveEvery)
		if err := r.save(); err != nil {
			r.warn.Warn("it is not saved which lines of devices the trace has: the next start reads more of it",
				"error", err)
		}
		if !more {
			return
		}
	}
}

// save writes the file. What is written to the trace meanwhile is read at the next start.
func (r *Receiver) save() error {
	through, err := audit.Last(r.log.File())
	if err != nil {
		return err
	}
	k := r.snapshot()
	if k == nil {
		return nil
	}
	k.Through = through
	data, err := json.Marshal(k)
	if err == nil {
		err = files.Replace(r.file, data, 0o600)
	}
	if err != nil {
		r.mu.Lock()
		r.changed = true
		r.mu.Unlock()
	}
	return err
}

// snapshot returns what is to be saved; nil = nothing has changed.
func (r *Receiver) snapshot() *known {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.changed {
		return nil
	}
	r.changed = false
	k := &known{Last: map[string]audit.Said{}}
	for device, o := range r.origins {
		if o.last.Seq > 0 {
			k.Last[device] = o.last
		}
	}
	return k
}
