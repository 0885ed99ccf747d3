package readback

import (
	"context"
	"errors"
	iofs "io/fs"
	"log/slog"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/background"
	"or3.chat/cloud/providers/fs/internal/health"
	"or3.chat/cloud/providers/fs/internal/traffic"
)

// The scrub reads every file back within seven days: a pass takes at most ScrubSpan, and the next one begins ScrubRest
// later.
const (
	ScrubRest = 3 * 24 * time.Hour
	ScrubSpan = 3 * 24 * time.Hour
	// ScrubRate in bytes per second is slow enough for a few percent of one core where SHA-256 runs at 400 MB/s, and
	// enough for 2 TB in ScrubSpan. A larger store is read faster.
	ScrubRate = 8 << 20
	// scrubDelay leaves a server that has just started to its clients, and spares commands that open the store.
	scrubDelay = time.Minute
	// scrubRetry is how long it waits after an error of the store.
	scrubRetry = 10 * time.Minute
	// scrubSave is the shortest time between two saves of the position.
	scrubSave = time.Minute
	// scrubYield is how long the scrub waits before it checks again whether transfers are under way.
	scrubYield = time.Second
)

// ScrubOptions are what a Scrub is made of. All are required.
type ScrubOptions struct {
	Reader  *Reader
	Health  *health.Health
	Traffic *traffic.Traffic
	Now     func() time.Time
	Log     *slog.Logger
}

// Scrub reads the store back, slowly and all the time.
type Scrub struct {
	reader  *Reader
	health  *health.Health
	traffic *traffic.Traffic
	now     func() time.Time
	log     *slog.Logger
	loop    *background.Loop // nil until it is started
}

var _ or3cloud.IntegrityReporter = (*Scrub)(nil)

// NewScrub returns a Scrub that does nothing yet.
func NewScrub(o ScrubOptions) *Scrub {
	return &Scrub{reader: o.Reader, health: o.Health, traffic: o.Traffic, now: o.Now, log: o.Log}
}

// Start starts the scrub where an earlier process left it.
func (s *Scrub) Start() {
	if err := s.health.Load(); err != nil {
		s.log.Warn("the progress of reading the files back is unknown; it starts from the beginning", "err", err)
	}
	s.loop = background.Start(background.Task{
		Name: "reading the files back", Log: s.log, Delay: scrubDelay, Run: s.runIfDue, Pause: s.pause,
	})
}

// Close ends the scrub and saves how far it has come.
func (s *Scrub) Close() {
	if s.loop == nil {
		return
	}
	s.loop.Close()
	if err := s.health.Save(); err != nil {
		s.log.Warn("the progress of reading the files back cannot be saved", "err", err)
	}
}

// due returns how long it is until the next pass. A pass uses the clock of the records, so that it survives restarts;
// the pauses are in real time.
func (s *Scrub) due() time.Duration { return s.health.NextPass(s.now(), ScrubRest).Sub(s.now()) }

func (s *Scrub) runIfDue(ctx context.Context) error {
	if s.due() > 0 {
		return nil
	}
	return s.Pass(ctx)
}

func (s *Scrub) pause(err error) time.Duration {
	if err != nil {
		return scrubRetry
	}
	if due := s.due(); due > 0 {
		return min(due, time.Hour) // so that a clock that is set does not stop it for long
	}
	return scrubDelay
}

// Pass continues the pass that is under way, or begins one.
func (s *Scrub) Pass(ctx context.Context) error {
	after, pace := s.begin()
	saved := time.Now()
	err := s.reader.walk(ctx, "", after, func(c copyOf) error {
		size, err := s.one(ctx, c, pace)
		if err != nil {
			return err
		}
		s.health.Advance(c.position(), size)
		if time.Since(saved) < scrubSave {
			return nil
		}
		saved = time.Now()
		return s.health.Save()
	})
	if err != nil {
		return errors.Join(err, s.health.Save())
	}
	s.end()
	return s.health.Save()
}

// one reads one copy back. When it returns, damage has been noted and logged.
func (s *Scrub) one(ctx context.Context, c copyOf, pace pace) (int64, error) {
	blob, err := s.reader.check(ctx, c, false, pace)
	if errors.Is(err, iofs.ErrNotExist) {
		return 0, nil
	}
	if err == nil && blob.Condition == or3cloud.BlobUnreadable && s.health.Damage(c.Key, s.now().UTC()) {
		s.log.ErrorContext(ctx, "A STORED BLOB CANNOT BE READ: look at the disk",
			"workspace", c.Workspace, "hash", string(c.Hash), "generation", c.generation, "fault", blob.Fault)
	}
	return blob.SizeBytes, err
}

// begin returns where the pass goes on and how fast.
func (s *Scrub) begin() (after string, p pace) {
	pass := s.health.Begin(s.now().UTC())
	rate := max(ScrubRate, pass.Bytes/int64(ScrubSpan/time.Second))
	return pass.After, s.giveWay(atRate(rate), pass.Started.Add(ScrubSpan))
}

// giveWay is a pace that also waits for transfers to end, until the pass would take too long.
func (s *Scrub) giveWay(steady pace, until time.Time) pace {
	return func(ctx context.Context, n int) error {
		for s.traffic.UnderWay() && s.now().Before(until) {
			if err := sleepUntil(ctx, time.Now().Add(scrubYield)); err != nil {
				return err
			}
		}
		return steady(ctx, n)
	}
}

func (s *Scrub) end() {
	files, bytes, damaged := s.health.End(s.now().UTC())
	s.log.Info("all files were read back", "files", files, "bytes", bytes, "damaged", damaged)
}

// IntegrityState implements or3cloud.IntegrityReporter.
func (s *Scrub) IntegrityState() or3cloud.IntegrityState {
	state := s.health.State()
	state.Enabled = s.loop != nil
	if s.loop.Err() != nil {
		state.State, state.LastError = "failed", "The storage directory cannot be read"
	}
	return state
}
