package index

import (
	"slices"
	"strings"
)

// pair is a key with its value.
type pair struct {
	key   string
	value uint64
}

// tree holds what is recent: a B-tree in which a change copies what it touches. So an earlier tree stays as it is, for
// readers and for a transaction that is undone, at no cost.
type tree struct {
	root *node
	n    int // pairs
	size int // bytes of the keys
}

const maxPairs = 31

// node is a node of a tree. The change that has made it changes it in place; others copy it.
type node struct {
	epoch uint64
	pairs []pair
	kids  []*node // none in a leaf
}

// own returns the node in a form that a change of this epoch may alter.
func (n *node) own(epoch uint64) *node {
	if n.epoch == epoch {
		return n
	}
	c := &node{epoch: epoch, pairs: append(make([]pair, 0, maxPairs), n.pairs...)}
	if n.kids != nil {
		c.kids = append(make([]*node, 0, maxPairs+1), n.kids...)
	}
	return c
}

// find returns where a key is, or belongs.
func (n *node) find(key string) (at int, found bool) {
	lo, hi := 0, len(n.pairs)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch c := strings.Compare(n.pairs[mid].key, key); {
		case c == 0:
			return mid, true
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return lo, false
}

// set puts a value in its place.
func (t *tree) set(epoch uint64, key string, value uint64) {
	if t.root == nil {
		t.root = &node{epoch: epoch, pairs: make([]pair, 0, maxPairs)}
	}
	t.root = t.root.own(epoch)
	if len(t.root.pairs) == maxPairs {
		root := &node{epoch: epoch, pairs: make([]pair, 0, maxPairs), kids: append(make([]*node, 0, maxPairs+1), t.root)}
		root.split(0)
		t.root = root
	}
	for n := t.root; ; {
		i, found := n.find(key)
		if found {
			n.pairs[i].value = value
			return
		}
		if n.kids == nil {
			n.pairs = slices.Insert(n.pairs, i, pair{key, value})
			t.n++
			t.size += len(key)
			return
		}
		n.kids[i] = n.kids[i].own(epoch)
		if len(n.kids[i].pairs) == maxPairs {
			n.split(i)
			continue
		}
		n = n.kids[i]
	}
}

// split divides a full kid, which may be altered like the node itself.
func (n *node) split(i int) {
	const mid = maxPairs / 2
	left := n.kids[i]
	right := &node{epoch: n.epoch, pairs: append(make([]pair, 0, maxPairs), left.pairs[mid+1:]...)}
	if left.kids != nil {
		right.kids = append(make([]*node, 0, maxPairs+1), left.kids[mid+1:]...)
		clear(left.kids[mid+1:])
		left.kids = left.kids[:mid+1]
	}
	n.pairs = slices.Insert(n.pairs, i, left.pairs[mid])
	n.kids = slices.Insert(n.kids, i+1, right)
	clear(left.pairs[mid:])
	left.pairs = left.pairs[:mid]
}

func (t *tree) get(key string) (value uint64, found bool) {
	for n := t.root; n != nil; {
		i, found := n.find(key)
		if found {
			return n.pairs[i].value, true
		}
		if n.kids == nil {
			break
		}
		n = n.kids[i]
	}
	return 0, false
}

// hasPrefix reports whether there is a key that begins with a text.
func (t *tree) hasPrefix(text string) bool {
	for n := t.root; n != nil; {
		i, found := n.find(text)
		if found || i < len(n.pairs) && strings.HasPrefix(n.pairs[i].key, text) {
			return true
		}
		if n.kids == nil {
			break
		}
		n = n.kids[i]
	}
	return false
}

// treeCursor goes through a tree in order.
type treeCursor struct {
	path  []step
	key   []byte
	value uint64
}

type step struct {
	n *node
	i int // the next pair
}

// from puts the cursor before the first key that is not below key.
func (t *tree) from(key string) *treeCursor {
	c := &treeCursor{}
	for n := t.root; n != nil; {
		i, found := n.find(key)
		c.path = append(c.path, step{n, i})
		if found || n.kids == nil {
			break
		}
		n = n.kids[i]
	}
	return c
}

func (c *treeCursor) next() (bool, error) {
	for len(c.path) > 0 {
		top := &c.path[len(c.path)-1]
		if top.i == len(top.n.pairs) {
			c.path = c.path[:len(c.path)-1]
			continue
		}
		c.key, c.value = append(c.key[:0], top.n.pairs[top.i].key...), top.n.pairs[top.i].value
		top.i++
		if top.n.kids != nil {
			for n := top.n.kids[top.i]; n != nil; {
				c.path = append(c.path, step{n, 0})
				if n.kids == nil {
					break
				}
				n = n.kids[0]
			}
		}
		return true, nil
	}
	return false, nil
}

func (c *treeCursor) at() ([]byte, uint64) { return c.key, c.value }
