package record

// InstanceHeader is the header of an answer, in lower case, in which a balancer names the instance that gave it by its
// number, from 1.
const InstanceHeader = "x-instance"

// InstanceOf reads that header; 0 when it names none.
func InstanceOf[Text string | []byte](header Text) int {
	number := 0
	if len(header) > 3 {
		return 0
	}
	for i := range len(header) {
		if header[i] < '0' || header[i] > '9' {
			return 0
		}
		number = 10*number + int(header[i]-'0')
	}
	return number
}

// ByInstance reports whether the outcomes have to tell the instances apart.
func (c *Collector) ByInstance() bool { return c.instances > 0 }
