// Package safeint parses the integers of the wire: any JSON number that JavaScript treats as a safe integer, including
// 1.0 and 1e3.
package safeint

import (
	"errors"
	"math"
	"strconv"

	or3cloud "or3.chat/cloud"
)

// Int is such an integer.
type Int int64

// UnmarshalJSON implements json.Unmarshaler.
func (i *Int) UnmarshalJSON(text []byte) error {
	n, ok := Parse(text)
	if !ok {
		return errors.New("not a safe integer")
	}
	*i = Int(n)
	return nil
}

// Parse parses a JSON number as a safe integer.
func Parse(text []byte) (int64, bool) {
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return n, -or3cloud.MaxSafeInteger <= n && n <= or3cloud.MaxSafeInteger
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > or3cloud.MaxSafeInteger {
		return 0, false
	}
	return int64(f), true
}
