package doctor

import "golang.org/x/sys/unix"

// unsynchronised reports whether nothing sets the clock, as far as the kernel knows (adjtimex(2)). Asking changes
// nothing.
func unsynchronised() bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && (state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0)
}
