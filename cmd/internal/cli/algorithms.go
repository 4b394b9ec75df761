package cli

import "tlagate/internal/algorithms"

// AlgorithmsCmd is the command `algorithms` of every program (G5). Each passes it what its own packages list.
type AlgorithmsCmd struct {
	JSON     bool                `name:"json" help:"Print it as JSON."`
	Language algorithms.Language `name:"language" enum:"en,fr" default:"en" help:"en or fr."`
}

// Print writes the list.
func (c AlgorithmsCmd) Print(app *App, parts ...[]algorithms.Use) error {
	list := algorithms.Gather(parts...)
	if !c.JSON {
		return list.Print(app.Stdout, c.Language)
	}
	text, err := list.JSON()
	if err == nil {
		_, err = app.Stdout.Write(append(text, '\n'))
	}
	return err
}
