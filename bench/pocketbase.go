package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"

	"or3.chat/cloud/bench/internal/corpus"
	"or3.chat/cloud/bench/internal/pocketbase"
)

// pbCommand is the argument with which this program runs PocketBase instead of the benchmarks.
const pbCommand = "pocketbase"

// startPocketBase starts this program as PocketBase.
func (b *bench) startPocketBase() (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{addr: addr, data: b.path("pocketbase/data")}
	s.cmd = exec.Command(self, pbCommand, "serve", "--http", addr, "--dir", s.data, "--dev=false")
	return s, s.start("/api/health")
}

// pbPushers are clients that store ops through the batch API at the same time.
type pbPushers struct {
	clients []*client
	sources []*corpus.Source
	bodies  [][][]byte
	rate    series
	records int
}

// stored is how many records these and others have stored.
func (p *pbPushers) stored(others *pbPushers) int { return p.records + others.records }

func newPBPushers(s *server, c *corpus.Corpus, n int) *pbPushers {
	p := &pbPushers{}
	for range n {
		p.clients = append(p.clients, newClient(s.addr))
		p.sources = append(p.sources, c.Source(corpus.User))
	}
	return p
}

func (p *pbPushers) signIn() error {
	for _, c := range p.clients {
		var out struct{ Token string }
		if err := c.call("POST", "/api/collections/users/auth-with-password", object{"identity": pocketbase.Email, "password": pocketbase.Password}, &out); err != nil {
			return err
		}
		c.header += "Authorization: " + out.Token + "\r\n"
	}
	return nil
}

func (p *pbPushers) step(ops int) step {
	each := max(1, ops/batch/len(p.clients))
	return step{
		prepare: func() error {
			p.bodies = make([][][]byte, len(p.clients))
			for i, s := range p.sources {
				for range each {
					p.bodies[i] = append(p.bodies[i], s.BatchBody(pocketbase.Collection, batch))
				}
			}
			return nil
		},
		run: func() error {
			took, _, err := loop(len(p.clients), times(each), func(w, t int) error {
				answer, err := p.clients[w].do("POST", "/api/batch", p.bodies[w][t])
				if err == nil && bytes.Count(answer, []byte(`"status":200`)) != batch {
					err = fmt.Errorf("not all records were stored: %.500s", answer)
				}
				return err
			})
			p.rate = append(p.rate, float64(each*batch*len(p.clients))/took.Seconds())
			p.records += each * batch * len(p.clients)
			p.bodies = nil
			return err
		},
	}
}

// pbLister lists records in pages of 1,000, without the total count.
type pbLister struct {
	clients []*client
	pages   int
	rate    series
}

func (l *pbLister) step(pages int) step {
	each := max(1, pages/len(l.clients))
	return step{run: func() error {
		took, _, err := loop(len(l.clients), times(each), func(w, t int) error {
			path := fmt.Sprintf("/api/collections/%s/records?perPage=1000&skipTotal=1&page=%d", pocketbase.Collection, (w*each+t)%l.pages+1)
			answer, err := l.clients[w].do("GET", path, nil)
			if n := bytes.Count(answer, []byte(`"collectionId":`)); err == nil && n != 1000 {
				err = fmt.Errorf("PocketBase lists %d rows, want 1000", n)
			}
			return err
		})
		l.rate = append(l.rate, float64(len(l.clients)*each*1000)/took.Seconds())
		return err
	}}
}
