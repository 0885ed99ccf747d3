package pocketbase

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"or3.chat/cloud/bench/internal/client"
	"or3.chat/cloud/bench/internal/corpus"
	"or3.chat/cloud/bench/internal/measure"
	"or3.chat/cloud/bench/internal/process"
)

// Command is the argument with which the bench runs PocketBase instead of measurements.
const Command = "pocketbase"

// Start runs this program as PocketBase, which takes so many ops in a request.
func Start(data string, ops int) (*process.Server, error) {
	addr, err := process.FreeAddr()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &process.Server{Addr: addr, Data: data}
	s.Cmd = exec.Command(self, Command, strconv.Itoa(ops), "serve", "--http", addr, "--dir", data, "--dev=false")
	return s, s.Start("/api/health")
}

// Pushers are clients that store ops through the batch API at the same time.
type Pushers struct {
	measure.Work // of ops
	Clients      []*client.Client
	Stored       int // records so far

	server  *process.Server
	batch   int
	sources []*corpus.Source
	bodies  [][][]byte
}

// NewPushers returns one client, and sixteen, all signed in.
func NewPushers(s *process.Server, c *corpus.Corpus, batch int) (one, sixteen *Pushers, err error) {
	if one, err = newPushers(s, c, batch, 1); err == nil {
		sixteen, err = newPushers(s, c, batch, 16)
	}
	return one, sixteen, err
}

func newPushers(s *process.Server, c *corpus.Corpus, batch, n int) (*Pushers, error) {
	p := &Pushers{server: s, batch: batch}
	for range n {
		k := client.New(s.Addr)
		var out struct{ Token string }
		err := k.Call("POST", "/api/collections/users/auth-with-password", client.Object{"identity": Email, "password": Password}, &out)
		if err != nil {
			return nil, err
		}
		k.Header += "Authorization: " + out.Token + "\r\n"
		p.Clients = append(p.Clients, k)
		p.sources = append(p.sources, c.Source(corpus.User))
	}
	return p, nil
}

// Step stores ops in all, shared evenly by the clients.
func (p *Pushers) Step(ops int) measure.Step {
	each := max(1, ops/p.batch/len(p.Clients))
	return measure.Step{
		Prepare: func() error {
			p.bodies = make([][][]byte, len(p.Clients))
			for i, s := range p.sources {
				for range each {
					p.bodies[i] = append(p.bodies[i], s.BatchBody(Collection, p.batch))
				}
			}
			return nil
		},
		Run: func() error {
			n := each * p.batch * len(p.Clients)
			err := p.Do(p.server, len(p.Clients), each, n, func(w, t int) error {
				answer, err := p.Clients[w].Do("POST", "/api/batch", p.bodies[w][t])
				if err == nil && bytes.Count(answer, []byte(`"status":200`)) != p.batch {
					err = fmt.Errorf("not all records were stored: %.500s", answer)
				}
				return err
			})
			p.Stored += n
			p.bodies = nil
			return err
		},
	}
}

// Listers list records in pages of 1,000, without the total count.
type Listers struct {
	measure.Work // of records
	Clients      []*client.Client
	Stored       int // records that there are

	server *process.Server
}

// Listers returns the clients as such that list what n records are.
func (p *Pushers) Listers(n int) *Listers {
	return &Listers{Clients: p.Clients, Stored: n, server: p.server}
}

// Step lists pages in all, shared evenly by the clients.
func (l *Listers) Step(pages int) measure.Step {
	each := max(1, pages/len(l.Clients))
	return measure.Step{Run: func() error {
		return l.Do(l.server, len(l.Clients), each, len(l.Clients)*each*1000, func(w, t int) error {
			path := fmt.Sprintf("/api/collections/%s/records?perPage=1000&skipTotal=1&page=%d", Collection, (w*each+t)%(l.Stored/1000)+1)
			answer, err := l.Clients[w].Do("GET", path, nil)
			if n := bytes.Count(answer, []byte(`"collectionId":`)); err == nil && n != 1000 {
				err = fmt.Errorf("PocketBase lists %d rows, want 1000", n)
			}
			return err
		})
	}}
}
