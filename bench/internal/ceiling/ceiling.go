// Package ceiling is the server that does nothing: it reads a request and sends an answer that it has in memory. If it
// has to keep what it reads, it writes the bodies that have arrived with one write, and waits for one fdatasync. No
// server that answers over HTTP can be faster than the first, and none that keeps what it acknowledges can be faster
// than the second.
package ceiling

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"or3.chat/cloud/bench/internal/process"
)

// Command is the argument with which the bench runs this server instead of measurements.
const Command = "ceiling"

// logSize is the size of the file that bodies are written to, round and round: as a write-ahead log that is
// overwritten, so that no fdatasync has to write where the file ends.
const logSize = 64 << 20

// Start runs this program as such a server, with its files in a directory of its own. The answers are sent in turn.
func Start(dir string, answers [][]byte, keeps bool) (*process.Server, error) {
	addr, err := process.FreeAddr()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for i, a := range answers {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("answer-%04d", i)), a, 0o600); err != nil {
			return nil, err
		}
	}
	s := &process.Server{Addr: addr, Data: filepath.Join(dir, "log"), Cmd: exec.Command(self, Command, addr, dir, strconv.FormatBool(keeps))}
	return s, s.Start("/")
}

// Serve is the server. args are its address, its directory, and whether it keeps what it reads.
func Serve(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("%s takes an address, a directory and whether bodies are kept", Command)
	}
	addr, dir := args[0], args[1]
	keeps, err := strconv.ParseBool(args[2])
	if err != nil {
		return err
	}
	h := &handler{}
	names, err := filepath.Glob(filepath.Join(dir, "answer-*")) // sorted
	if err != nil {
		return err
	}
	for _, name := range names {
		a, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		h.answers = append(h.answers, a)
	}
	if keeps {
		if h.log, err = newLog(filepath.Join(dir, "log")); err != nil {
			return err
		}
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return http.Serve(ln, h)
}

type handler struct {
	answers [][]byte
	next    atomic.Uint32
	log     *log // nil if nothing is kept
	bodies  sync.Pool
}

// ServeHTTP reads the body and answers.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := h.bodies.Get().(*[]byte)
	if body == nil {
		body = new([]byte)
	}
	defer h.bodies.Put(body)
	if n := int(max(0, r.ContentLength)); cap(*body) < n {
		*body = make([]byte, n)
	} else {
		*body = (*body)[:n]
	}
	if _, err := io.ReadFull(r.Body, *body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if h.log != nil && len(*body) > 0 {
		if err := h.log.append(*body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	answer := h.answers[int(h.next.Add(1))%len(h.answers)]
	w.Header()["Content-Type"] = []string{"application/json"}
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(answer))}
	_, _ = w.Write(answer) // a client that has gone does not wait for it
}

// log writes what has arrived during the last write with one write.
type log struct {
	file    *os.File
	at      int64
	waiting chan entry
}

type entry struct {
	body []byte
	done chan error
}

func newLog(name string) (*log, error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	zeros := make([]byte, 1<<20)
	for range logSize / len(zeros) {
		if _, err := f.Write(zeros); err != nil {
			return nil, err
		}
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	l := &log{file: f, waiting: make(chan entry, 1024)}
	go l.run()
	return l, nil
}

// append returns when the body is on the disk.
func (l *log) append(body []byte) error {
	e := entry{body, make(chan error, 1)}
	l.waiting <- e
	return <-e.done
}

func (l *log) run() {
	for first := range l.waiting {
		group := []entry{first}
		for more := true; more; {
			select {
			case e := <-l.waiting:
				group = append(group, e)
			default:
				more = false
			}
		}
		err := l.commit(group)
		for _, e := range group {
			e.done <- err
		}
	}
}

func (l *log) commit(group []entry) error {
	var parts [][]byte
	size := 0
	for _, e := range group {
		parts, size = append(parts, e.body), size+len(e.body)
	}
	if l.at+int64(size) > logSize {
		l.at = 0
	}
	fd := int(l.file.Fd())
	n, err := unix.Pwritev(fd, parts, l.at)
	if err == nil && n != size {
		err = io.ErrShortWrite
	}
	if err != nil {
		return err
	}
	l.at += int64(size)
	return syscall.Fdatasync(fd)
}
