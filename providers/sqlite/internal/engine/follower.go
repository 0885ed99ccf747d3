package engine

// Follower is what is kept in memory of writes that are not yet committed, and follows them. Its methods run in the writer's
// goroutine.
type Follower interface {
	// Save is called in front of a job of which nothing but its own may be undone, and Restore when it was.
	Save()
	Restore()
	// Commit is called in front of each commit, and may write. From then on readers may see the transaction.
	Commit(*Connection) error
	// Ended is called when a transaction was committed, or is undone as a whole.
	Ended(committed bool)
}

// Follow makes f follow the writer. It is called before the first job.
func (e *Engine) Follow(f Follower) { e.w.follower = f }

// alone follows nothing.
type alone struct{}

func (alone) Save()                    {}
func (alone) Restore()                 {}
func (alone) Commit(*Connection) error { return nil }
func (alone) Ended(bool)               {}
