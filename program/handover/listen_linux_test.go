package handover

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

func TestTheHolderOfAPortIsNamed(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if holder := portHolder(ln.Addr().(*net.TCPAddr).Port); !strings.Contains(holder, fmt.Sprint("the process with pid ", os.Getpid())) {
		t.Errorf("the holder is %q", holder)
	}
}
