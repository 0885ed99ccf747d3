package membudget

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// Limit is how much memory the process may use.
type Limit struct {
	// Bytes is the limit.
	Bytes int64
	// Source is where the limit comes from: GOMEMLIMIT, a file of the cgroup, or physical memory.
	Source string
	// Group means that it is the cgroup's, which kills a process that exceeds it.
	Group bool
}

const (
	// unlimited is more than any machine has. Version 1 of cgroups uses such a number for no limit.
	unlimited = 1 << 50
	// assumed is the limit if the amount of memory is unknown, and the largest limit derived from physical memory,
	// which other programs use as well.
	assumed = 1 << 30
)

// A budget is a quarter of the limit, because whatever a request holds exists once more as garbage and once more in the
// store, and the process needs some for itself. The largest push does not fit into less than leastBudget, so with a
// small limit the budget may be half of it.
const (
	leastBudget = 128 << 20
	mostBudget  = 1 << 30
)

// Read returns the limit of this process: GOMEMLIMIT, otherwise the lowest limit of its cgroup and its parents,
// otherwise half of the physical memory but at most 1 GiB.
func Read() Limit { return read(os.DirFS("/"), debug.SetMemoryLimit(-1)) }

func read(root fs.FS, soft int64) Limit {
	if soft < unlimited {
		return Limit{Bytes: soft, Source: "GOMEMLIMIT"}
	}
	if l, ok := groupLimit(root); ok {
		return l
	}
	if n, ok := physical(root); ok {
		return Limit{Bytes: min(n/2, assumed), Source: "physical memory"}
	}
	return Limit{Bytes: assumed, Source: "an assumption, since the system does not say how much memory there is"}
}

// Budget returns the part of the limit that all requests together may hold.
func (l Limit) Budget() int64 {
	return min(max(l.Bytes/4, min(leastBudget, l.Bytes/2)), mostBudget)
}

// garbage is how much garbage may accumulate before a collection, in percent of the memory in use. The runtime's
// default of 100 is for programs whose memory is full of pointers. Most of ours is texts and filters, which a
// collection need not scan. So halving the memory costs a few percent of a push.
const garbage = 50

// Soften makes the runtime collect garbage earlier than by default, and in time to stay below a cgroup's limit, unless
// GOGC and GOMEMLIMIT are set. It returns l.
func (l Limit) Soften() Limit {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	if l.Group {
		debug.SetMemoryLimit(l.Bytes / 10 * 9)
	}
	return l
}

// Release returns memory to the system that was needed only once, such as during a start. On an idle server, the
// runtime would keep it until its next collection, which may be minutes away.
func Release() { debug.FreeOSMemory() }

// groupLimit returns the lowest limit of the process's cgroup and its parents. In a container, the path of the group
// may be the host's while only the group itself is mounted. Missing parts are skipped, up to the mount.
func groupLimit(root fs.FS) (lowest Limit, found bool) {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return Limit{}, false
	}
	for line := range strings.Lines(string(text)) {
		// number:controllers:path; version 2 is number 0 without controllers.
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		var mount, file string
		switch {
		case parts[0] == "0" && parts[1] == "":
			mount, file = "sys/fs/cgroup", "memory.max"
		case strings.Contains(","+parts[1]+",", ",memory,"):
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for dir := path.Join("/", parts[2]); ; dir = path.Dir(dir) {
			name := path.Join(mount, dir, file)
			if n, ok := number(root, name); ok && (!found || n < lowest.Bytes) {
				lowest, found = Limit{Bytes: n, Source: "/" + name, Group: true}, true
			}
			if dir == "/" {
				break
			}
		}
	}
	return lowest, found
}

// number reads a limit. "max" and numbers beyond any machine count as none.
func number(root fs.FS, name string) (int64, bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil && n > 0 && n < unlimited
}

// physical returns the machine's memory, as reported by Linux.
func physical(root fs.FS) (int64, bool) {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" && f[2] == "kB" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n << 10, err == nil && n > 0 && n < math.MaxInt64>>10
		}
	}
	return 0, false
}
