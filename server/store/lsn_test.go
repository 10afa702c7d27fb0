package store_test

import (
	"testing"

	"github.com/policycortex/headroom/server/store"
)

func TestLSNIsThatOfPostgres(t *testing.T) {
	conn := connect(t, postgresURL(t))
	for _, lsn := range []store.LSN{0, 1, 0xffffffff, 0x1_00000000, 0x16_B374D848, 0xffffffff_ffffffff} {
		var text string
		if err := conn.QueryRow(t.Context(), "SELECT $1::text::pg_lsn::text", lsn.String()).Scan(&text); err != nil ||
			text != lsn.String() {
			t.Errorf("%d is %s, and %s to Postgres (error %v)", uint64(lsn), lsn, text, err)
		}
	}
}
