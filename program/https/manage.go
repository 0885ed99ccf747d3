package https

import (
	"context"
	"errors"
	"time"

	"github.com/caddyserver/certmagic"

	"or3.chat/cloud/internal/logx"
)

// Manage starts to get the certificates that are missing and to renew those that need it, until Serve ends. The data
// directory must be open.
func (s *Site) Manage() {
	if s.Names == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop == nil {
		return
	}
	for _, name := range s.domains {
		s.trying.Go(func() { s.obtain(s.ctx, name) })
	}
}

// obtain tries until there is a certificate. From then on the library renews it.
func (s *Site) obtain(ctx context.Context, name string) {
	_, had := s.until(name)
	for try := 0; ; try++ {
		// From the second attempt on a staging service, if the authority has one, is asked first.
		err := s.magic.ManageSync(context.WithValue(ctx, certmagic.AttemptsCtxKey, &try), []string{name})
		switch end, has := s.until(name); {
		case ctx.Err() != nil:
			return
		case has:
			if !had && err == nil {
				s.log.Info("serving HTTPS", "domain", name, "until", end)
			}
			return
		}
		now := time.Now()
		why := explain(name, err, now, s.socket.Plain != nil)
		next := now.Add(s.pauses[min(try, len(s.pauses)-1)])
		if why.until.After(next) {
			next = why.until
		}
		s.log.Error("there is no certificate for "+name+", so no one can open it", "wrong", why.fault, "fix", why.fix, "next_try", next.UTC().Truncate(time.Second),
			"authority", s.issuer.CA, "said", said(err))
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// errBarred keeps the library from contacting an authority that has asked us to wait.
var errBarred = errors.New("the authority wants no requests yet")

// happened is called by the library with what it does; an error prevents that.
func (s *Site) happened(_ context.Context, event string, data map[string]any) error {
	name, _ := data["identifier"].(string)
	renewal, _ := data["renewal"].(bool)
	err, _ := data["error"].(error)
	switch event {
	case "cert_obtaining":
		s.mu.Lock()
		defer s.mu.Unlock()
		if time.Now().Before(s.barred[name]) {
			return errBarred
		}
	case "cert_obtained":
		said := "a certificate was obtained"
		if renewal {
			said = "the certificate was renewed"
		}
		s.log.Info(said, "domain", name, "authority", s.issuer.CA)
	case "cert_failed":
		why := explain(name, err, time.Now(), s.socket.Plain != nil)
		s.mu.Lock()
		s.barred[name] = why.until // usually never
		s.mu.Unlock()
		if end, has := s.until(name); renewal && has {
			s.log.Warn("the certificate of "+name+" cannot be renewed", "until", end, "wrong", why.fault, "fix", why.fix, "authority", s.issuer.CA, "said", said(err))
		}
	}
	return nil
}

// said are the words of an error, in a form for the log.
func said(err error) string {
	if err == nil {
		return ""
	}
	return logx.Redact(err.Error())
}
