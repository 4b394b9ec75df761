package crowd

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tlagate/integration/world"
)

// Footprint is what a gateway holds.
type Footprint struct {
	Live, Stacks, Resident int64 // octets: what its last collection found in use, with the stacks; these alone; all
	Goroutines, Files      int64
}

// Settled asks for a gateway's metrics, which makes garbage, until it has been collected twice.
func Settled(metrics string) (f Footprint, err error) {
	var end float64
	for deadline := time.Now().Add(world.Patience); time.Now().Before(deadline); {
		v, err := Scrape(metrics)
		if err != nil {
			return f, err
		}
		cycles := v["go_gc_duration_seconds_count"]
		if end == 0 {
			end = cycles + 3 // one may be under way
		}
		if cycles >= end {
			stacks := int64(v["go_memstats_stack_inuse_bytes"])
			return Footprint{int64(v["go_gc_heap_live_bytes"]) + stacks, stacks,
				int64(v["process_resident_memory_bytes"]), int64(v["go_goroutines"]), int64(v["process_open_fds"])}, nil
		}
	}
	return f, errors.New("cannot measure the gateway's memory: it collects no garbage")
}

// Scrape returns the metrics, without labels, that are served at an address.
func Scrape(metrics string) (map[string]float64, error) {
	resp, err := http.Get("http://" + metrics + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return values(resp.Body)
}

func values(text io.Reader) (map[string]float64, error) {
	found := map[string]float64{}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			found[name] = v
		}
	}
	return found, lines.Err()
}
