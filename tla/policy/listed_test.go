package policy

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rich is a profile that has all read ahead that can be.
func rich(t *testing.T) *profile {
	p := new(profile)
	require.NoError(t, p.readAhead(Ahead{Responses: On, Files: []File{
		{File: "D001", Read: 16}, {File: "D002", Records: 3}, {File: "D003", Apps: []string{aidA}, Read: 256},
		{File: "D003", Apps: []string{aidB, "none"}, Read: 8}, {File: "3F00D004", Read: 16}}}))
	return p
}

// TestPredictorOfAProfile: what is expected next where the profile says more, as in TestPredictor.
func TestPredictorOfAProfile(t *testing.T) {
	const d1, d2 = "00A4000C02D001", "00A4000C02D002"
	for name, c := range map[string]struct {
		script []string
		next   string
	}{
		"what waits":               {[]string{"0088000001AA", "6110"}, "00C0000010"},
		"256 octets":               {[]string{"0088000001AA", "6100"}, "00C0000000"},
		"on another channel":       {[]string{"0188000001AA", "6110"}, ""},
		"of a proprietary command": {[]string{"8088000001AA", "6110"}, ""},
		"under secure messaging":   {[]string{"0C88000001AA", "6110"}, ""},
		"of an ENVELOPE":           {[]string{"00C2000001AA", "6110"}, ""},
		"what has waited":          {[]string{"0088000001AA", "6110", "00C0000010", full(16)}, ""},
		"what waits no longer":     {[]string{"0088000001AA", "6110", "0084000008", full(8)}, ""},
		"the rest": {[]string{"0088000001AA", "6110",
			"00C0000010", full(16)[:32] + "6104"}, "00C0000004"},
		"another length":               {[]string{"0088000001AA", "6110", "00C0000000", "6C10"}, ""},
		"the rest of what was fetched": {[]string{"0088000001AA", "6110", "+00C0000010", full(16)[:32] + "6104"}, ""},
		"after one that failed": {[]string{"0088000001AA", "6110", "+00C0000010", "6F00",
			"0088000001AA", "6110"}, ""},
		"a listed file":            {[]string{d1, "9000"}, "00B0000010"},
		"one by path":              {[]string{"00A4080C043F00D004", "9000"}, "00B0000010"},
		"not listed":               {[]string{"00A4000C02D009", "9000"}, ""},
		"not a file":               {[]string{"00A4040C02D001", "9000"}, ""},
		"the next of that name":    {[]string{"00A4000202D001", "9000"}, ""},
		"not selected":             {[]string{d1, "6A82"}, ""},
		"deactivated":              {[]string{d1, "6283"}, ""},
		"on channel 1":             {[]string{"01A4000C02D001", "9000"}, ""},
		"of an application":        {[]string{sel(aidA), "9000", "00A4000C02D003", "9000"}, "00B0000000"},
		"of another application":   {[]string{sel(aidB), "9000", "00A4000C02D003", "9000"}, "00B0000008"},
		"of none":                  {[]string{"00A4000C02D003", "9000"}, "00B0000008"},
		"of one that is not known": {[]string{"00A4030C00", "9000", "00A4000C02D003", "9000"}, ""},
		"too short a file":         {[]string{"00A4000002D001", "6F048002000F" + "9000"}, ""},
		"just long enough":         {[]string{"00A4000002D001", "6F0480020010" + "9000"}, "00B0000010"},
		"something else first":     {[]string{d1, "9000", "0084000008", full(8)}, ""},
		"read already":             {[]string{d1, "9000", "00B0000010", full(16)}, ""},
		"its response waits":       {[]string{"00A4000002D001", "6106"}, "00C0000006"},
		"its response was fetched": {[]string{"00A4000002D001", "6106",
			"00C0000006", "6F04800200209000"}, "00B0000010"},
		"it was fetched ahead": {[]string{"00A4000002D001", "6106",
			"+00C0000006", "6F04800200209000"}, "00B0000010"},
		"with another length first": {[]string{"00A4000002D001", "6106", "00C0000000", "6C06", "00C0000006",
			"6F04800200209000"}, "00B0000010"},
		"both read ahead": {[]string{d1, "9000", "+00B0000010", full(16)}, ""},
		"and part by part": {[]string{d1, "9000", "00B0000010", full(16),
			"00B0001010", full(16)}, "00B0002010"},
		"it may not be read": {[]string{d1, "9000", "+00B0000010", "6982", d2, "9000",
			"00B2010404", full(4)}, ""},
		"a record":                 {[]string{d2, "9000", "00B2010404", full(4)}, "00B2020404"},
		"a record ahead":           {[]string{d2, "9000", "00B2010404", full(4), "+00B2020404", full(4)}, "00B2030404"},
		"the last record":          {[]string{d2, "9000", "00B2030404", full(4)}, ""},
		"a record of another file": {[]string{d1, "9000", "00B2010404", full(4)}, ""},
		"a record by the pointer":  {[]string{d2, "9000", "00B2000204", full(4)}, ""},
		"the current record":       {[]string{d2, "9000", "00B2000404", full(4)}, ""},
		"records up to the last":   {[]string{d2, "9000", "00B2010504", full(4)}, ""},
		"a record by SFI":          {[]string{d2, "9000", "00B2011404", full(4)}, ""},
		"a record that failed":     {[]string{d2, "9000", "00B2010404", "6A83"}, ""},
		"after a failed record": {[]string{d2, "9000", "00B2010404", full(4), "+00B2020404", "6A83",
			d1, "9000"}, ""},
		"another command between": {[]string{d2, "9000", "00B2010404", full(4), "0084000008", full(8)}, ""},
		"a file by SFI":           {[]string{d2, "9000", "00B0810010", full(16), "00B2010404", full(4)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPredictor(rich(t), new(fetched))
			p.play(t, c.script)
			require.Equal(t, c.next, strings.ToUpper(hex.EncodeToString(expected(p))))
			off := newPredictor(&profile{}, new(fetched))
			off.play(t, c.script)
			if next := expected(off); next != nil {
				require.Equal(t, "and part by part", name, "off unless the profile says so: %X", next)
			}
		})
	}
}

// TestFilesOfAProfile: what can be listed, and what an author is told who lists it otherwise.
func TestFilesOfAProfile(t *testing.T) {
	for _, c := range []struct {
		ahead Ahead
		wrong string
	}{
		{Ahead{Responses: On, Files: []File{{File: "D001", Read: 256}, {File: "3f00D002", Records: 254}}}, ""},
		{Ahead{Files: []File{{File: "D001", Apps: []string{aidA}, Read: 1},
			{File: "D001", Apps: []string{aidB}, Read: 2}}}, ""},
		{Ahead{Responses: "always"}, `ahead: responses: "always" is none of on, off`},
		{Ahead{Reads: Off, Responses: On}, "reads: off is for nothing at all"},
		{Ahead{Reads: Off, Files: []File{{File: "D001", Read: 1}}}, "reads: off is for nothing at all"},
		{Ahead{Files: []File{{File: "D0", Read: 1}}}, `files[0] "D0": file: want an identifier`},
		{Ahead{Files: []File{{File: "X001", Read: 1}}}, "file: want an identifier"},
		{Ahead{Files: []File{{File: "D00102", Read: 1}}}, "file: want an identifier"},
		{Ahead{Files: []File{{File: "D001", Apps: []string{"D2"}, Read: 1}}}, "apps: "},
		{Ahead{Files: []File{{File: "D001", Apps: []string{}, Read: 1}}}, "apps: the list is empty"},
		{Ahead{Files: []File{{File: "D001"}}}, "want either read: 1 to 256 octets, or records: 1 to 254"},
		{Ahead{Files: []File{{File: "D001", Read: 1, Records: 1}}}, "want either"},
		{Ahead{Files: []File{{File: "D001", Read: 257}}}, "want either"},
		{Ahead{Files: []File{{File: "D001", Read: -1}}}, "want either"},
		{Ahead{Files: []File{{File: "D001", Records: 255}}}, "want either"},
		{Ahead{Files: []File{{File: "D001", Read: 1}, {File: "d001", Apps: []string{aidA}, Read: 2}}},
			`files[1] "d001": an entry before it has the same file`},
		{Ahead{Files: []File{{File: "D001", Apps: []string{aidA}, Read: 1},
			{File: "D001", Apps: []string{aidB, aidA}, Read: 2}}}, "an entry before it"},
		{Ahead{Files: make([]File, maxListed+1)}, "files: there are 65, want at most 64"},
	} {
		_, err := Compile(Table{Version: 1, Profiles: []Profile{{Name: "p", Cards: []string{"3B*"}, Ahead: c.ahead}}})
		if c.wrong == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, c.wrong)
	}
}
