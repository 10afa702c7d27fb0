package store

import "fmt"

// LSN is a log sequence number: a position in the primary's write-ahead log (pg_lsn). A write returns one after its
// commit. A read that is given it sees that write, whichever server answers. 0 requires nothing.
type LSN uint64

// OnPrimary is an LSN that no replica reaches: it sends a read to the primary.
const OnPrimary = ^LSN(0)

// String returns the form that Postgres uses.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) }
