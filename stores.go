package or3cloud

// StoreCondition is what a provider found where a store of the instance should be.
type StoreCondition string

// The conditions.
const (
	// StoreAbsent means that nothing is there.
	StoreAbsent StoreCondition = "missing"
	// StoreBlank is a store without content: a file of 0 bytes or an empty directory.
	StoreBlank StoreCondition = "empty"
	// StoreUnstamped has content but no stamp: a store from a version before stamps existed.
	StoreUnstamped StoreCondition = "without identity"
	// StoreStamped has a stamp.
	StoreStamped StoreCondition = "stamped"
)

// StoreStamp identifies the instance that a store belongs to, and a point in its history.
type StoreStamp struct {
	// Store is the name of the store within the instance, and Instance the identity of the data directory.
	Store    string `json:"store"`
	Instance string `json:"instance"`
	// Run is the random id of the last run of the program that wrote to the store, and Previous that of the run before
	// it. Both are empty in a store that does not record runs.
	Run      string `json:"run,omitempty"`
	Previous string `json:"previous,omitempty"`
	// Step increases while the store is written, about once a second.
	Step int64 `json:"step,omitempty"`
	// High is a number of the provider's choice that never decreases. In the sync store it is the highest version
	// assigned.
	High int64 `json:"high,omitempty"`
	// At is the time of the last write, in Unix milliseconds.
	At int64 `json:"at,omitempty"`
}

// StoreFound is what a provider found.
type StoreFound struct {
	// Place is the path, for messages.
	Place     string
	Condition StoreCondition
	// Stamp is set if Condition is StoreStamped.
	Stamp StoreStamp
	// Essential means that every data directory that was ever served has this store, whatever the configuration.
	Essential bool
}

// StoreAge tells whether a store is current.
type StoreAge int

// The ages.
const (
	// StoreCurrent is the store as the program left it.
	StoreCurrent StoreAge = iota
	// StoreCopied lies in a data directory that was copied as a whole. It is current if the instance has moved, and
	// older if a backup was restored.
	StoreCopied
	// StoreOlder is an older copy of the instance's store.
	StoreOlder
)

// StoreAdmission is the permission to open a store.
type StoreAdmission struct {
	// Stamp must be durable in the store before anything else in it changes. The provider then calls Stores.Confirm.
	Stamp StoreStamp
	// Age tells whether the store is current. If it may be older, the transaction that stamps it must also make
	// everything safe that was handed out since (versions, sessions, tokens).
	Age StoreAge
	// Why explains how an Age other than StoreCurrent was detected, for the log.
	Why string
	// Mark is the last stamp of the store that the data directory recorded. It is zero if there is none.
	Mark StoreStamp
}

// Stores is the data directory's record of the stores that belong to its instance. A provider asks it before it opens a
// store, and reports how far the store has come. Because that mark lies outside the store, it reveals when an older
// copy was restored.
type Stores interface {
	// Admit decides whether a store may be opened. Its error says what was found and what to do. In a data directory
	// that was in use, a store that is missing, empty or another instance's is never mistaken for a first start.
	Admit(name string, found StoreFound) (StoreAdmission, error)
	// Confirm reports that the store durably carries a stamp. The provider calls it after Admit, then in steps, never
	// per write, and once more when it closes the store.
	Confirm(stamp StoreStamp) error
}
