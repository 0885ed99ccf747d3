package membudget

import (
	"math"
	"runtime/debug"
	"testing"
	"testing/fstest"
)

func TestWhereTheLimitComesFrom(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	memory := file("MemTotal:       2097152 kB\nMemFree: 1 kB\n")
	for name, c := range map[string]struct {
		root fstest.MapFS
		soft int64
		want Limit
	}{
		"GOMEMLIMIT wins": {
			fstest.MapFS{"proc/self/cgroup": file("0::/a\n"), "sys/fs/cgroup/a/memory.max": file("1000\n")},
			500, Limit{500, "GOMEMLIMIT", false},
		},
		"version 2": {
			fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("1000\n"), "proc/meminfo": memory},
			math.MaxInt64, Limit{1000, "/sys/fs/cgroup/a/b/memory.max", true},
		},
		"a parent is lower": {
			fstest.MapFS{
				"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("1000\n"),
				"sys/fs/cgroup/a/memory.max": file("700\n"), "sys/fs/cgroup/memory.max": file("max\n"),
			},
			math.MaxInt64, Limit{700, "/sys/fs/cgroup/a/memory.max", true},
		},
		"in a container": {
			fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("900\n")},
			math.MaxInt64, Limit{900, "/sys/fs/cgroup/memory.max", true},
		},
		"version 1, in a container that sees the path of the host": {
			fstest.MapFS{
				"proc/self/cgroup":                           file("3:cpu,cpuacct:/docker/x\n2:memory:/docker/x\n0::/docker/x\n"),
				"sys/fs/cgroup/memory/memory.limit_in_bytes": file("800\n"),
			},
			math.MaxInt64, Limit{800, "/sys/fs/cgroup/memory/memory.limit_in_bytes", true},
		},
		"version 1 without a limit": {
			fstest.MapFS{
				"proc/self/cgroup":                           file("2:memory:/\n"),
				"sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n"), "proc/meminfo": memory,
			},
			math.MaxInt64, Limit{1 << 30, "physical memory", false},
		},
		"a small machine": {
			fstest.MapFS{"proc/meminfo": file("MemTotal: 524288 kB\n")}, math.MaxInt64, Limit{256 << 20, "physical memory", false},
		},
		"garbage": {
			fstest.MapFS{"proc/self/cgroup": file("0::/\nx\n"), "sys/fs/cgroup/memory.max": file("-3"), "proc/meminfo": file("MemTotal: x kB\n")},
			math.MaxInt64, Limit{1 << 30, "an assumption, since the system does not say how much memory there is", false},
		},
	} {
		if got := read(c.root, c.soft); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestBudgetOfALimit(t *testing.T) {
	for limit, want := range map[int64]int64{
		64 << 20: 32 << 20, 256 << 20: 128 << 20, 512 << 20: 128 << 20, 1 << 30: 256 << 20, 64 << 30: 1 << 30,
	} {
		got := Limit{Bytes: limit}.Budget()
		if got != want {
			t.Errorf("limit %d: budget %d, want %d", limit, got, want)
		}
		if largest := New(got).Largest(); limit >= 4<<30 && largest < 128<<20+1 || limit >= 512<<20 && largest < largestPush {
			t.Errorf("limit %d: the largest request has %d bytes", limit, largest)
		}
		if b := New(got); b.pockets+b.common+b.reserve != got || b.common <= 0 {
			t.Errorf("limit %d: parts %d, %d, %d", limit, b.pockets, b.common, b.reserve)
		}
	}
}

// TestGarbageIsCollectedEarly includes the case that the operator has configured it.
func TestGarbageIsCollectedEarly(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	for gogc, want := range map[string]int{"": garbage, "100": 100, "off": 100} {
		t.Setenv("GOGC", gogc)
		debug.SetGCPercent(100) // the runtime's value by then
		Limit{}.Soften()
		if got := debug.SetGCPercent(100); got != want {
			t.Errorf("GOGC=%q: %d %%, want %d", gogc, got, want)
		}
	}
}
