//go:build unix

package settable

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestMain writes endlessly in a child of TestAKilledWriteLeavesTheOldFileOrTheNew.
func TestMain(m *testing.M) {
	if file := os.Getenv("SETTABLE_TEST_FILE"); file != "" {
		writeForEver(file)
		return
	}
	os.Exit(m.Run())
}

func writeForEver(file string) {
	t := &testing.T{}
	c := open(t, file)
	for i := 0; ; i++ {
		if _, err := c.Write([]Change{{"OR3_SITE_NAME", fmt.Sprintf("name %d", i)}, {"OR3_SITE_DESCRIPTION", fmt.Sprintf("about %d%s", i, strings.Repeat(".", 10_000))}}, ""); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("written")
	}
}

// TestAKilledWriteLeavesTheOldFileOrTheNew kills a writer in the middle of its work. The file must be complete, with
// both values of one write and everything that the writer did not change.
func TestAKilledWriteLeavesTheOldFileOrTheNew(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const foreign = "# a comment of ours\nFOREIGN='kept' # and why\n"
	for n := range 12 {
		i := install(t, chosen+foreign)
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), "SETTABLE_TEST_FILE="+i.file)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 1 + n%3 {
			if !lines.Scan() || lines.Text() != "written" {
				t.Fatalf("the writer says %q", lines.Text())
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		text := i.text(t)
		if !strings.HasPrefix(text, chosen+foreign) {
			t.Fatalf("what is foreign has changed:\n%s", text)
		}
		name, about := entry(t, i.Configuration, "OR3_SITE_NAME"), entry(t, i.Configuration, "OR3_SITE_DESCRIPTION")
		if name.Value == nil || about.Value == nil {
			t.Fatalf("a write is lost:\n%s", text)
		}
		if number := strings.TrimPrefix(*name.Value, "name "); *about.Value != "about "+number+strings.Repeat(".", 10_000) {
			t.Fatalf("half of a write: %s, %.20s", *name.Value, *about.Value)
		}
		if problems, err := i.Problems(); err != nil || len(problems) > 0 {
			t.Fatal(problems, err)
		}
	}
}
