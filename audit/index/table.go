package index

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"slices"
	"sort"

	"tlagate/audit"
)

// The form of an index file, numbers in network order: a header (magic, key, first and last time, number of rows,
// length and CRC-32C of the body, CRC-32C of the header so far), then the body: rows, sorted by hash, and the postings.
// A row is the first 8 octets of SHA-256 of a token, and where its postings end, which begin where those of the row
// before end; postings are offsets of lines, each as uvarint of its distance from the one before.
const (
	magic        = "tlagate index 2\n"
	headerLength = len(magic) + sha256.Size + 8 + 8 + 4 + 4 + 4 + 4
	rowLength    = 8 + 4
)

// maxBody is the longest body, in octets.
const maxBody = 1 << 30

var (
	errForm  = errors.New("it is no index")
	errStale = errors.New("it is the index of another file")
	castagno = crc32.MakeTable(crc32.Castagnoli)
)

// key says which file an index is of: SHA-256 of its size and of its first and last line.
type key [sha256.Size]byte

// header is what is read of an index when no line of its file is in the time that is wanted.
type header struct {
	key      key
	from, to int64 // of the lines, ms since 1970; from > to = none can be read
	rows     uint32
	length   uint32 // of the body
	sum      uint32
}

func (h header) encode() []byte {
	out := append([]byte(magic), h.key[:]...)
	out = binary.BigEndian.AppendUint64(out, uint64(h.from))
	out = binary.BigEndian.AppendUint64(out, uint64(h.to))
	for _, n := range []uint32{h.rows, h.length, h.sum} {
		out = binary.BigEndian.AppendUint32(out, n)
	}
	return binary.BigEndian.AppendUint32(out, crc32.Checksum(out, castagno))
}

func parseHeader(raw []byte) (h header, err error) {
	if len(raw) != headerLength || !bytes.HasPrefix(raw, []byte(magic)) {
		return h, errForm
	}
	rest := raw[len(magic):]
	copy(h.key[:], rest)
	rest = rest[len(h.key):]
	h.from, h.to = int64(binary.BigEndian.Uint64(rest)), int64(binary.BigEndian.Uint64(rest[8:]))
	h.rows, h.length, h.sum = binary.BigEndian.Uint32(rest[16:]), binary.BigEndian.Uint32(rest[20:]),
		binary.BigEndian.Uint32(rest[24:])
	if !bytes.Equal(h.encode(), raw) || h.length > maxBody || uint64(h.rows)*rowLength > uint64(h.length) {
		return header{}, errForm
	}
	return h, nil
}

// meets reports whether a line of the file may be in the time that is wanted, or none can be read.
func (h header) meets(q Query) bool {
	since, until := int64(math.MinInt64), int64(math.MaxInt64)
	if !q.Since.IsZero() {
		since = q.Since.UnixMilli()
	}
	if !q.Until.IsZero() {
		until = q.Until.UnixMilli()
	}
	return h.from > h.to || h.from <= until && h.to >= since
}

// table is a whole index.
type table struct {
	header
	body []byte
}

func parseTable(h header, body []byte) (*table, error) {
	if uint32(len(body)) != h.length || crc32.Checksum(body, castagno) != h.sum {
		return nil, errForm
	}
	return &table{h, body}, nil
}

func (t *table) hash(row int) uint64 { return binary.BigEndian.Uint64(t.body[row*rowLength:]) }

// postings returns where the postings of a row are.
func (t *table) postings(row int) ([]byte, error) {
	end := func(row int) uint32 { return binary.BigEndian.Uint32(t.body[row*rowLength+8:]) }
	var start uint32
	if row > 0 {
		start = end(row - 1)
	}
	all := t.body[int(t.rows)*rowLength:]
	if stop := end(row); start <= stop && stop <= uint32(len(all)) {
		return all[start:stop], nil
	}
	return nil, errForm
}

// lookUp appends the offsets of the lines that may have a token.
func (t *table) lookUp(offsets []int64, token string) ([]int64, error) {
	wanted := hashOf(token)
	rows := int(t.rows)
	for row := sort.Search(rows, func(i int) bool { return t.hash(i) >= wanted }); row < rows; row++ {
		if t.hash(row) != wanted {
			break
		}
		raw, err := t.postings(row)
		if err == nil {
			offsets, err = decode(offsets, raw)
		}
		if err != nil {
			return nil, err
		}
	}
	return offsets, nil
}

func hashOf(token string) uint64 {
	sum := sha256.Sum256([]byte(token))
	return binary.BigEndian.Uint64(sum[:])
}

func decode(offsets []int64, raw []byte) ([]int64, error) {
	last := uint64(0)
	for len(raw) > 0 {
		gap, n := binary.Uvarint(raw)
		if n <= 0 || gap > math.MaxInt64-last {
			return nil, errForm
		}
		last += gap
		offsets, raw = append(offsets, int64(last)), raw[n:]
	}
	return offsets, nil
}

// hits returns the offsets of the lines that may be wanted, in order, and of those that cannot be read. all reports
// that the query excludes none but by time.
func (t *table) hits(q Query) (offsets []int64, all bool, err error) {
	groups := q.groups()
	for i, group := range groups {
		var some []int64
		for _, token := range group {
			if some, err = t.lookUp(some, token); err != nil {
				return nil, false, err
			}
		}
		if some = inOrder(some); i > 0 {
			some = slices.DeleteFunc(some, func(o int64) bool { _, in := slices.BinarySearch(offsets, o); return !in })
		}
		offsets = some
	}
	offsets, err = t.lookUp(offsets, unreadable)
	return inOrder(offsets), len(groups) == 0, err
}

func inOrder(offsets []int64) []int64 {
	slices.Sort(offsets)
	return slices.Compact(offsets)
}

// unreadable is the token of the lines that cannot be read: no search leaves them out.
const unreadable = "?"

// builder makes a table, line by line.
type builder struct {
	header
	offsets map[string][]int64
}

func newBuilder(k key) *builder {
	return &builder{header{key: k, from: math.MaxInt64, to: math.MinInt64}, map[string][]int64{}}
}

func (b *builder) add(l audit.Line) {
	all := []string{unreadable}
	if l.Err == nil {
		at := l.Entry.Time().UnixMilli()
		b.from, b.to = min(b.from, at), max(b.to, at)
		all = tokens(l.Entry)
	}
	for _, token := range all {
		if known := b.offsets[token]; len(known) == 0 || known[len(known)-1] != l.Offset {
			b.offsets[token] = append(known, l.Offset)
		}
	}
}

// row is what a builder knows of a token.
type row struct {
	hash    uint64
	offsets []int64
}

// table returns what was added; an error when that is too much.
func (b *builder) table() (*table, error) {
	var rows []row
	for token, offsets := range b.offsets {
		rows = append(rows, row{hashOf(token), offsets})
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.hash, b.hash) })
	var list, postings []byte
	for _, r := range rows {
		postings = appendOffsets(postings, r.offsets)
		list = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(list, r.hash), uint32(len(postings)))
	}
	if len(list)+len(postings) > maxBody {
		return nil, errors.New("it would be too long")
	}
	t := &table{b.header, append(list, postings...)}
	t.rows, t.length, t.sum = uint32(len(rows)), uint32(len(t.body)), crc32.Checksum(t.body, castagno)
	return t, nil
}

func appendOffsets(out []byte, offsets []int64) []byte {
	last := int64(0)
	for _, o := range offsets {
		out, last = binary.AppendUvarint(out, uint64(o-last)), o
	}
	return out
}
