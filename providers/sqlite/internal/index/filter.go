package index

import (
	"encoding/binary"
	"math/bits"
)

// filter is a Bloom filter: for most keys it knows that they are not in a run, and is never wrong about that. All bits
// of a key are in one line of the processor's cache.
type filter []uint64

const (
	lineWords  = 8
	bitsPerKey = 10
	probes     = 6
)

func newFilter(keys int) filter {
	return make(filter, (keys*bitsPerKey/(64*lineWords)+1)*lineWords)
}

// line returns the words that hold the bits of a key, and the numbers of these bits, nine binary digits each.
func (f filter) line(sum uint64) (line []uint64, places uint64) {
	hi, _ := bits.Mul64(sum, uint64(len(f)/lineWords))
	return f[hi*lineWords:][:lineWords], sum * 0x9E3779B97F4A7C15 >> 8
}

func (f filter) add(sum uint64) {
	line, places := f.line(sum)
	for range probes {
		line[places>>6&7] |= 1 << (places & 63)
		places >>= 9
	}
}

func (f filter) has(sum uint64) bool {
	line, places := f.line(sum)
	for range probes {
		if line[places>>6&7]&(1<<(places&63)) == 0 {
			return false
		}
		places >>= 9
	}
	return true
}

// seed makes the sums of one database, so that no client can tell which keys share their bits.
type seed uint64

func (s seed) sum(key string) uint64 {
	const m1, m2 = 0xA0761D6478BD642F, 0xE7037ED1A0B428DB
	h := uint64(s) ^ uint64(len(key))*m2
	var last [8]byte
	for len(key) >= 8 {
		h = mix(h^(uint64(key[0])|uint64(key[1])<<8|uint64(key[2])<<16|uint64(key[3])<<24|
			uint64(key[4])<<32|uint64(key[5])<<40|uint64(key[6])<<48|uint64(key[7])<<56), m1)
		key = key[8:]
	}
	copy(last[:], key)
	return mix(mix(h^binary.LittleEndian.Uint64(last[:]), m1)^uint64(s), m2)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
