package sessions

import (
	"fmt"
	"testing"
)

func TestSightingsAreBounded(t *testing.T) {
	var full Sightings
	for i := range maxSightings {
		full.note(generation{"session", fmt.Sprint(i)})
	}
	if full.note(generation{"session", "one more"}) || !full.note(generation{"session", "7"}) || len(full.pending) != maxSightings {
		t.Error("the notes are not bounded")
	}
}
