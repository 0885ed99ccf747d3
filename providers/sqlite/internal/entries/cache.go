package entries

import (
	"bytes"
	"container/list"
	"slices"
	"sync"
	"time"

	"or3.chat/cloud/internal/membudget"
)

const (
	// mostCached is how much memory the texts of a Cache take at most, in bytes: the newest 1,000 rows and what was
	// replaced among them. Where memory is scarce it is cacheShare of what there is.
	mostCached = 3 << 20
	cacheShare = 64
	// askedFor is the number of blocks of which a Cache remembers that they were requested: about as many as fit into
	// it, so that a reader of the whole log pushes nothing out.
	askedFor = 64
	// cachedLife is how long a Cache goes unused before it is emptied.
	cachedLife = 10 * time.Minute
	// spare is the fraction by which the memory of a text is larger, so that the next one fits into it: full blocks
	// differ little.
	spare = 8
	// cachedBeside is approximately what a text takes besides itself and its heads.
	cachedBeside = 256
)

// Cache keeps texts of blocks in memory as they are sent, for several devices that pull the same. A text comes in when
// it is requested for a second time within a short while, and the most recently used ones stay. Texts are copied in and
// out, so that their memory can be reused: as garbage they would cost twice as much.
//
// It cannot be stale. What an entry says never changes once its version was issued, and heads say which versions a
// block has and where the text of each ends. So a text belongs to the id of a block and all of its heads, and the
// reader has read the heads in its own transaction.
type Cache struct {
	most int

	mu     sync.Mutex
	texts  map[int64]*list.Element // of *cached
	order  list.List               // the most recently used one first
	size   int
	asked  [askedFor]int64 // ids of blocks, as a ring
	oldest int             // of asked
	used   bool            // since the timer was set
	timer  *time.Timer     // nil while there is nothing to forget
}

// cached is a text.
type cached struct {
	id          int64
	heads, text []byte
}

func (c *cached) size() int { return cap(c.heads) + cap(c.text) + cachedBeside }

// takes reports whether a text fits into the memory of a dropped one, and is not much smaller.
func (c *cached) takes(heads, text []byte) bool {
	return len(heads) <= cap(c.heads) && len(text) <= cap(c.text) && cap(c.text) <= 2*len(text)
}

// roomFor is how much memory is allocated for bytes.
func roomFor(b []byte) int { return len(b) + len(b)/spare }

// NewCache returns a Cache for the log of one database.
func NewCache() *Cache { return newCache(min(mostCached, int(membudget.Read().Bytes/cacheShare))) }

func newCache(most int) *Cache { return &Cache{most: most, texts: map[int64]*list.Element{}} }

// find copies the whole text of a block to buf, and returns what it has used. If there is none, it says whether the
// text is worth keeping.
func (c *Cache) find(id int64, heads, buf []byte) (text []byte, found, worth bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.texts[id]; e != nil {
		if t := e.Value.(*cached); bytes.Equal(t.heads, heads) {
			c.order.MoveToFront(e)
			c.used = true
			return append(buf[:0], t.text...), true, false
		}
	}
	if slices.Contains(c.asked[:], id) {
		return buf, false, true
	}
	c.asked[c.oldest] = id
	c.oldest = (c.oldest + 1) % askedFor
	return buf, false, false
}

// keep copies a text, into the memory of one that it displaces if that is enough.
func (c *Cache) keep(id int64, heads, text []byte) {
	room := roomFor(heads) + roomFor(text) + cachedBeside
	if room > c.most {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var gone *cached
	if e := c.texts[id]; e != nil { // of another moment, or of a reader that was as fast
		gone = c.drop(e)
	}
	for c.size+room > c.most {
		gone = c.drop(c.order.Back())
	}
	if gone == nil || !gone.takes(heads, text) || c.size+gone.size() > c.most {
		gone = &cached{heads: make([]byte, 0, roomFor(heads)), text: make([]byte, 0, roomFor(text))}
	}
	gone.id, gone.heads, gone.text = id, append(gone.heads[:0], heads...), append(gone.text[:0], text...)
	c.texts[id] = c.order.PushFront(gone)
	c.size += gone.size()
	if c.used = true; c.timer == nil {
		c.timer = time.AfterFunc(cachedLife, c.rest)
	}
}

func (c *Cache) drop(e *list.Element) *cached {
	t := c.order.Remove(e).(*cached)
	delete(c.texts, t.id)
	c.size -= t.size()
	return t
}

// rest empties the Cache unless it has been used since the last call.
func (c *Cache) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.used {
		c.used = false
		c.timer.Reset(cachedLife)
		return
	}
	c.timer = nil
	c.order.Init()
	clear(c.texts)
	c.size = 0
}
