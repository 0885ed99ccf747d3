package factors

import (
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

func TestMatchStep(t *testing.T) {
	const secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	now := time.Unix(1_700_000_000, 0)
	step := now.Unix() / TOTPPeriod
	code := func(s int64) string {
		text, err := totp.GenerateCode(secret, time.Unix(s*TOTPPeriod, 0))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	spaced := code(step)[:3] + " " + code(step)[3:]
	for _, c := range []struct {
		code string
		used int64
		want int64
	}{
		{code(step), 0, step}, {code(step - 1), 0, step - 1}, {code(step + 1), 0, step + 1}, {spaced, 0, step},
		{code(step), step, 0}, {code(step), step + 1, 0}, {code(step + 1), step, step + 1}, {code(step), step + 100, 0},
		{code(step - 2), 0, 0}, {code(step + 2), 0, 0}, {"", 0, 0}, {"12345", 0, 0}, {"1234567", 0, 0}, {"abcdef", 0, 0}, {"١٢٣٤٥٦", 0, 0},
	} {
		if got, ok := matchStep(secret, c.code, now, c.used); got != c.want || ok != (c.want != 0) {
			t.Errorf("%q after step %d: %d, %v, want %d", c.code, c.used-step, got-step, ok, c.want-step)
		}
	}
}
