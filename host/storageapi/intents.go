package storageapi

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	or3cloud "or3.chat/cloud"
)

// intentLife is how long room is kept for an upload that does not end: the longest validity of a URL, and as much again
// for the bytes to come in.
const intentLife = 2 * time.Hour

var errNobodyCounts = errors.New("a storage quota is set, but the sync provider cannot promise room")

// reserve asks the sync provider for room and returns the id of the promise, "" if the provider makes none.
func (a *API) reserve(ctx context.Context, userID, workspaceID string, hash or3cloud.BlobHash, size int64) (id string, err error) {
	return a.reserveFor(ctx, userID, workspaceID, hash, size, intentLife)
}

// reserveFor is reserve for an upload that may take longer.
func (a *API) reserveFor(ctx context.Context, userID, workspaceID string, hash or3cloud.BlobHash, size int64, life time.Duration) (id string, err error) {
	if a.opt.Intents == nil {
		if a.opt.Quota != (or3cloud.StorageQuota{}) {
			return "", errNobodyCounts
		}
		return "", nil
	}
	random, err := uuid.NewRandomFromReader(a.opt.Rand)
	if err != nil {
		return "", err
	}
	return random.String(), a.opt.Intents.ReserveUploadIntent(ctx, or3cloud.UploadIntent{
		ID: random.String(), WorkspaceID: workspaceID, UserID: userID, Hash: hash, SizeBytes: size,
		ExpiresAt: a.opt.Now().Add(life), Quota: a.opt.Quota,
	})
}

// cancel gives the room of an upload back that got no URL.
func (a *API) cancel(ctx context.Context, workspaceID, id string) error {
	if id == "" {
		return nil
	}
	return a.opt.Intents.CancelUploadIntent(context.WithoutCancel(ctx), workspaceID, id)
}

// consume closes the intents of a committed content. Its room stays taken until its file_meta row has come, or until
// the collector may take it because none ever came.
func (a *API) consume(ctx context.Context, userID, workspaceID, id string, hash or3cloud.BlobHash, size int64) error {
	if a.opt.Intents == nil {
		return nil
	}
	return a.opt.Intents.ConsumeUploadIntent(ctx, or3cloud.UploadIntent{
		ID: id, WorkspaceID: workspaceID, UserID: userID, Hash: hash, SizeBytes: size,
		ExpiresAt: a.opt.Now().Add(a.opt.GCRetention), Quota: a.opt.Quota,
	})
}
