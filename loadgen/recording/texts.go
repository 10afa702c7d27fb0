package recording

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"math"
)

// texts holds each text once, one behind the other with its length before it. A text is known by its place there; place
// 0 is the empty one.
type texts struct {
	bytes []byte
	slots []uint32 // a hash table of places, 0 is free; needed only while texts are added
	count int
	seed  maphash.Seed
}

func newTexts() texts {
	return texts{bytes: []byte{0}, slots: make([]uint32, 1024), seed: maphash.MakeSeed()}
}

// add returns the place of a text.
func (t *texts) add(text []byte) (uint32, error) {
	if len(text) == 0 {
		return 0, nil
	}
	slot := t.find(text)
	if t.slots[slot] != 0 {
		return t.slots[slot], nil
	}
	place := len(t.bytes)
	if uint64(place)+uint64(len(text))+binary.MaxVarintLen64 > math.MaxUint32 {
		return 0, tooLarge{errors.New("its different paths, headers and bodies have more than 4 GiB")}
	}
	t.bytes = binary.AppendUvarint(t.bytes, uint64(len(text)))
	t.bytes = append(t.bytes, text...)
	t.slots[slot] = uint32(place)
	t.count++
	if t.count > len(t.slots)/4*3 {
		t.grow()
	}
	return uint32(place), nil
}

// find is the slot that has the text, or the free one where it belongs.
func (t *texts) find(text []byte) uint64 {
	mask := uint64(len(t.slots) - 1)
	slot := maphash.Bytes(t.seed, text) & mask
	for t.slots[slot] != 0 && !bytes.Equal(t.get(t.slots[slot]), text) {
		slot = (slot + 1) & mask
	}
	return slot
}

func (t *texts) grow() {
	old := t.slots
	t.slots = make([]uint32, 2*len(old))
	for _, place := range old {
		if place != 0 {
			t.slots[t.find(t.get(place))] = place
		}
	}
}

// get returns the text at a place. It must not be changed.
func (t *texts) get(place uint32) []byte {
	length, size := binary.Uvarint(t.bytes[place:])
	from := int(place) + size
	return t.bytes[from : from+int(length)]
}
