package program

import (
	"context"
	"errors"
	"os"

	or3cloud "or3.chat/cloud"
)

// unfitPrograms are or3-cloud with one defect that shows only when it opens the data. A link to the test binary with
// such a name is one of them (TestMain).
var unfitPrograms = map[string]func(){
	"or3-cloud-refuses-the-data": opensWith(func(context.Context) error {
		return errors.New("the database is newer than this program")
	}),
	"or3-cloud-crashes": opensWith(func(context.Context) error { panic("a fault of this version") }),
	"or3-cloud-exits":   opensWith(func(context.Context) error { os.Exit(0); return nil }),
	"or3-cloud-is-killed": opensWith(func(context.Context) error {
		if self, err := os.FindProcess(os.Getpid()); err == nil {
			_ = self.Kill() // as the kernel does when memory runs out
		}
		select {}
	}),
	"or3-cloud-hangs": opensWith(func(context.Context) error { select {} }),
	"or3-cloud-does-not-close": withProvider(func(_ context.Context, i *or3cloud.Instance) error {
		i.Close = func() error { return errors.New("the last write failed") }
		return nil
	}),
}

// opensWith is the program with a provider that calls f when it is opened.
func opensWith(f func(context.Context) error) func() {
	return withProvider(func(ctx context.Context, _ *or3cloud.Instance) error { return f(ctx) })
}

// withProvider is the program with a last provider that f may change once it is open.
func withProvider(f func(context.Context, *or3cloud.Instance) error) func() {
	return func() {
		Main(func(r *or3cloud.Registry) error {
			var real or3cloud.Registry
			if err := registerProviders(&real); err != nil {
				return err
			}
			for _, p := range real.Providers() {
				if open := p.Open; p.ID == "fs" {
					p.Open = func(ctx context.Context, env or3cloud.Env) (*or3cloud.Instance, error) {
						i, err := open(ctx, env)
						if err != nil {
							return nil, err
						}
						if err := f(ctx, i); err != nil {
							return nil, errors.Join(err, i.Close())
						}
						return i, nil
					}
				}
				if err := r.Register(p); err != nil {
					return err
				}
			}
			return nil
		})
	}
}
