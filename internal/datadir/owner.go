package datadir

// Owner is the user and group of the system to whom a data directory belongs: those that its server runs as.
type Owner struct{ UID, GID int }
