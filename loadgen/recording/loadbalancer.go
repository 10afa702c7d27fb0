package recording

import (
	"errors"
	"time"
)

var errNoBalancerLine = errors.New("the line is not of an access log of an AWS load balancer: type time name " +
	`client:port target:port times status status bytes bytes "GET http://host:80/path HTTP/1.1" "user agent"`)

// Places of what is read of a line of an Application Load Balancer. A Classic Load Balancer has no type, so that all
// comes one place earlier, and ends behind the user agent and what it says about TLS.
const (
	balancerStatus  = 8
	balancerRequest = 12
	balancerAgent   = 13
	balancerBegan   = 21 // when the request was received; the time at the beginning is that of the answer
)

// loadBalancerLine takes a line of an access log of an Application or Classic Load Balancer of AWS
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html,
// https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/access-log-collection.html).
func (b *builder) loadBalancerLine(line []byte) error {
	all := words(line)
	if len(all) > 0 {
		if _, err := time.Parse(time.RFC3339, all[0].text); err == nil {
			all = append([]word{{text: "http"}}, all...)
		}
	}
	if len(all) <= balancerRequest || !all[balancerRequest].quoted {
		return errNoBalancerLine
	}
	at, err := time.Parse(time.RFC3339, all[1].text)
	if err != nil {
		return errNoBalancerLine
	}
	var agent header
	if len(all) > balancerAgent && all[balancerAgent].quoted {
		agent = header{"User-Agent", all[balancerAgent].text}
	}
	if len(all) > balancerBegan {
		if began, err := time.Parse(time.RFC3339, all[balancerBegan].text); err == nil {
			at = began
		}
	}
	if kind := all[0].text; kind == "ws" || kind == "wss" || all[balancerStatus].text == switchingProtocols {
		b.skip(webSocket)
		return nil
	}
	return b.addLine(all[balancerRequest].text, request{at: at, headers: headersOfValues(agent)})
}
