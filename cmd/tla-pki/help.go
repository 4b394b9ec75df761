package main

import (
	"strings"

	"github.com/alecthomas/kong"

	"tlagate/cmd/internal/cli"
)

// What issue and verify know.
const (
	profileNames = "tla,pdt-client,pdt-server,gateway-client,gateway-server,pki,ocsp,admin,bundle"
	purposeNames = "any,client,server,tla,pdt,pdt-client,pdt-server,gateway,gateway-client,gateway-server," +
		"pki,admin,bundle"
)

// names are variables of the help and of enumerations.
var names = kong.Vars{"log_level": "warn", "profiles": profileNames, "purposes": purposeNames + ","}

// help has the help texts that are too long to stand beside their field.
var help = cli.HelpTexts{
	"backup_new_key":   "Make a key for backups: FILE opens them (keep it offline), FILE.pub is for --recipient.",
	"backup_recipient": "Who can open it: an age recipient (age1…), or a file of them; repeat for more.",
	"backup_passphrase": "A passphrase opens it: asked for at the terminal, else the first line of standard " +
		"input.",
	"bundle_in": "What it says (YAML or JSON; docs/bundle.md). Anchors, ARLs and the policy may be named as " +
		"files: anchors: [{file: root.crt, practices: [...]}], arls: [{file: arl.pem}], policy: {file: " +
		"policy.yaml}.",
	"bundle_cert":    "Certificate of the profile bundle, its issuing CA behind it.",
	"bundle_wrap":    "What a key file is encrypted under: a file or credential:NAME.",
	"bundle_out":     "Where to write the bundle: a name ending in .p7m in the gateway's directory of bundles.",
	"bundle_version": "Version; default: one above the highest for any of these devices beside the new file.",
	"bundle_anchor":  "The root pinned at enrolment; repeat for more.",
	"bundle_crl":     "CRLs and ARLs; repeat for more. The bundle's own ARLs count too.",
	"init_dir":       "The CA's directory; must not exist, or be empty.",
	"init_admin": "Make a first officer's certificate, DIR/officers/NAME.crt: urn:tlagate:OPERATOR:admin:NAME= and " +
		"pkcs11:… (its key is made there) or a certificate request; give it twice or more.",
	"init_name":   "Name of the CA. Production trust stores refuse names that begin with TEST.",
	"init_url":    "Where DIR/public will be served; goes into every certificate. A TEST CA needs none.",
	"init_policy": "OID of your own arc, above the certificate policies. A TEST CA needs none.",
	"init_root_spec": "Where to make the root's key: pkcs11:…, tpm:FILE or a file in the CA's directory; default " +
		"root/root.key.",
	"init_issuing_spec": "Where to make the issuing CA's key; default issuing/issuing.key. A token's PIN is asked " +
		"for, unless its URI has pin-source.",
	"init_wrapping":   "Encrypt key files under the secret in FILE, or under systemd's credential:NAME.",
	"init_crlperiod":  "Time between two CRLs; they are valid two hours longer.",
	"inventory_files": "Configuration files, of any of the programs, whose keys are listed too.",
	"invite_dns":      "DNS name of a pdt or gateway, for its server certificate; repeat for more.",
	"invite_again": "Also when the device has a valid certificate already, and, with --csv, an open code, which " +
		"is withdrawn; to swap a device see replace.",
	"invite_csv": "Invite a fleet: a file with the columns role,practice,name,dns (names apart by spaces), in any " +
		"order, separated by comma, semicolon or tab. All or none are invited.",
	"invite_out": "With --csv: where the codes are written, as CSV, for you alone to read.",
	"invite_gateway": "The gateway through which the device enrols; for the command to run there, and the QR " +
		"code.",
	"issue_identity": "Its identity: urn:tlagate:<practice>:<role>:<name>.",
	"issue_csr":      "Certificate request of the device. Only its public key is used.",
	"issue_new_key":  "Make the key here (labs: a device's key should be made on the device).",
	"issue_out":      "Write PREFIX.crt (certificate and issuing CA) and, with --new-key, PREFIX.key.",
	"heads_reason":   "Why its trace begins anew, for the CA's trace.",
	"manifest_name":  "What it is of: of a package its name. Programs refuse another name in its place.",
	"manifest_number": "Number, above that of the last manifest of this name; default: the time, in seconds since " +
		"1970.",
	"manifest_root": "Where the files are, as an unpacked package; without PATHS, all files below it are listed.",
	"manifest_unit": "List everything that systemd may take of this unit, NAME.service: its file and all directories " +
		"of drop-ins, those that are not there included; repeat for more.",
	"manifest_except": "List this path as one whose content may change, such as a certificate that is renewed; " +
		"repeat for more.",
	"manifest_paths": "Files, and directories with exactly what is in them; a path that is not there must stay so.",
	"main_heads": "Print the signed heads of a gateway's audit trace, for tla-gateway audit verify --heads, or " +
		"forget them.",
	"main_medium": "Try a medium before a ceremony counts on it, and say what it cannot do; exit 1 when keys must " +
		"not be kept there.",
	"main_status": "Show the state of the PKI's own certificates, lists and clock; exit 1 when there is something " +
		"to do.",
	"main_succeed": "Make, in the root's ceremony, the CA that comes after this one: another issuing CA below the " +
		"same root, with lists of its own.",
	"succeed_spec": "Where to make its key; default issuing/issuing.key in its directory.",
	"office_as": "Act as an officer, through the running tla-pki serve: your file with pki, identity and trust " +
		"(docs/ca.md, section 6).",
	"office_break_glass": "Act on --dir although a server with officers runs: an emergency, which is recorded, and " +
		"raises an alarm.",
	"replace_reason": "Why the old one's certificates are revoked, as for revoke; default superseded. Say " +
		"keyCompromise if it was lost or stolen.",
	"replace_dns": "DNS names of the new one; default: those of the old one.",
	"restore_dir": "The new CA's directory; must not exist, or be empty.",
	"restore_passphrase": "A passphrase opens it: asked for at the terminal, else the first line of standard " +
		"input.",
	"restore_published": "The newest CRL and ARL that are published, as file or http URL; repeat for each, from " +
		"as many places as there are.",
	"restore_accept_loss": "Go on without them, or with stale ones: what was revoked since the backup may be good " +
		"again.",
	"restore_certs": "Files with certificates that this CA signed and its restored books do not know.",
	"restore_revoked": "Revoke a serial number that the books may not know, as a gateway's log has it; repeat for " +
		"more. Publish with tla-pki crl.",
	"revoke_reason": "Why: unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, " +
		"cessationOfOperation, certificateHold, privilegeWithdrawn or aACompromise. Only certificateHold can be " +
		"undone, by release.",
	"revoke_no_crl": "Do not publish the list now; until 'tla-pki crl' does, only subscribers of 'tla-pki serve' " +
		"know.",
	"revoke_right": "Trust the clock although it is far beyond the last list's end, or before its beginning: you " +
		"have compared it with another one. Codes of the future are withdrawn; certificates of the future are " +
		"listed.",
	"revoke_out": "Write it to FILE too: as PEM, or as DER when it ends in .der or .crl.",
	"verify_profile": "What is checked: rgs, as the programs do; persons, as they do with a professional's card, of " +
		"which nothing else is said than whether it passes; or rfc5280: path and revocation alone, of any PKI's chain.",
	"verify_identifier": "The attribute of the subject that has the national identifier, of the profile persons: CN, " +
		"serialNumber, UID …, or an OID.",
	"verify_purpose": "What it is for: " + strings.ReplaceAll(purposeNames, ",", ", ") +
		" (pdt: a PdT that parks; gateway: one that is dialled). The profile rfc5280 knows any (its default), " +
		"client and server.",
	"verify_anchor": "Trust anchors, PEM or DER; repeat for more.",
	"verify_crl": "CRLs and ARLs; repeat for more. Without one of each issuer, or an OCSP answer, nothing is " +
		"accepted.",
	"verify_ocsp":   "OCSP answers, DER, or PEM blocks OCSP RESPONSE; repeat for more.",
	"verify_policy": "A certificate policy that will do, and one must hold; repeat for more.",
}
