package audit

import (
	"os"
	"strconv"
)

// Account returns, as an attribute, the account that runs this program; behind sudo, the caller's too. Call it before
// the program becomes another account.
func Account() Attr {
	who := "uid " + strconv.Itoa(os.Getuid())
	if caller, err := strconv.Atoi(os.Getenv("SUDO_UID")); err == nil {
		who += ", sudo by uid " + strconv.Itoa(caller)
	}
	return User(who)
}
