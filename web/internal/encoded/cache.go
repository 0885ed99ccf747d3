package encoded

import (
	"bytes"
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// idle is how long a form must not have been asked for before another one may take its room.
const idle = 10 * time.Minute

// hurried is how many requests may compress at once. The others wait for a moment, which costs less than the memory of all.
const hurried = 2

// Cache has the compressed forms of contents, by what the content is: the same file of two releases is compressed once.
type Cache struct {
	room  int64
	now   func() time.Time
	slots chan struct{}

	mu        sync.Mutex
	held      int64
	packs     map[key]*pack
	queue     []*pack // what waits for its best level
	improving bool
}

type key struct {
	hash   hash
	coding *coding
}

// pack is a content in a coding.
type pack struct {
	key  key
	made chan struct{} // closed when the fields below are set; under the lock from then on

	held   int64 // of the room
	asked  time.Time
	data   []byte // nil if the content could not be read
	tag    string
	former string
	small  bool // smaller than the content
}

// NewCache returns a cache that holds at most room bytes, and at most once that while it works.
func NewCache(room int64) *Cache {
	return &Cache{room: room, now: time.Now, slots: make(chan struct{}, hurried), packs: map[key]*pack{}}
}

// form returns a content in a coding. It has none if the content is too large or too small, does not get smaller, or if there is no room.
// must is for clients that do not take the content as it is: size then matters less.
func (c *Cache) form(ctx context.Context, s source, by *coding, must bool) (form, bool) {
	if s.size > largest || s.size < least && !must {
		return form{}, false
	}
	p, ours := c.find(key{s.hash, by}, s.size)
	if p == nil {
		return form{}, false
	}
	if ours {
		c.make(p, s.read)
	}
	select {
	case <-p.made:
	case <-ctx.Done():
		return form{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.data == nil || !p.small && !must {
		return form{}, false
	}
	return form{coding: by, body: bytes.NewReader(p.data), size: int64(len(p.data)), tag: p.tag, former: p.former}, true
}

// find returns the pack of a key, or a new one that the caller has to make; none if there is no room.
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
	p = &pack{key: k, made: make(chan struct{}), held: size, asked: c.now()}
	c.packs[k] = p
	c.held += size
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
	c.held -= p.held
	delete(c.packs, p.key)
}

// make compresses a content by the fast level, and has it done better later. What fails is forgotten.
func (c *Cache) make(p *pack, read func() ([]byte, error)) {
	var data []byte
	small, size := false, 0
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if data == nil {
			c.forget(p)
		} else {
			c.fill(p, data)
			p.small = small
			if small && size <= patient {
				c.later(p)
			}
		}
		close(p.made)
	}()
	c.slots <- struct{}{}
	defer func() { <-c.slots }()
	content, err := read()
	if err != nil || sha256.Sum256(content) != p.key.hash { // it has changed meanwhile
		return
	}
	data = p.key.coding.pack(content, p.key.coding.fast)
	small, size = len(data) < len(content), len(content)
}

// fill gives a pack its bytes.
func (c *Cache) fill(p *pack, data []byte) {
	c.held += int64(len(data)) - p.held
	p.held = int64(len(data))
	p.former = p.tag
	p.data, p.tag = data, hash(sha256.Sum256(data)).tag()
}

// later puts a pack into the queue of what is to be done by the best level. One goroutine does that, and ends when nothing is left to do.
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
		p := c.queue[0]
		c.queue = c.queue[1:]
		data := p.data
		c.mu.Unlock()

		began := c.now()
		better := p.key.coding.repack(data)
		c.mu.Lock()
		if c.packs[p.key] == p && better != nil && len(better) < len(data) {
			c.fill(p, better)
		}
		c.mu.Unlock()
		time.Sleep(c.now().Sub(began))
	}
}
