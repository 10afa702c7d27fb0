package store

import "fmt"

// LSN is a position in the primary's write-ahead log (the type pg_lsn). A write returns the position after its commit;
// a read that is given it sees that write, whichever server answers. 0 demands nothing.
type LSN uint64

// String is the form of Postgres.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) }
