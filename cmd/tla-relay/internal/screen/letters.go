package screen

import "strings"

// glyphs are the block letters of the states' words, capitals and the question mark, five rows high; a point is empty.
var glyphs = map[rune]string{
	'A': ".XX. X..X XXXX X..X X..X", 'B': "XXX. X..X XXX. X..X XXX.",
	'C': ".XXX X... X... X... .XXX", 'D': "XXX. X..X X..X X..X XXX.",
	'E': "XXXX X... XXX. X... XXXX", 'F': "XXXX X... XXX. X... X...",
	'G': ".XXX X... X.XX X..X .XXX", 'H': "X..X X..X XXXX X..X X..X",
	'I': "X X X X X", 'J': "...X ...X ...X X..X .XX.", 'K': "X..X X.X. XX.. X.X. X..X", 'L': "X... X... X... X... XXXX",
	'M': "X...X XX.XX X.X.X X...X X...X", 'N': "X..X XX.X X.XX X..X X..X",
	'O': ".XX. X..X X..X X..X .XX.", 'P': "XXX. X..X XXX. X... X...",
	'Q': ".XX. X..X X..X X.XX .XXX", 'R': "XXX. X..X XXX. X.X. X..X",
	'S': ".XXX X... .XX. ...X XXX.", 'T': "XXX .X. .X. .X. .X.",
	'U': "X..X X..X X..X X..X .XX.", 'V': "X...X X...X .X.X. .X.X. ..X..",
	'W': "X...X X...X X.X.X XX.XX X...X", 'X': "X..X X..X .XX. X..X X..X",
	'Y': "X.X X.X .X. .X. .X.", 'Z': "XXXX ...X .XX. X... XXXX", '?': "XX. ..X .X. ... .X.", ' ': ".. .. .. .. ..",
}

// accents are capitals with a row above them.
var accents = map[rune]struct {
	letter rune
	above  string
}{
	'É': {'E', "..X."}, 'Ê': {'E', ".XX."},
}

// dots returns a word as rows of points and X, with a first row for accents if there are any.
func dots(word string) []string {
	rows := make([]string, 6)
	for i, r := range []rune(word) {
		above := ""
		if a, ok := accents[r]; ok {
			r, above = a.letter, a.above
		}
		letter := strings.Fields(glyphs[r])
		for y := range rows {
			cell := above
			if y > 0 {
				cell = letter[y-1]
			}
			if i > 0 {
				rows[y] += "."
			}
			rows[y] += cell + strings.Repeat(".", len(letter[0])-len(cell))
		}
	}
	if strings.Trim(rows[0], ".") == "" {
		return rows[1:]
	}
	return rows
}

// bigLetters draws a word with two columns and one row for each dot.
func bigLetters(word string) (lines []string) {
	for _, row := range dots(word) {
		lines = append(lines, strings.NewReplacer("X", "██", ".", "  ").Replace(row))
	}
	return lines
}

// smallLetters draws a word with one column and half a row for each dot.
func smallLetters(word string) (lines []string) {
	rows := dots(word)
	if len(rows)%2 == 1 {
		rows = append(rows, strings.Repeat(".", len(rows[0])))
	}
	for y := 0; y < len(rows); y += 2 {
		line := ""
		for x := range rows[y] {
			line += halves[rows[y][x:x+1]+rows[y+1][x:x+1]]
		}
		lines = append(lines, line)
	}
	return lines
}

var halves = map[string]string{"XX": "█", "X.": "▀", ".X": "▄", "..": " "}
