package datadir

// Owner is the user and group that own a data directory, which are those that its server runs as.
type Owner struct{ UID, GID int }
