package compact

import (
	"math/bits"
	"math/rand/v2"
	"testing"

	"or3.chat/cloud/providers/sqlite/internal/block"
)

// TestJobsAreBounded groups blocks of all sizes: a job writes no more than a full block, or an existing one, and what
// it deletes is limited.
func TestJobsAreBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	joined, deleted, alone := 0, 0, 0
	var g group
	for id := range int64(20_000) {
		p := part{id: id, n: 1 + r.IntN(block.MaxEntries)}
		switch r.IntN(4) {
		case 0: // nothing stays
			p.drop = ^uint64(0) >> (64 - p.n)
		case 1:
			p.drop = r.Uint64() >> (64 - p.n)
		}
		for range p.left() {
			p.text += r.IntN([]int{100, 5000, 2 * block.FullText}[r.IntN(3)])
		}
		p.heads = p.n * (40 + r.IntN(1000))
		if g.takes(p) {
			g.add(p)
			continue
		}
		switch n := len(g.parts); {
		case g.left == 0:
			if deleted += n; n > deletedAtOnce {
				t.Fatalf("a job deletes %d blocks", n)
			}
		case n == 1:
			alone++
		default:
			if joined += n; g.left > block.MaxEntries || g.text > block.FullText || g.heads > block.FullHeads {
				t.Fatalf("%d blocks become one with %d entries, %d B of text and %d B of heads", n, g.left, g.text, g.heads)
			}
		}
		left := 0
		for i := range g.parts {
			if left += g.parts[i].n - bits.OnesCount64(g.parts[i].drop); (g.parts[i].left() == 0) != (g.left == 0) {
				t.Fatal("what stays and what does not are in one job")
			}
		}
		if left != g.left {
			t.Fatalf("%d entries stay, not %d", left, g.left)
		}
		g = group{}
		g.add(p)
	}
	if joined == 0 || deleted == 0 || alone == 0 {
		t.Errorf("%d blocks were joined, %d deleted, %d alone", joined, deleted, alone)
	}
}
