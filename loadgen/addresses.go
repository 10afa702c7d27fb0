package loadgen

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"net/url"
	"time"
)

// lookupLimit bounds how long names are looked up for what only they can tell.
const lookupLimit = 2 * time.Second

// localAddresses are those of this machine at which services with these base URLs listen. What is not known is left
// out.
func localAddresses(ctx context.Context, urls []string) (all []netip.AddrPort) {
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	own := ownAddresses()
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			continue
		}
		port, err := net.DefaultResolver.LookupPort(ctx, "tcp", cmp.Or(u.Port(), u.Scheme))
		if err != nil {
			continue
		}
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
		if err != nil {
			continue
		}
		for _, ip := range ips {
			ip = ip.Unmap()
			if ip.IsLoopback() || own[ip] {
				all = append(all, netip.AddrPortFrom(ip, uint16(port)))
			}
		}
	}
	return all
}

func ownAddresses() map[netip.Addr]bool {
	own := map[netip.Addr]bool{}
	found, err := net.InterfaceAddrs()
	if err != nil {
		return nil // then only loopback is known to be here
	}
	for _, a := range found {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil {
			own[prefix.Addr().Unmap()] = true
		}
	}
	return own
}
