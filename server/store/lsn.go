package store

import (
	"fmt"
	"strconv"
	"strings"
)

// LSN is a position in the primary's write-ahead log (the type pg_lsn). A write returns the position after its commit;
// a read that is given it sees that write, whichever server answers. 0 demands nothing.
type LSN uint64

// ParseLSN reads the form in which Postgres writes a pg_lsn, such as 16/B374D848.
func ParseLSN(s string) (LSN, error) {
	high, low, found := strings.Cut(s, "/")
	h, errHigh := strconv.ParseUint(high, 16, 32)
	l, errLow := strconv.ParseUint(low, 16, 32)
	if !found || errHigh != nil || errLow != nil {
		return 0, fmt.Errorf("%q is not a position of the write-ahead log: two hexadecimal numbers with a slash between them, such as 16/B374D848", s)
	}
	return LSN(h<<32 | l), nil
}

// String is the form of Postgres.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) }
