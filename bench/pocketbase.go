package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"

	"github.com/pocketbase/pocketbase"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"
)

// pbCommand is the argument with which this program runs PocketBase instead of the benchmarks.
const pbCommand = "pocketbase"

const (
	pbEmail      = "device@example.test"
	pbCollection = "changes"
)

// servePocketBase runs PocketBase with a collection for ops. Its arguments are PocketBase's own.
func servePocketBase(args []string) error {
	os.Args = append(os.Args[:1], args...) // PocketBase looks at them itself, before its flags are parsed
	app := pocketbase.NewWithConfig(pocketbase.Config{HideStartBanner: true})
	app.OnServe().BindFunc(func(e *core.ServeEvent) error {
		if err := setUpPocketBase(e.App); err != nil {
			return err
		}
		return e.Next()
	})
	return app.Start()
}

func setUpPocketBase(app core.App) error {
	if _, err := app.FindCollectionByNameOrId(pbCollection); err == nil {
		return nil
	}
	s := app.Settings()
	s.Batch.Enabled, s.Batch.MaxRequests, s.Batch.Timeout = true, batch, 60
	s.Logs.MaxDays = 0
	s.RateLimits.Enabled = false
	if err := app.Save(s); err != nil {
		return err
	}
	signedIn := types.Pointer(`@request.auth.id != ""`)
	c := core.NewBaseCollection(pbCollection)
	c.CreateRule, c.ListRule, c.ViewRule = signedIn, signedIn, signedIn
	c.Fields.Add(
		&core.TextField{Name: "workspace", Required: true}, &core.TextField{Name: "tbl", Required: true},
		&core.TextField{Name: "pk", Required: true}, &core.TextField{Name: "op", Required: true},
		&core.TextField{Name: "device"}, &core.TextField{Name: "op_id", Required: true}, &core.TextField{Name: "hlc"},
		&core.NumberField{Name: "clock"}, &core.JSONField{Name: "payload", MaxSize: 1 << 20},
	)
	c.AddIndex("changes_op_id", true, "workspace, op_id", "")
	if err := app.Save(c); err != nil {
		return err
	}
	users, err := app.FindCollectionByNameOrId("users")
	if err != nil {
		return err
	}
	u := core.NewRecord(users)
	u.SetEmail(pbEmail)
	u.SetPassword(password)
	return app.Save(u)
}

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
	sources []*source
	bodies  [][][]byte
	rate    series
	records int
}

// stored is how many records these and others have stored.
func (p *pbPushers) stored(others *pbPushers) int { return p.records + others.records }

func newPBPushers(s *server, c *corpus, n int) *pbPushers {
	p := &pbPushers{}
	for range n {
		p.clients = append(p.clients, newClient(s.addr))
		p.sources = append(p.sources, c.source(corpusUser))
	}
	return p
}

func (p *pbPushers) signIn() error {
	for _, c := range p.clients {
		var out struct{ Token string }
		if err := c.call("POST", "/api/collections/users/auth-with-password", object{"identity": pbEmail, "password": password}, &out); err != nil {
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
					p.bodies[i] = append(p.bodies[i], s.batchBody(batch))
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
			path := fmt.Sprintf("/api/collections/%s/records?perPage=1000&skipTotal=1&page=%d", pbCollection, (w*each+t)%l.pages+1)
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

// batchBody is the next n ops as a body of PocketBase's batch API.
func (s *source) batchBody(n int) []byte {
	b := []byte(`{"requests":[`)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		t := s.template()
		text := t.appendTo(nil, s.mask, s.user)
		b = append(b, `{"method":"POST","url":"/api/collections/`+pbCollection+`/records","body":{"workspace":"w"`...)
		for _, f := range []struct {
			name string
			part span
		}{{"tbl", t.table}, {"pk", t.pk}, {"op", t.operation}, {"device", t.device}, {"op_id", t.opID}, {"hlc", t.hlc}} {
			b = fmt.Appendf(b, `,"%s":"%s"`, f.name, t.part(text, f.part))
		}
		b = fmt.Appendf(b, `,"clock":%d,"payload":%s}}`, t.clock, t.part(text, t.payload))
	}
	return append(b, `]}`...)
}
