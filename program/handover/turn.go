package handover

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"or3.chat/cloud/internal/logx"
)

// Upgrades are the requests for an upgrade to this process: SIGUSR2, where the system has it, and Ask.
type Upgrades struct {
	asked  <-chan os.Signal
	ignore func()
	wanted chan struct{}
	now    func() time.Time

	mu      sync.Mutex
	refused time.Time
	why     string
}

// AwaitUpgrades starts to collect requests. A signal that comes earlier ends the process, as signals do.
func (p Process) AwaitUpgrades() *Upgrades {
	u := &Upgrades{wanted: make(chan struct{}, 1), now: p.Now}
	u.asked, u.ignore = upgradeSignals()
	return u
}

// Ask requests what the signal requests: that the program at our path, which may be the same, takes our place if it can
// start with the configuration of that time. It returns at once. An error says that this system cannot do it.
func (u *Upgrades) Ask() error {
	if err := canSucceed(); err != nil {
		return err
	}
	select {
	case u.wanted <- struct{}{}:
	default: // one is waiting, and answers this one as well
	}
	return nil
}

// Refused returns when a request was last refused, and why; "" if none has been since the start.
func (u *Upgrades) Refused() (at time.Time, why string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.refused, u.why
}

func (u *Upgrades) refuse(why error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refused, u.why = u.now(), logx.Redact(why.Error())
}

// Stop stops collecting.
func (u *Upgrades) Stop() { u.ignore() }

// again starts collecting again after bequeath made the process ignore the signal.
func (u *Upgrades) again() {
	u.ignore()
	u.asked, u.ignore = upgradeSignals()
}

// Turn is the time between the opening and the closing of the data.
type Turn struct {
	// Socket is what is served on. A turn closes it; another descriptor keeps it open for what follows.
	Socket   *Socket
	process  Process
	upgrades *Upgrades
	trial    *candidate // may open the data first; nil if there is none
}

// Serve takes turns until one ends without a reason for another, or this process is replaced. take serves on the socket
// of a turn until ctx ends or Watch or Yield say so, and returns that, with the error of closing everything.
func (p Process) Serve(ctx context.Context, log *slog.Logger, s *Socket, u *Upgrades, take func(context.Context, *Turn) (Ending, error)) error {
	var trial *candidate
	for {
		end, closing := take(ctx, &Turn{Socket: s, process: p, upgrades: u, trial: trial})
		switch {
		case ctx.Err() != nil || end.kept == (kept{}):
			end.trial.dismiss()
			return errors.Join(end.err, closing, s.discard(end.kept))
		case end.next == nil:
			if closing != nil {
				log.Error("not everything could be closed", "error", closing)
			}
			trial = end.trial
		case end.trial == nil: // after a fault there is no way back
			return end.conclude(ctx, log, closing)
		default:
			err := end.conclude(ctx, log, closing)
			if err == nil {
				return nil
			}
			end.trial.dismiss()
			trial = nil
			p.refuseUpgrade(ctx, log, u, err)
			u.again()
		}
		var err error
		if s, err = s.reopen(end.kept); err != nil {
			return err
		}
	}
}

// Yield lets the program of an upgrade, if there is one, open and close the data. It reports whether that program can
// take over: then this turn is over. It must be called before the data is opened.
func (t *Turn) Yield(ctx context.Context, log *slog.Logger) (Ending, bool) {
	if t.trial == nil {
		return Ending{}, false
	}
	end, err := t.yield(ctx, log)
	if err != nil {
		t.process.refuseUpgrade(ctx, log, t.upgrades, err)
	}
	return end, err == nil
}

func (t *Turn) yield(ctx context.Context, log *slog.Logger) (Ending, error) {
	if err := t.trial.prove(ctx); err != nil {
		return Ending{}, err
	}
	next, err := t.process.succeed(t.Socket, t.trial.image)
	if err != nil {
		t.trial.dismiss()
		return Ending{}, err
	}
	log.Info("executing the new program", "program", t.process.Program, "version", t.trial.version)
	if len(t.upgrades.asked)+len(t.upgrades.wanted) > 0 {
		log.Info("another request for an upgrade came in the meantime; this one answers it")
	}
	return Ending{trial: t.trial, next: next, kept: next.left.kept()}, nil
}
