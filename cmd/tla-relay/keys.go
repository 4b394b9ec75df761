package main

import (
	"errors"
	"os"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/keycmd"
	"tlagate/cmd/internal/trail"
	"tlagate/keys"
	"tlagate/tla"
	ctl "tlagate/tla/control"
)

type keysCmd struct {
	place
	JSON bool `name:"json" help:"Print it as JSON."`
}

// Run lists what this terminal holds (G2).
func (c *keysCmd) Run(app *cli.App) error {
	return keycmd.List(app, c.Config, c.JSON, keyWords[tongueOf(os.Getenv)])
}

type eraseCmd struct {
	place
	Yes bool `help:"Do not ask."`
}

// Run destroys this terminal's identity (G2, EL3), when no relay runs that has it in memory.
func (c *eraseCmd) Run(app *cli.App) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	running := func() error {
		err := ctl.Ask(app.Context, string(cfg.Control.Socket), "status", new(tla.Answer))
		if errors.Is(err, ctl.ErrNoDaemon) {
			return nil
		}
		return errors.New("systemctl stop tla-relay")
	}
	if err := cfg.becomeOwner(c.Config); err != nil {
		return err
	}
	trace, err := trail.Open(app, "tla-relay erase", cfg.Audit)
	if err != nil {
		return err
	}
	return trace.Erasure(func(tell func(keys.Event)) error {
		return (&keycmd.Erase{Config: c.Config, Yes: c.Yes, Running: running, Words: keyWords[tongueOf(os.Getenv)], Event: tell}).Run(app)
	})
}

// keyWords are the texts of both commands.
var keyWords = map[tongue]keycmd.Words{
	english: keycmd.English,
	french: {
		Columns:      []string{"USAGE", "SUJET", "ALGORITHME", "EMPLACEMENT", "PROTECTION", "SÉRIE", "DU", "AU", "ÉTAT"},
		Confirm:      "Les clés de {name} vont être détruites définitivement. Saisissez son nom pour confirmer : ",
		NotConfirmed: "rien n'a été effacé : le nom saisi n'est pas {name}",
		Running:      "impossible d'effacer les clés d'un relais en service, il les garde en mémoire : arrêtez-le d'abord ({reason})",
		File:         "détruit : fichier de clé {where}, réécrit une fois puis supprimé",
		PlainFile:    "  Il n'était pas chiffré : une mémoire flash peut en garder l'ancien contenu. Seule la révocation met fin à son usage.",
		Token:        "détruit : clé {where}, dans le jeton",
		TPM:          "détruit : fichier {where} d'une clé du TPM. Une copie ne servirait que dans ce TPM, jusqu'à tpm2_clear.",
		Wrapping:     "détruit : clé d'enveloppe {where} : ce qui reste des fichiers de clé ne peut plus être lu sans elle",
		WrappingAbsent: "INTROUVABLE : clé d'enveloppe {where}. Détruisez à la main ce que nomme LoadCredentialEncrypted dans l'unité : " +
			"c'est cela qui compte.",
		Nothing: "rien à cet endroit : {where}",
		Revoke:  "Les certificats restent valables tant qu'ils ne sont pas révoqués. À l'autorité de certification, lancez maintenant :",
	},
}
