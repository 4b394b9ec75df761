package lab

// makePKI makes the device CA and one certificate for each use.
func (l *Lab) makePKI() error {
	if _, err := l.PKI("init", "--name", "tlagate lab", "--url", "http://pki.lab.example", "--policy",
		"1.3.6.1.4.1.32473.1"); err != nil {
		return err
	}
	for _, c := range []struct {
		keys               *Keys
		name, profile, who string
		dns                []string
	}{
		{&l.GatewayKeys, "gateway-server", "gateway-server", Gateway, []string{"localhost", GatewayName}},
		{&l.ClientKeys, "pdt-client", "pdt-client", PdT, nil},
		{&l.ServerKeys, "pdt-server", "pdt-server", PdT, []string{"bureau.cabinet-demo.invalid"}},
		{&l.TLAKeys, "tla", "tla", TLA, nil},
	} {
		keys, err := l.Issue(c.name, c.profile, c.who, c.dns...)
		if err != nil {
			return err
		}
		*c.keys = keys
	}
	return nil
}

// trust returns what every program of a lab trusts.
func (l *Lab) trust() Trust {
	public := func(name string) string { return l.Path("pki/public/" + name) }
	return Trust{Anchor: public("root.crt"), CRLs: []string{public("crl.pem"), public("arl.pem")}}
}

// PKI runs tla-pki on the lab's CA.
func (l *Lab) PKI(command string, args ...string) (string, error) {
	return l.Run("tla-pki", append([]string{command, "--dir", l.Path("pki")}, args...)...)
}

// Issue makes a key and a certificate for an identity, in the files name.key and name.crt.
func (l *Lab) Issue(name, profile, identity string, dns ...string) (Keys, error) {
	args := []string{"--profile", profile, "--identity", identity, "--new-key", "--out", l.Path(name)}
	for _, d := range dns {
		args = append(args, "--dns", d)
	}
	_, err := l.PKI("issue", args...)
	return Keys{l.Path(name + ".crt"), l.Path(name + ".key")}, err
}

// Revoke revokes the certificates of an identity and publishes the CRL.
func (l *Lab) Revoke(identity string) error {
	_, err := l.PKI("revoke", "--identity", identity, "--reason", "keyCompromise")
	return err
}
