package engine

import (
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// Every kind of Go value is either bound as what it is or refused: nothing becomes NULL, or keeps what was bound
// before, without an error.
func TestBindTakesFourTypesAndRefusesTheRest(t *testing.T) {
	conn, err := sqlite3.Open(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	st, _, err := conn.Prepare("SELECT typeof(?)")
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()

	for _, c := range []struct {
		value any
		want  string
	}{
		{int64(0), "integer"},
		{int64(-1 << 63), "integer"},
		{0.5, "real"},
		{"", "text"},
		{"text", "text"},
		{[]byte{}, "blob"},
		{[]byte{0}, "blob"},
		{[]byte(nil), "null"},
	} {
		var got string
		found, err := One(st, func(s *sqlite3.Stmt) { got = s.ColumnText(0) }, c.value)
		if err != nil || !found || got != c.want {
			t.Errorf("%T(%v) is bound as %q, %v; want %q", c.value, c.value, got, err, c.want)
		}
	}

	type named int64
	text := "pointed at"
	for _, value := range []any{
		nil, true, 1, int8(1), int16(1), int32(1), uint(1), uint8(1), uint16(1), uint32(1), uint64(1), uintptr(1), float32(1),
		complex64(1), complex128(1), named(1), time.Second, time.Time{}, &text, [1]byte{1}, []string{text}, []rune(text),
		map[string]any{}, struct{}{}, func() {}, make(chan int), error(nil),
	} {
		if err := Bind(st, value); err == nil {
			t.Errorf("a %T was bound", value)
		}
		if err := Run(st, value); err == nil {
			t.Errorf("a statement ran with a %T", value)
		}
	}
}
