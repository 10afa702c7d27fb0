package store_test

import (
	"testing"

	"github.com/policycortex/headroom/server/store"
)

func TestLSNIsThatOfPostgres(t *testing.T) {
	conn := connect(t, postgresURL(t))
	for _, lsn := range []store.LSN{0, 1, 0xffffffff, 0x1_00000000, 0x16_B374D848, 0xffffffff_ffffffff} {
		var text string
		if err := conn.QueryRow(t.Context(), "SELECT $1::text::pg_lsn::text", lsn.String()).Scan(&text); err != nil || text != lsn.String() {
			t.Errorf("%d is %s, and %s to Postgres (error %v)", uint64(lsn), lsn, text, err)
		}
		if back, err := store.ParseLSN(text); err != nil || back != lsn {
			t.Errorf("%s is read as %d (error %v), want %d", text, uint64(back), err, uint64(lsn))
		}
	}
}

func FuzzParseLSN(f *testing.F) {
	for _, seed := range []string{"16/B374D848", "0/0", "/", "1/", "-1/2", "1/100000000", "1/2/3", "+1/2", "0x1/2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lsn, err := store.ParseLSN(s)
		if err != nil {
			return
		}
		if back, err := store.ParseLSN(lsn.String()); err != nil || back != lsn {
			t.Errorf("%q is %s, which is read as %s (error %v)", s, lsn, back, err)
		}
	})
}
