package engine

// Follower is state in memory that follows writes before they are committed. Its methods run in the writer's goroutine.
type Follower interface {
	// Save is called before a job that may be undone alone, and Restore when it was.
	Save()
	Restore()
	// Commit is called before each commit, and may write. From then on readers may see the transaction.
	Commit(*Connection) error
	// Ended is called when a transaction was committed, or undone as a whole.
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
