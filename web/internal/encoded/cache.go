package encoded

import (
	"bytes"
	"crypto/sha256"
	"net/http"
	"slices"
	"sync"
	"time"
)

// idle is how long a form must not have been asked for before another one may take its room.
const idle = 10 * time.Minute

// hurried is how many contents are compressed at once for those who wait. The others wait for a moment, which costs
// less than the memory of all.
const hurried = 2

// quiet is how long nothing must have been compressed for anyone before the background does its part. A first visit has
// the processor for itself.
const quiet = 10 * time.Second

// felt is the size of a content, in bytes, from which on waiting for the whole of it is felt: it goes out while it is
// compressed.
const felt = 128 << 10

// Cache has the compressed forms of contents, by what the content is: the same file of two releases is compressed once.
type Cache struct {
	room  int64
	now   func() time.Time
	quiet time.Duration
	slots chan struct{}

	mu        sync.Mutex
	held      int64
	packs     map[key]*pack
	began     time.Time // when something was last begun
	queue     []*pack   // what waits for its best level
	improving bool
}

type key struct {
	hash   hash
	coding *coding
}

// pack is a content in a coding.
type pack struct {
	key    key
	growth *growth       // of the fast level
	made   chan struct{} // closed when that is through

	// Under the lock of the cache:
	held  int64 // of the room
	asked time.Time
	data  []byte // nil before it is made, and if it cannot be
	level int
	small bool // smaller than the content
}

// NewCache returns a cache that holds at most room bytes.
func NewCache(room int64) *Cache {
	return &Cache{room: room, now: time.Now, quiet: quiet, slots: make(chan struct{}, hurried), packs: map[key]*pack{}}
}

// form returns a content in a coding. It has none if the content is too large or too small, does not get smaller, or if
// there is no room. must is for clients that do not take the content as it is: size then matters less.
func (c *Cache) form(r *http.Request, s source, by *coding, must bool) (form, bool) {
	if s.size > largest || s.size < least && !must {
		return form{}, false
	}
	p, ours := c.find(key{s.hash, by}, s.size)
	if p == nil {
		return form{}, false
	}
	if ours {
		c.begin(p, s.read)
	}
	f := form{coding: by, tag: by.tag(s.hash, by.fast)}
	if s.size > felt && isWhole(r) && p.growth.grows() {
		f.growth = p.growth
		return f, true
	}
	select {
	case <-p.made:
	case <-r.Context().Done():
		return form{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.data == nil || !p.small && !must {
		return form{}, false
	}
	f.body, f.size, f.other = bytes.NewReader(p.data), int64(len(p.data)), by.tag(s.hash, by.best)
	if p.level == by.best {
		f.tag, f.other = f.other, f.tag
	}
	return f, true
}

// isWhole reports whether a request is for all of a content, whatever the client has.
func isWhole(r *http.Request) bool {
	conditions := []string{"Range", "If-Match", "If-None-Match"}
	return r.Method == http.MethodGet && !slices.ContainsFunc(conditions, func(name string) bool { return r.Header.Get(name) != "" })
}

// find returns the pack of a key, or a new one that the caller has to begin; none if there is no room.
func (c *Cache) find(k key, size int64) (p *pack, ours bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.packs[k]; p != nil {
		p.asked = c.now()
		return p, false
	}
	if !c.clear(size) {
		return nil, false
	}
	p = &pack{key: k, growth: newGrowth(), made: make(chan struct{}), held: size, asked: c.now(), level: k.coding.fast}
	c.packs[k] = p
	c.held += size
	c.began = p.asked
	return p, true
}

// clear makes room, by forgetting what no one has asked for lately, what has waited longest first.
func (c *Cache) clear(size int64) bool {
	for c.held+size > c.room {
		var oldest *pack
		for _, p := range c.packs {
			if oldest == nil || p.asked.Before(oldest.asked) {
				oldest = p
			}
		}
		if oldest == nil || c.now().Sub(oldest.asked) < idle {
			return false
		}
		c.forget(oldest)
	}
	return true
}

func (c *Cache) forget(p *pack) {
	if c.packs[p.key] == p {
		c.held -= p.held
		delete(c.packs, p.key)
	}
}

// begin has a content compressed by the fast level, and better later. What fails is forgotten.
func (c *Cache) begin(p *pack, read func() ([]byte, error)) {
	content, err := read()
	if err != nil || sha256.Sum256(content) != p.key.hash { // it has changed meanwhile
		c.end(p, nil, 0)
		return
	}
	go func() {
		c.slots <- struct{}{}
		defer func() { <-c.slots }()
		if p.key.coding.pack(p.growth, content, p.key.coding.fast) != nil {
			c.end(p, nil, 0)
			return
		}
		c.end(p, bytes.Clone(p.growth.data), len(content))
	}()
}

// end says what became of the fast level; data is nil if nothing did.
func (c *Cache) end(p *pack, data []byte, size int) {
	p.growth.end(data != nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	if data == nil {
		c.forget(p)
	} else {
		c.fill(p, data, p.key.coding.fast)
		p.small = len(data) < size
	}
	if p.small && size <= patient {
		c.later(p)
	}
	close(p.made)
}

// fill gives a pack its bytes.
func (c *Cache) fill(p *pack, data []byte, level int) {
	if c.packs[p.key] == p {
		c.held += int64(len(data)) - p.held
	}
	p.held, p.data, p.level = int64(len(data)), data, level
}

// later puts a pack into the queue for the best level. One goroutine does that, and ends when
// nothing is left to do.
func (c *Cache) later(p *pack) {
	c.queue = append(c.queue, p)
	if !c.improving {
		c.improving = true
		go c.improve()
	}
}

// improve works for half of the time at most, so that even the smallest machine has something left for requests.
func (c *Cache) improve() {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 {
			c.improving, c.queue = false, nil
			c.mu.Unlock()
			return
		}
		if rest := c.quiet - c.now().Sub(c.began); rest > 0 {
			c.mu.Unlock()
			time.Sleep(rest)
			continue
		}
		p := c.queue[0]
		c.queue = c.queue[1:]
		data := p.data
		c.mu.Unlock()

		began := c.now()
		better, err := p.key.coding.repack(data)
		c.mu.Lock()
		if err == nil && len(better) < len(data) {
			c.fill(p, better, p.key.coding.best)
		}
		c.mu.Unlock()
		time.Sleep(c.now().Sub(began))
	}
}
