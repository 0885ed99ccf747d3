package copies

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"

	"or3.chat/cloud/providers/fs/internal/digest"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// ErrAbsent says that a blob is really absent: the store is the right one and has no bytes for the key.
var ErrAbsent = errors.New("fs: no such blob")

// ErrSetAside says that the only copy of a content is in quarantine. That is damage, not absence.
var ErrSetAside = fmt.Errorf("%w: its only copy is in quarantine", digest.ErrDamaged)

// Find opens the bytes of a key wherever they are: in use, or in the trash and not yet destroyed.
func (c *Copies) Find(k layout.Key) (volume.File, Record, error) {
	return c.lookup(k, c.openGeneration)
}

// lookup is Find with the function that opens a generation.
func (c *Copies) lookup(k layout.Key, open func(layout.Key, string) (volume.File, error)) (volume.File, Record, error) {
	rec, err := c.Read(k)
	for err == nil {
		var f volume.File
		if f, err = open(k, rec.Generation); err == nil {
			return f, rec, nil
		}
		if !errors.Is(err, iofs.ErrNotExist) {
			break
		}
		// A newer generation may have come between the sidecar and the blob; look again as long as that happens.
		was := rec.Generation
		if rec, err = c.Read(k); err == nil && rec.Generation == was {
			err = iofs.ErrNotExist
		}
	}
	if errors.Is(err, iofs.ErrNotExist) {
		if err = c.Check(); err == nil {
			err = c.absence(k, rec)
		}
	}
	return nil, Record{}, err
}

// openGeneration opens one generation. It looks first among those in use and then in the trash, the direction in which
// files move; a rescue makes a new name and therefore never hides the old one.
func (c *Copies) openGeneration(k layout.Key, generation string) (volume.File, error) {
	f, err := c.disk.Open(k.Live(generation))
	if errors.Is(err, iofs.ErrNotExist) {
		return c.disk.Open(k.Trash(generation))
	}
	return f, err
}

// FindVerified is Find for a reader who must not get a damaged byte.
func (c *Copies) FindVerified(ctx context.Context, k layout.Key) (volume.File, Record, error) {
	return c.lookup(k, func(k layout.Key, generation string) (volume.File, error) { return c.openVerified(ctx, k, generation) })
}

// openVerified opens one generation so that everything read from it has been verified. One that was stored before there
// were digests is returned as it is. Digests that are damaged themselves are rewritten, if the blob as a whole has its
// hash.
func (c *Copies) openVerified(ctx context.Context, k layout.Key, generation string) (volume.File, error) {
	// The digests are stored before the blob and removed after it. They are looked for first, so if they are missing
	// there never were any.
	sums, err := c.Sums(k, generation)
	if err != nil && !errors.Is(err, iofs.ErrNotExist) && !errors.Is(err, volume.ErrCorrupt) {
		return nil, err
	}
	f, openErr := c.openGeneration(k, generation)
	if openErr != nil || errors.Is(err, iofs.ErrNotExist) {
		return f, openErr
	}
	if err != nil {
		if sums, err = digest.Of(f, k.Hash); err != nil {
			f.Close()
			if errors.Is(err, digest.ErrDamaged) {
				c.ReportDamage(ctx, k, generation, err)
			}
			return nil, err
		}
		if err := c.ReplaceSums(k, generation, sums); err != nil {
			c.log.WarnContext(ctx, "damaged digests of a blob cannot be replaced; until then it is read twice", "err", err)
		}
	}
	return digest.Open(f, sums), nil
}

// Sums reads the digests of a generation; the error is iofs.ErrNotExist if it has none.
func (c *Copies) Sums(k layout.Key, generation string) (*digest.Sums, error) {
	encoded, err := volume.ReadAll(c.disk, k.Live(generation)+layout.SumsSuffix, digest.MaxEncoded)
	if errors.Is(err, iofs.ErrNotExist) {
		encoded, err = volume.ReadAll(c.disk, k.Trash(generation)+layout.SumsSuffix, digest.MaxEncoded)
	}
	if err != nil {
		return nil, err
	}
	return digest.Parse(encoded)
}

// ReplaceSums gives a generation in use new digests.
func (c *Copies) ReplaceSums(k layout.Key, generation string, sums *digest.Sums) error {
	defer c.Lock(k)()
	live := k.Live(generation)
	if _, err := c.disk.Lstat(live); errors.Is(err, iofs.ErrNotExist) {
		return nil // In the trash by now.
	}
	return c.temps.Replace(k, live+layout.SumsSuffix, sums.Encode())
}

// absence says what it means that a key has no bytes where its sidecar says.
func (c *Copies) absence(k layout.Key, rec Record) error {
	if rec.DamagedAt != nil && c.IsSetAside(k, rec.Generation) {
		return ErrSetAside
	}
	return ErrAbsent
}
