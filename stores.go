package or3cloud

// StoreCondition says what a provider found where a store of the instance should be.
type StoreCondition string

// The conditions.
const (
	// StoreAbsent is a place with nothing there.
	StoreAbsent StoreCondition = "missing"
	// StoreBlank is a store without any content: a file of 0 bytes, an empty directory.
	StoreBlank StoreCondition = "empty"
	// StoreUnstamped has content and says nothing of whose it is: a store from before there were stamps.
	StoreUnstamped StoreCondition = "without identity"
	// StoreStamped carries a stamp.
	StoreStamped StoreCondition = "stamped"
)

// StoreStamp is what a store carries to say whose it is and of which moment.
type StoreStamp struct {
	// Store is the name of the store within the instance, Instance the identity of the data directory.
	Store    string `json:"store"`
	Instance string `json:"instance"`
	// Run is the random id of the run of the program that wrote last, Previous that of the run before it. Both are
	// empty in a store that does not record runs.
	Run      string `json:"run,omitempty"`
	Previous string `json:"previous,omitempty"`
	// Step counts up while the store is written, about once a second.
	Step int64 `json:"step,omitempty"`
	// High is a number of the provider's own that never falls: in the sync store the highest version given out.
	High int64 `json:"high,omitempty"`
	// At is the newest time that the store was written at, in Unix milliseconds.
	At int64 `json:"at,omitempty"`
}

// StoreFound is what a provider found.
type StoreFound struct {
	// Place is where, for messages: a path.
	Place     string
	Condition StoreCondition
	// Stamp is set when Condition is StoreStamped.
	Stamp StoreStamp
	// Essential says that every data directory that was ever served has this store, however it is configured.
	Essential bool
}

// StoreAge says whether a store is of the present.
type StoreAge int

// The ages.
const (
	// StoreCurrent is the store as it was left.
	StoreCurrent StoreAge = iota
	// StoreCopied lies in a data directory that was copied as a whole. It is the newest state if the instance has
	// moved, and an older one if a backup was put back.
	StoreCopied
	// StoreOlder is an older copy of the instance's store.
	StoreOlder
)

// StoreAdmission lets a provider open a store.
type StoreAdmission struct {
	// Stamp must be in the store, durably, before anything else in it changes; Stores.Confirm is told then.
	Stamp StoreStamp
	// Age is whether the store is of the present. If it may be older, everything that was handed out since (versions,
	// sessions, tokens) must be made safe in the transaction that stamps it.
	Age StoreAge
	// Why says how an Age other than StoreCurrent is known, for the log.
	Why string
	// Mark is what the data directory last knew of the store; zero if it knew nothing.
	Mark StoreStamp
}

// Stores is the data directory's record of the stores that belong to its instance. A provider asks it before it opens a
// store, and tells it how far the store has come: that mark outside of the store shows when an older copy is put back.
type Stores interface {
	// Admit decides whether a store may be opened. The error says what was found and how to go on: a store that is
	// missing, empty, or another instance's in a data directory that was in use is never taken for a first start.
	Admit(name string, found StoreFound) (StoreAdmission, error)
	// Confirm is told that the store carries a stamp, durably. It is called after Admit, then in steps, never per
	// write, and once more when the store is closed.
	Confirm(stamp StoreStamp) error
}
