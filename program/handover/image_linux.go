package handover

import (
	"fmt"
	"os"
)

// selfImage leads to the program that this process runs, even after its file has been replaced or removed.
const selfImage = "/proc/self/exe"

// runningImage is the program that this process runs.
func (p Process) runningImage() image {
	file, err := os.Stat(selfImage)
	if err != nil { // /proc is not mounted
		return image{path: p.Program}
	}
	return image{path: p.Program, file: file, sure: selfImage}
}

// sureName is a name of an open file that always means this file.
func sureName(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }
