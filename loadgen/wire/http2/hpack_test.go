package http2

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// collector returns a decoder, and where it puts what it reads.
func collector() (*decoder, *[]hpack.HeaderField) {
	var all []hpack.HeaderField
	d := &decoder{emit: func(name, value []byte) {
		all = append(all, hpack.HeaderField{Name: string(name), Value: string(value)})
	}}
	d.start()
	return d, &all
}

// TestDecoder reads what another implementation writes: blocks that fill the table, change its size, and have names and
// values of all lengths.
func TestDecoder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	d, got := collector()
	for round := range 2000 {
		block.Reset()
		*got = (*got)[:0]
		if r.IntN(20) == 0 {
			e.SetMaxDynamicTableSize(uint32(r.IntN(tableSize + 1)))
		}
		var want []hpack.HeaderField
		for range r.IntN(20) {
			f := hpack.HeaderField{
				Name:  fmt.Sprintf("x-%d", r.IntN(30)),
				Value: strings.Repeat(string(rune(r.IntN(256))), r.IntN(40)),
			}
			switch r.IntN(10) {
			case 0:
				f = hpack.HeaderField{Name: ":status", Value: "200"}
			case 1:
				f.Value = strings.Repeat("long ", r.IntN(2*tableSize/5))
			case 2:
				e.WriteField(hpack.HeaderField{Name: f.Name, Value: "secret", Sensitive: true})
				want = append(want, hpack.HeaderField{Name: f.Name, Value: "secret"})
			}
			e.WriteField(f)
			want = append(want, f)
		}
		if err := d.decode(block.Bytes()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if !slices.Equal(*got, want) {
			t.Fatalf("round %d: %q, want %q", round, *got, want)
		}
	}
}

// TestEncoder writes what another implementation reads, with tables that are smaller than all fields together and that
// the server makes smaller still.
func TestEncoder(t *testing.T) {
	var fields Fields
	var known []Field
	for i := range 100 {
		known = append(known, fields.Field(fmt.Sprintf("x-%d", i), strings.Repeat("v", i)))
	}
	known = append(known, fields.Field(":method", "GET"), fields.Field(":scheme", "https"),
		fields.Field("accept-encoding", ""), fields.Field("accept", "*/*"))
	if again := fields.Field("x-7", "vvvvvvv"); again != known[7] {
		t.Errorf("the same field is %d and %d", again, known[7])
	}
	name := NewName("user-agent")
	for _, sizes := range [][]uint32{nil, {0}, {100}, {8192}, {2000, 500, 3000}} {
		r := rand.New(rand.NewPCG(3, 4))
		var e Encoder
		e.start(&fields)
		d := hpack.NewDecoder(tableSize, nil)
		first := 0
		for round := range 500 {
			if round%100 == 50 && round/100 < len(sizes) {
				size := sizes[round/100]
				e.setLimit(size)
				d.SetAllowedMaxDynamicTableSize(min(size, tableSize))
			}
			block := e.Begin(nil)
			var want []hpack.HeaderField
			for range r.IntN(10) {
				f := known[r.IntN(len(known))]
				block = e.AppendField(block, f)
				want = append(want, hpack.HeaderField{Name: fields.known[f].name, Value: fields.known[f].value})
			}
			block = e.AppendValue(block, name, []byte(strings.Repeat("a", r.IntN(300))))
			block = e.AppendNamed(block, []byte("x-own"), []byte("v"))
			got, err := decodeAll(d, block)
			if err != nil {
				t.Fatalf("sizes %v, round %d: %v", sizes, round, err)
			}
			if n := len(got) - 2; n != len(want) || !slices.Equal(got[:n], want) || got[n].Name != "user-agent" ||
				got[n+1] != (hpack.HeaderField{Name: "x-own", Value: "v"}) {
				t.Fatalf("sizes %v, round %d: %v, want %v", sizes, round, got, want)
			}
			if round == 0 {
				first = e.inserted
			}
		}
		if first == 0 || e.size > e.limit {
			t.Errorf("sizes %v: the table has %d of %d bytes; %d fields at first", sizes, e.size, e.limit, first)
		}
	}
}

// decodeAll reads a block by the other implementation. (Its DecodeFull does not end with an error where the table size
// changes twice.)
func decodeAll(d *hpack.Decoder, block []byte) (all []hpack.HeaderField, err error) {
	d.SetEmitFunc(func(f hpack.HeaderField) {
		f.Sensitive = false
		all = append(all, f)
	})
	_, err = d.Write(block)
	return all, errors.Join(err, d.Close())
}

// FuzzDecoder holds the decoder against that of golang.org/x/net, two blocks in a row.
func FuzzDecoder(f *testing.F) {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	e.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	e.WriteField(hpack.HeaderField{Name: "x-custom", Value: "some value"})
	f.Add(block.Bytes(), []byte("\xbe"))
	f.Add([]byte("\x3f\xe1\x1f\x88"), []byte("\x20\x88"))
	f.Add([]byte("\x40\x01a\x01b\xbe\x7e\x00"), []byte("\x10\x01a\x01b\xbe"))
	f.Add([]byte("\x88\x00\x81\xff\x01a"), []byte("\xff\x80\x80\x80\x80\x80\x01"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		d, got := collector()
		other := hpack.NewDecoder(tableSize, nil)
		for _, block := range [][]byte{first, second} {
			*got = (*got)[:0]
			err := d.decode(block)
			want, otherErr := decodeAll(other, block)
			switch {
			case errors.Is(err, errNumber), errors.Is(err, errLateSize):
				return // we are stricter
			case otherErr != nil && strings.Contains(otherErr.Error(), "MUST occur"):
				return // it takes one change of the size, and RFC 7541 allows two (section 4.2)
			case (err == nil) != (otherErr == nil):
				t.Fatalf("%v; the other: %v", err, otherErr)
			case err != nil:
				return
			case !slices.Equal(*got, want):
				t.Fatalf("%q; the other: %q", *got, want)
			}
		}
	})
}

// BenchmarkDecoder reads a usual answer's block by ours and by golang.org/x/net's: with all fields in the table, and
// with a literal in Huffman code that goes into it, as nginx sends its fields.
func BenchmarkDecoder(b *testing.B) {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	fields := []hpack.HeaderField{
		{Name: ":status", Value: "200"},
		{Name: "content-type", Value: "application/json"},
		{Name: "content-length", Value: "1234"},
		{Name: "date", Value: "Sun, 29 Nov 2026 23:00:00 GMT"},
		{Name: "server", Value: "nginx"},
	}
	write := func() []byte {
		block.Reset()
		for _, f := range fields {
			e.WriteField(f)
		}
		return slices.Clone(block.Bytes())
	}
	literal, indexed := write(), write()
	for name, after := range map[string][]byte{"literal": literal, "indexed": indexed} {
		b.Run(name+"/ours", func(b *testing.B) {
			d := &decoder{emit: func(_, _ []byte) {}}
			d.start()
			if err := d.decode(literal); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := d.decode(after); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/x-net", func(b *testing.B) {
			d := hpack.NewDecoder(tableSize, func(hpack.HeaderField) {})
			if _, err := d.Write(literal); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Write(after); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
