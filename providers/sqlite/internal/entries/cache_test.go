package entries

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// TestCachedTextsAreThoseOfTheFile reads ranges twice in one transaction, with a Cache and without one, while blocks
// are written, marked, rewritten without some entries, joined and deleted.
func TestCachedTextsAreThoseOfTheFile(t *testing.T) {
	l := logOf(t, mathrand.New(mathrand.NewPCG(1, 2)), 1, 2)
	c := newCache(512 << 10)
	var found atomic.Int64
	var wg sync.WaitGroup
	for n := range 3 {
		r := mathrand.New(mathrand.NewPCG(3, uint64(n)))
		wg.Go(func() {
			for range 150 {
				num, after := 1+r.Int64N(2), r.Int64N(8000)
				err := l.View(t.Context(), func(reader *engine.Reader) error {
					seed := r.Uint64()
					want, _, err := texts(Of(reader).After(num, after, after+4000), mathrand.New(mathrand.NewPCG(seed, 0)))
					if err != nil {
						return err
					}
					blocks := Of(reader).After(num, after, after+4000)
					blocks.Cache = c
					got, n, err := texts(blocks, mathrand.New(mathrand.NewPCG(seed, 0)))
					if err == nil && !bytes.Equal(got, want) {
						err = fmt.Errorf("from %d of %d: %d B differ from %d B of the file", after, num, len(got), len(want))
					}
					found.Add(n)
					return err
				})
				if err == nil {
					err = c.sound()
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	changes := mathrand.New(mathrand.NewPCG(4, 4))
	wg.Go(func() {
		for range 300 {
			if err := l.change(t.Context(), changes); err != nil {
				t.Error(err)
				return
			}
		}
	})
	wg.Wait()
	if found.Load() == 0 {
		t.Error("nothing was in memory")
	}
}

// texts returns the ids of blocks with the texts of some of their entries, and for how many the Cache has the text.
func texts(b *Blocks, r *mathrand.Rand) (all []byte, found int64, err error) {
	for b.Next() {
		i := r.IntN(b.Len())
		j := i + 1 + r.IntN(b.Len()-i)
		if err := b.Unpack(^uint64(0) >> (64 - (j - i)) << i); err != nil {
			return nil, 0, errors.Join(err, b.Close())
		}
		if b.Cache != nil && b.Cache.has(b.ID) {
			found++
		}
		for mask := ^uint64(0) >> (64 - (j - i)) << i; mask != 0; {
			text, n, last, err := b.Run(&mask, block.MaxEntries, 100*block.FullText)
			if err != nil {
				return nil, 0, errors.Join(err, b.Close())
			}
			all = append(fmt.Appendf(all, "\n%d %d %d: ", b.ID, n, last), text...)
		}
	}
	return all, found, b.Close()
}

func (c *Cache) has(id int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.texts[id] != nil
}

// sound returns an error if the Cache has counted wrongly, or has more than it may.
func (c *Cache) sound() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	size := 0
	for e := c.order.Front(); e != nil; e = e.Next() {
		t := e.Value.(*cached)
		if size += cap(t.heads) + cap(t.text) + cachedBeside; c.texts[t.id] != e {
			return fmt.Errorf("block %d is not found", t.id)
		}
	}
	if size != c.size || c.size > c.most || len(c.texts) != c.order.Len() {
		return fmt.Errorf("%d texts of %d B are counted as %d texts of %d B, of %d B at most", c.order.Len(), size, len(c.texts), c.size, c.most)
	}
	return nil
}

// change does one of the things that happen to a log.
func (l *log) change(ctx context.Context, r *mathrand.Rand) error {
	num := 1 + r.Int64N(2)
	return l.Do(ctx, func(_ context.Context, tx *engine.Tx) error {
		var ids []int64
		var all []uint64
		blocks := In(tx).After(num, 0, layout.MaxVersion)
		for blocks.Next() {
			ids, all = append(ids, blocks.ID), append(all, blocks.All())
		}
		if err := blocks.Close(); err != nil {
			return err
		}
		kind := r.IntN(10)
		if len(ids) < 10 {
			kind = 0
		}
		if kind < 3 {
			version := slices.Max(slices.Collect(keys(l.ops[num]))) + 1
			return l.insert(tx, r, num, &version)
		}
		at := r.IntN(len(ids) - 1)
		from := In(tx)
		switch kind {
		case 3:
			return Delete(tx, ids[at])
		case 4:
			return Mark(tx, ids[at], block.Marks{Skip: 1})
		}
		var w block.Writer
		one, err := from.Load(ids[at], all[at])
		if err == nil {
			var drop uint64
			if kind < 8 && one.Len() > 1 {
				drop = 1 << r.IntN(one.Len())
			}
			err = w.Copy(&one, drop, uint64(r.IntN(2))<<r.IntN(one.Len()))
		}
		if err != nil {
			return err
		}
		if next, err := from.Load(ids[at+1], all[at+1]); err != nil {
			return err
		} else if kind == 9 && w.Len()+next.Len() <= block.MaxEntries {
			if err := errors.Join(w.Copy(&next, 0, 0), Delete(tx, ids[at+1])); err != nil {
				return err
			}
		}
		if r.IntN(3) > 0 {
			w.Pack()
		}
		heads, text := w.Finish(layout.VersionOf(ids[at]))
		return Replace(tx, ids[at], heads, text, block.Marks{})
	})
}

func TestCacheKeepsWhatIsAskedForAgain(t *testing.T) {
	c := newCache(100_000)
	heads, text := []byte("heads"), bytes.Repeat([]byte("text"), 1000)
	ask := func(id int64, heads []byte, want []byte, wantWorth bool) {
		t.Helper()
		got, found, worth := c.find(id, heads, nil)
		if !bytes.Equal(got, want) || found != (want != nil) || worth != wantWorth {
			t.Errorf("block %d: %d B, worth it: %t; want %d B, %t", id, len(got), worth, len(want), wantWorth)
		}
		if err := c.sound(); err != nil {
			t.Error(err)
		}
	}
	ask(1, heads, nil, false)
	ask(1, heads, nil, true)
	c.keep(1, heads, text)
	ask(1, heads, text, false)
	ask(1, []byte("heads of another moment"), nil, true)
	for id := range int64(10_000) { // a single pass through everything pushes nothing out
		ask(2+id, heads, nil, false)
	}
	ask(1, heads, text, false)
	for id := range int64(100) { // what is no longer used is dropped for others
		c.keep(10+id, heads, text)
		if id%10 == 0 {
			ask(1, heads, text, false)
		}
	}
	ask(10, heads, nil, false)
	ask(109, heads, text, false)
	c.keep(1, heads, make([]byte, 100_000))
	ask(1, heads, text, false)

	c.rest() // it was used
	ask(109, heads, text, false)
	c.rest()
	c.rest()
	if ask(109, heads, nil, false); c.size != 0 || len(c.texts) != 0 {
		t.Errorf("%d texts of %d B are kept by a Cache that is not used", len(c.texts), c.size)
	}
	c.keep(1, heads, text)
	ask(1, heads, text, false)
}
