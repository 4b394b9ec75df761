package words

import "tlagate/cmd/internal/keycmd"

// KeyWords are the texts of the commands `keys` and `erase`.
var KeyWords = map[Tongue]keycmd.Words{
	English: keycmd.English,
	French: {
		Columns: []string{"USAGE", "SUJET", "ALGORITHME", "EMPLACEMENT", "PROTECTION", "SÉRIE", "DU", "AU",
			"ÉTAT"},
		Confirm:      "Les clés de {name} vont être détruites définitivement. Saisissez son nom pour confirmer : ",
		NotConfirmed: "rien n'a été effacé : le nom saisi n'est pas {name}",
		Running: "impossible d'effacer les clés d'un relais en service, il les garde en mémoire : arrêtez-le " +
			"d'abord ({reason})",
		File: "détruit : fichier de clé {where}, réécrit une fois puis supprimé",
		PlainFile: "  Il n'était pas chiffré : une mémoire flash peut en garder l'ancien contenu. Seule la " +
			"révocation met fin à son usage.",
		Token: "détruit : clé {where}, dans le jeton",
		TPM: "détruit : fichier {where} d'une clé du TPM. Une copie ne servirait que dans ce TPM, jusqu'à " +
			"tpm2_clear.",
		Wrapping: "détruit : clé d'enveloppe {where} : ce qui reste des fichiers de clé ne peut plus être lu " +
			"sans elle",
		WrappingAbsent: "INTROUVABLE : clé d'enveloppe {where}. Détruisez à la main ce que nomme " +
			"LoadCredentialEncrypted dans l'unité : " +
			"c'est cela qui compte.",
		Nothing: "rien à cet endroit : {where}",
		Revoke: "Les certificats restent valables tant qu'ils ne sont pas révoqués. À l'autorité de certification, " +
			"lancez maintenant :",
	},
}
