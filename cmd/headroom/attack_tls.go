package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// attackTLS are the flags of attack about TLS.
type attackTLS struct {
	insecure  bool
	cert, key string
	roots     []string
}

// config is what the flags ask for; nil for none.
func (t *attackTLS) config() (*tls.Config, error) {
	if t.key != "" && t.cert == "" {
		return nil, errors.New("--key goes with --cert")
	}
	if !t.insecure && t.cert == "" && len(t.roots) == 0 {
		return nil, nil
	}
	c := &tls.Config{InsecureSkipVerify: t.insecure} // the user asks for it
	if t.cert != "" {
		key := t.key
		if key == "" {
			key = t.cert
		}
		pair, err := tls.LoadX509KeyPair(t.cert, key)
		if err != nil {
			return nil, fmt.Errorf("--cert: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if len(t.roots) > 0 {
		c.RootCAs = x509.NewCertPool()
	}
	for _, file := range t.roots {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("--root-certs: %w", err)
		}
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--root-certs: %s has no certificate in PEM", file)
		}
	}
	return c, nil
}
