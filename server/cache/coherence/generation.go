package coherence

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/server/store"
)

// GenerationName is the key of L2's generation. A value is written only while the generation is the one from before it
// was loaded.
const GenerationName = Prefix + "generation"

// NewGeneration begins a generation, so that what was loaded before can no longer be written to L2. As with epochs, no
// generation is as good as a new one when L2 has no memory.
func (t *Session) NewGeneration(ctx context.Context, after store.LSN) error {
	ctx, cancel := context.WithTimeout(ctx, 2*t.timeout)
	defer cancel()
	generation := generationOf(after)
	p := t.Client.Pipeline()
	removed := p.Unlink(ctx, GenerationName)
	set := p.Set(ctx, GenerationName, generation, 0)
	p.Exec(ctx) // each command has its own error
	if removed.Err() == nil && set.Err() == nil {
		t.generation.Store(&generation)
	}
	return removed.Err()
}

func generationOf(after store.LSN) string {
	return strconv.FormatUint(rand.Uint64(), 36) + ":" + strconv.FormatUint(uint64(after), 10)
}

// LearnGeneration asks L2 for the generation, and begins one if there is none. Loads must see its LSN before values are
// tagged with it.
func (b *Bus) LearnGeneration(ctx context.Context, t *Session) error {
	ctx, cancel := context.WithTimeout(ctx, 2*t.timeout)
	defer cancel()
	p := t.Client.Pipeline()
	set := p.SetNX(ctx, GenerationName, generationOf(store.LSN(b.floor.Load())), 0)
	get := p.Get(ctx, GenerationName)
	p.Exec(ctx) // each command has its own error
	if errors.Is(get.Err(), redis.Nil) {
		return set.Err()
	}
	generation, err := get.Result()
	if err != nil {
		return err
	}
	_, lsn, _ := strings.Cut(generation, ":")
	after, err := strconv.ParseUint(lsn, 10, 64)
	if err != nil {
		return fmt.Errorf("%s in L2 is %.40q, which this program did not write", GenerationName, generation)
	}
	raise(&b.floor, after)
	t.generation.Store(&generation)
	return nil
}
